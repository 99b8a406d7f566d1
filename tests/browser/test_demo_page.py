"""The demo's page around the element: sessions, log-out, the message box."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Dialog, expect

from tests.browser.helpers import User, fill_login
from tests.browser.test_failures import end_tokens

WAITING = "Waiting for the model…"


def test_a_reload_keeps_the_user_logged_in(alice: User, context: BrowserContext) -> None:
    for _ in range(2):
        alice.page.reload()
        expect(alice.page.get_by_role("heading", name="Models")).to_be_visible()
        expect(alice.page.locator("#user")).to_have_text("alice")
    # Another tab has a session of its own.
    other = context.new_page()
    other.goto(alice.servers.url)
    expect(other.get_by_role("button", name="Log in")).to_be_visible()
    alice.button("Log out").click()
    expect(alice.button("Log in")).to_be_visible()
    alice.page.reload()
    expect(alice.button("Log in")).to_be_visible()


def test_a_session_that_has_ended_asks_for_a_log_in_after_a_reload(alice: User) -> None:
    end_tokens(alice, refresh=True)
    alice.page.reload()
    expect(alice.button("Log in")).to_be_visible()


def test_the_window_of_a_log_in_does_not_use_the_session_of_its_opener(
    alice: User, context: BrowserContext
) -> None:
    end_tokens(alice, refresh=True)
    alice.prompt.fill("Be verbose.")
    alice.button("Save changes").click()
    context.add_init_script("window.close = () => {}")
    with context.expect_page() as opened:
        alice.button("Log in again").click()
    fill_login(opened.value, "alice")
    alice.page.get_by_text("All changes are saved").wait_for()
    alice.page.reload()
    expect(alice.prompt).to_have_value("Be verbose.")


def test_a_log_out_with_unsaved_changes_asks_for_confirmation(alice: User) -> None:
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        if len(asked) == 1:
            dialog.dismiss()
        else:
            dialog.accept()

    alice.page.on("dialog", answer)
    alice.prompt.fill("Be verbose.")
    alice.button("Log out").click()
    expect(alice.prompt).to_have_value("Be verbose.")
    alice.button("Log out").click()
    expect(alice.button("Log in")).to_be_visible()
    assert len(asked) == 2
    assert "not saved" in asked[0]


def test_the_message_box_says_that_changes_are_not_saved(alice: User) -> None:
    note = alice.page.get_by_text(re.compile("Your changes above are not saved yet"))
    expect(note).to_be_hidden()
    alice.prompt.fill("Be verbose.")
    expect(note).to_be_visible()
    alice.save()
    expect(note).to_be_hidden()
    alice.prompt.fill("Be terse.")
    alice.button("Discard").click()
    expect(note).to_be_hidden()


def test_the_message_box_says_that_it_waits_and_sends_once(alice: User) -> None:
    alice.add(Provider="OpenAI", Model="gpt-4", API_key="sk-demo-0123456789abcdefghij")
    alice.save()
    held = []
    alice.page.route("**/demo/ask", lambda route: held.append(route))
    alice.page.get_by_label("Message").fill("Hello")
    alice.button("Send").click()
    expect(alice.page.get_by_text(WAITING)).to_be_visible()
    alice.button("Send").click()
    alice.page.get_by_label("Message").press("Enter")
    assert len(held) == 1
    held[0].continue_()
    expect(alice.page.get_by_text("Key used")).to_be_visible()
    expect(alice.page.get_by_text(WAITING)).to_be_hidden()

"""Failures: they are reported, and the user loses nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.helpers import DemoServers, User, fill_login
from tests.browser.test_settings import set_up


@pytest.fixture
def saved(alice: User) -> User:
    """Alice with two models, a key and a prompt."""
    set_up(alice)
    return alice


@pytest.fixture
def elsewhere(saved: User, context: BrowserContext, servers: DemoServers) -> User:
    """Alice in another tab, who has changed the prompt and removed the second model."""
    other = User(context.new_page(), servers)
    other.log_in()
    other.prompt.fill("From the other tab.")
    other.open(2)
    other.button("Remove Ollama · llama3").click()
    other.save()
    return other


def end_tokens(user: User, *, refresh: bool) -> None:
    """Revoke the access token, and the refresh token if asked, without the page's knowledge."""
    token = user.tokens[-1]
    post = user.page.request.post
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert post(f"{user.servers.url}/demo/log-out", headers=bearer).status == 204
    for name in ("access_token", *(["refresh_token"] if refresh else [])):
        form = {"token": token[name], "client_id": "demo-spa"}
        assert post(f"{user.servers.issuer}/revoke", form=form).ok


def test_errors_are_shown_at_their_fields_and_the_first_is_focused(saved: User) -> None:
    saved.fill(1, Type="Chat!")
    saved.fill(2, Model="")
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("2 fields need your attention")
    wrong = saved.entry(1).get_by_label("Type", exact=True)
    expect(wrong).to_be_focused()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(
        "Must begin with a lower-case letter and go on with lower-case letters, digits, _ or -."
    )
    empty = saved.entry(2).get_by_label("Model", exact=True)
    expect(empty).to_have_accessible_description("This field is required.")
    expect(saved.entry(1).get_by_label("Model", exact=True)).not_to_have_attribute(
        "aria-invalid", "true"
    )
    saved.fill(1, Type="chat")
    expect(wrong).not_to_have_attribute("aria-invalid", "true")
    saved.fill(2, Model="llama4")
    saved.save()
    expect(saved.alert).to_be_empty()


def test_a_duplicate_model_is_reported_at_the_second_entry(saved: User) -> None:
    saved.fill(2, Provider="OpenAI", Model="gpt-4")
    saved.button("Save changes").click()
    second = saved.entry(2).get_by_label("Model", exact=True)
    expect(second).to_be_focused()
    expect(second).to_have_accessible_description(
        "Another entry has the same provider, type and model."
    )


def test_a_prompt_can_be_saved_without_a_model(saved: User) -> None:
    for name in ("OpenAI · gpt-4", "Ollama · llama3"):
        saved.open()
        saved.button(f"Remove {name}").click()
    saved.save()
    [document] = saved.servers.documents()
    assert document["models"] == []


def conflict(user: User) -> None:
    user.page.bring_to_front()
    user.prompt.fill("My own words.")
    user.fill(1, Model="gpt-4o")
    user.button("Save changes").click()
    expect(user.page.get_by_role("heading", name="Settings changed elsewhere")).to_be_focused()
    # The name of the first model and the removal of the second do not touch.
    expect(user.page.get_by_role("group")).to_have_count(1)
    choice = user.page.get_by_role("group", name="System prompt")
    expect(choice.get_by_role("radio", name="Your version")).to_be_checked()
    mine, theirs = (choice.locator(".version").nth(n) for n in (0, 1))
    expect(mine).to_contain_text("My own words.")
    expect(theirs).to_contain_text("From the other tab.")


@pytest.mark.usefixtures("elsewhere")
def test_conflict_save_mine(saved: User) -> None:
    conflict(saved)
    saved.button("Save changes").click()
    saved.page.get_by_text("All changes are saved").wait_for()
    saved.log_in()
    expect(saved.prompt).to_have_value("My own words.")
    expect(saved.entry(1).get_by_role("heading")).to_have_text("OpenAI · gpt-4o")
    expect(saved.entry(1).locator(".badge")).to_have_text("Set")
    expect(saved.page.locator("ai-config-settings .entry")).to_have_count(1)


@pytest.mark.usefixtures("elsewhere")
def test_conflict_choose_the_saved_prompt(saved: User) -> None:
    conflict(saved)
    saved.page.get_by_role("radio", name="Saved version").check()
    saved.button("Save changes").click()
    expect(saved.prompt).to_have_value("From the other tab.")
    expect(saved.entry(1).get_by_role("heading")).to_have_text("OpenAI · gpt-4o")
    saved.page.get_by_text("All changes are saved").wait_for()


@pytest.mark.usefixtures("elsewhere")
def test_changes_that_do_not_touch_are_saved_together(saved: User) -> None:
    saved.page.bring_to_front()
    saved.fill(1, Model="gpt-4o")
    saved.save()
    expect(saved.alert).to_contain_text("Changes made elsewhere were kept as well")
    expect(saved.prompt).to_have_value("From the other tab.")
    saved.log_in()
    expect(saved.prompt).to_have_value("From the other tab.")
    expect(saved.entry(1).get_by_role("heading")).to_have_text("OpenAI · gpt-4o")
    expect(saved.entry(1).locator(".badge")).to_have_text("Set")
    expect(saved.page.locator("ai-config-settings .entry")).to_have_count(1)


@pytest.mark.usefixtures("elsewhere")
def test_conflict_use_saved_version_and_go_back(saved: User) -> None:
    conflict(saved)
    saved.button("Use saved version").click()
    expect(saved.prompt).to_have_value("From the other tab.")
    expect(saved.page.get_by_text("All changes are saved")).to_be_visible()
    saved.button("Go back to mine").click()
    expect(saved.prompt).to_have_value("My own words.")
    expect(saved.open(1).get_by_label("Model", exact=True)).to_have_value("gpt-4o")
    saved.save()


def test_conflict_changed_again_before_the_choice(saved: User, elsewhere: User) -> None:
    conflict(saved)
    elsewhere.prompt.fill("Once more.")
    elsewhere.save()
    saved.button("Save changes").click()
    expect(saved.page.locator(".version").nth(1)).to_contain_text("Once more.")


def test_conflict_keeps_a_typed_key(saved: User, elsewhere: User) -> None:
    elsewhere.open(1)
    elsewhere.button("Remove the key of OpenAI · gpt-4").click()
    elsewhere.save()
    saved.open(1)
    saved.button("Replace the key of OpenAI · gpt-4").click()
    saved.fill(1, API_key="sk-typed-0123456789abcdefghij")
    saved.button("Save changes").click()
    choice = saved.page.get_by_role("group", name="OpenAI · gpt-4: API key")
    expect(choice.locator(".version").nth(0)).to_contain_text("New")
    expect(choice.locator(".version").nth(1)).to_contain_text("Not set")
    saved.button("Use saved version").click()
    saved.button("Go back to mine").click()
    key = saved.entry(1).get_by_label("API key", exact=True)
    expect(key).to_have_value("sk-typed-0123456789abcdefghij")


def test_conflict_with_a_deletion(saved: User, elsewhere: User) -> None:
    elsewhere.button("Delete everything…").click()
    elsewhere.page.locator("dialog").get_by_role("button", name="Delete everything").click()
    expect(elsewhere.page.get_by_text("No models yet.")).to_be_visible()
    saved.prompt.fill("My own words.")
    saved.button("Save changes").click()
    expect(saved.page.get_by_role("group", name="All settings")).to_contain_text("Deleted")
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("A key was removed elsewhere")
    saved.save()
    saved.log_in()
    expect(saved.prompt).to_have_value("My own words.")


def test_an_expired_token_is_renewed_silently(saved: User) -> None:
    end_tokens(saved, refresh=False)
    saved.prompt.fill("Be verbose.")
    saved.save()
    expect(saved.alert).to_be_empty()


def test_an_ended_session_asks_for_a_log_in_and_keeps_the_changes(
    saved: User, context: BrowserContext
) -> None:
    end_tokens(saved, refresh=True)
    saved.prompt.fill("Be verbose.")
    saved.fill(2, API_key="sk-typed-0123456789abcdefghij")
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("Your session has ended")
    with context.expect_page() as opened:
        saved.button("Log in again").click()
    fill_login(opened.value, "alice")
    saved.page.get_by_text("All changes are saved").wait_for()
    expect(saved.alert).to_be_empty()
    expect(saved.entry(2).locator(".badge")).to_have_text("Set")
    saved.log_in()
    expect(saved.prompt).to_have_value("Be verbose.")


def test_closing_the_log_in_window_changes_nothing(saved: User, context: BrowserContext) -> None:
    end_tokens(saved, refresh=True)
    saved.prompt.fill("Be verbose.")
    saved.button("Save changes").click()
    with context.expect_page() as opened:
        saved.button("Log in again").click()
    opened.value.close()
    expect(saved.page.locator("#message")).to_contain_text("seems to be closed")
    saved.button("Cancel").click()
    expect(saved.button("Log in again")).to_be_visible()
    expect(saved.prompt).to_have_value("Be verbose.")


def test_saving_can_be_retried_after_a_database_outage(saved: User, servers: DemoServers) -> None:
    saved.prompt.fill("Be verbose.")
    servers.mongod.stop()
    try:
        saved.button("Save changes").click()
        expect(saved.alert).to_contain_text("The service is unavailable")
        expect(saved.alert).to_contain_text("still here")
    finally:
        servers.mongod.start()
    saved.button("Try again").click()
    saved.page.get_by_text("All changes are saved").wait_for()
    expect(saved.alert).to_be_empty()


def test_saving_can_be_retried_after_being_offline(saved: User, context: BrowserContext) -> None:
    saved.prompt.fill("Be verbose.")
    context.set_offline(True)
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("You are offline")
    expect(saved.prompt).to_have_value("Be verbose.")
    context.set_offline(False)
    saved.button("Try again").click()
    saved.page.get_by_text("All changes are saved").wait_for()


def test_loading_can_be_retried_after_a_database_outage(saved: User, servers: DemoServers) -> None:
    servers.mongod.stop()
    try:
        saved.page.goto(servers.url)
        expect(saved.alert).to_contain_text("The service is unavailable")
    finally:
        servers.mongod.start()
    saved.button("Try again").click()
    expect(saved.prompt).to_have_value("Be brief.")


def test_a_cancelled_log_in_is_reported(page: Page, servers: DemoServers) -> None:
    page.goto(servers.url)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_have_text("The log-in was cancelled.")
    assert page.url == f"{servers.url}/"


@pytest.mark.parametrize("forged", ["state", "iss"])
def test_a_foreign_authorization_response_is_rejected(
    page: Page, servers: DemoServers, forged: str
) -> None:
    page.goto(servers.url)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("User name").wait_for()
    state = page.evaluate("new URL(location).searchParams.get('state')")
    given = {"state": state, "iss": servers.issuer, forged: "http://evil.example"}
    query = "&".join(f"{name}={value}" for name, value in given.items())
    page.goto(f"{servers.url}/?code=stolen&{query}")
    expect(page.get_by_role("alert")).to_contain_text("does not belong to this page")

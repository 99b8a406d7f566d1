"""What goes wrong, and that the user loses nothing by it."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.house import House, User, fill_login
from tests.browser.test_settings import set_up


@pytest.fixture
def saved(alice: User) -> User:
    """Alice with two models, a key and a prompt."""
    set_up(alice)
    return alice


@pytest.fixture
def elsewhere(saved: User, context: BrowserContext, house: House) -> User:
    """Alice in another tab, who has changed the prompt and removed the second model."""
    other = User(context.new_page(), house)
    other.log_in()
    other.prompt.fill("From the other tab.")
    other.button("Remove Ollama · llama3").click()
    other.save()
    return other


def end_tokens(user: User, *, refresh: bool) -> None:
    """Revoke the access token, and the refresh token as well, behind the page's back."""
    token = user.tokens[-1]
    post = user.page.request.post
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert post(f"{user.house.url}/demo/log-out", headers=bearer).status == 204
    for name in ("access_token", *(["refresh_token"] if refresh else [])):
        form = {"token": token[name], "client_id": "demo-spa"}
        assert post(f"{user.house.issuer}/revoke", form=form).ok


def test_errors_stand_at_their_fields_and_the_first_has_the_focus(saved: User) -> None:
    saved.fill(1, Type="Chat!")
    saved.fill(2, Model="")
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("2 fields need your attention")
    wrong = saved.entry(1).get_by_label("Type")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(
        "Must begin with a lower-case letter and go on with lower-case letters, digits, _ or -."
    )
    empty = saved.entry(2).get_by_label("Model")
    expect(empty).to_have_accessible_description("This cannot be empty.")
    expect(saved.entry(1).get_by_label("Model")).not_to_have_attribute("aria-invalid", "true")
    saved.fill(1, Type="chat")
    expect(wrong).not_to_have_attribute("aria-invalid", "true")
    saved.fill(2, Model="llama4")
    saved.save()
    expect(saved.alert).to_be_empty()


def test_a_model_that_is_there_twice_is_said_so_at_the_second(saved: User) -> None:
    saved.fill(2, Provider="OpenAI", Model="gpt-4")
    saved.button("Save changes").click()
    second = saved.entry(2).get_by_label("Model")
    expect(second).to_be_focused()
    expect(second).to_have_accessible_description(
        "Another entry has the same provider, type and model."
    )


def test_a_key_that_is_too_long_is_said_so_before_it_is_sent(saved: User) -> None:
    saved.fill(2, API_key="x" * 4097)
    saved.button("Save changes").click()
    key = saved.entry(2).get_by_label("API key")
    expect(key).to_be_focused()
    expect(saved.page.get_by_text("An API key has at most 4096 bytes.")).to_be_visible()
    assert len(key.input_value()) == 4097


def test_the_last_model_cannot_be_removed(saved: User) -> None:
    for name in ("OpenAI · gpt-4", "Ollama · llama3"):
        saved.button(f"Remove {name}").click()
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("Keep at least one model.")
    expect(saved.button("Add a model")).to_be_focused()


def conflict(user: User) -> None:
    user.page.bring_to_front()
    user.prompt.fill("My own words.")
    user.fill(1, Model="gpt-4o")
    user.button("Save changes").click()
    expect(user.page.get_by_role("heading", name="Changed somewhere else")).to_be_focused()
    mine, theirs = (user.page.locator(".version").nth(n) for n in (0, 1))
    expect(mine).to_contain_text("OpenAI · gpt-4o (chat), free, key set")
    expect(mine).to_contain_text("My own words.")
    expect(theirs).to_contain_text("OpenAI · gpt-4 (chat), free, key set")
    expect(theirs).to_contain_text("From the other tab.")
    expect(theirs).not_to_contain_text("llama3")


@pytest.mark.usefixtures("elsewhere")
def test_of_two_versions_mine_can_be_saved(saved: User) -> None:
    conflict(saved)
    saved.button("Save mine").click()
    saved.page.get_by_text("All changes are saved").wait_for()
    saved.log_in()
    expect(saved.prompt).to_have_value("My own words.")
    expect(saved.entry(1).get_by_role("heading")).to_have_text("OpenAI · gpt-4o")
    expect(saved.entry(1).locator(".badge")).to_have_text("Set")
    expect(saved.entry(2).get_by_role("heading")).to_have_text("Ollama · llama3")


@pytest.mark.usefixtures("elsewhere")
def test_of_two_versions_the_saved_one_can_be_taken_and_mine_comes_back(saved: User) -> None:
    conflict(saved)
    saved.button("Take the saved one").click()
    expect(saved.prompt).to_have_value("From the other tab.")
    expect(saved.page.get_by_text("All changes are saved")).to_be_visible()
    saved.button("Go back to mine").click()
    expect(saved.prompt).to_have_value("My own words.")
    expect(saved.entry(1).get_by_label("Model")).to_have_value("gpt-4o")
    saved.save()


def test_a_write_between_the_conflict_and_the_choice_is_a_conflict_again(
    saved: User, elsewhere: User
) -> None:
    conflict(saved)
    elsewhere.prompt.fill("Once more.")
    elsewhere.save()
    saved.button("Save mine").click()
    expect(saved.page.locator(".version").nth(1)).to_contain_text("Once more.")


def test_a_typed_key_outlasts_a_conflict(saved: User, elsewhere: User) -> None:
    saved.button("Replace the key of OpenAI · gpt-4").click()
    saved.fill(1, API_key="sk-typed-0123456789abcdefghij")
    saved.button("Save changes").click()
    expect(saved.page.locator(".version").nth(0)).to_contain_text("key new")
    saved.button("Take the saved one").click()
    saved.button("Go back to mine").click()
    key = saved.entry(1).get_by_label("API key")
    expect(key).to_have_value("sk-typed-0123456789abcdefghij")


def test_settings_deleted_elsewhere_are_a_conflict_too(saved: User, elsewhere: User) -> None:
    elsewhere.button("Delete everything…").click()
    elsewhere.page.locator("dialog").get_by_role("button", name="Delete everything").click()
    expect(elsewhere.page.get_by_text("No models yet.")).to_be_visible()
    saved.prompt.fill("My own words.")
    saved.button("Save changes").click()
    expect(saved.page.get_by_text("All settings were deleted.")).to_be_visible()
    saved.button("Save mine").click()
    expect(saved.alert).to_contain_text("A key was removed meanwhile")
    saved.save()
    saved.log_in()
    expect(saved.prompt).to_have_value("My own words.")


def test_a_token_that_ended_is_renewed_without_the_user(saved: User) -> None:
    end_tokens(saved, refresh=False)
    saved.prompt.fill("Be verbose.")
    saved.save()
    expect(saved.alert).to_be_empty()


def test_a_session_that_ended_asks_for_a_log_in_and_keeps_the_changes(
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


def test_a_log_in_window_that_is_closed_leaves_everything_as_it_is(
    saved: User, context: BrowserContext
) -> None:
    end_tokens(saved, refresh=True)
    saved.prompt.fill("Be verbose.")
    saved.button("Save changes").click()
    with context.expect_page() as opened:
        saved.button("Log in again").click()
    opened.value.close()
    expect(saved.button("Log in again")).to_be_visible()
    expect(saved.prompt).to_have_value("Be verbose.")


def test_a_store_that_is_down_can_be_tried_again(saved: User, house: House) -> None:
    saved.prompt.fill("Be verbose.")
    house.mongod.stop()
    try:
        saved.button("Save changes").click()
        expect(saved.alert).to_contain_text("The service is not available right now")
        expect(saved.alert).to_contain_text("your changes are still here")
    finally:
        house.mongod.start()
    saved.button("Try again").click()
    saved.page.get_by_text("All changes are saved").wait_for()
    expect(saved.alert).to_be_empty()


def test_being_offline_is_said_and_can_be_tried_again(saved: User, context: BrowserContext) -> None:
    saved.prompt.fill("Be verbose.")
    context.set_offline(True)
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("You are offline")
    expect(saved.prompt).to_have_value("Be verbose.")
    context.set_offline(False)
    saved.button("Try again").click()
    saved.page.get_by_text("All changes are saved").wait_for()


def test_a_page_that_opens_while_the_store_is_down_recovers(saved: User, house: House) -> None:
    house.mongod.stop()
    try:
        saved.page.goto(house.url)
        saved.button("Log in").click()
        fill_login(saved.page, "alice")
        expect(saved.alert).to_contain_text("The service is not available right now")
    finally:
        house.mongod.start()
    saved.button("Try again").click()
    expect(saved.prompt).to_have_value("Be brief.")


def test_a_log_in_that_is_cancelled_says_so(page: Page, house: House) -> None:
    page.goto(house.url)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_have_text("The log-in was cancelled.")
    assert page.url == f"{house.url}/"


@pytest.mark.parametrize("forged", ["state", "iss"])
def test_an_answer_that_is_not_this_log_ins_is_refused(
    page: Page, house: House, forged: str
) -> None:
    page.goto(house.url)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("User name").wait_for()
    state = page.evaluate("new URL(location).searchParams.get('state')")
    given = {"state": state, "iss": house.issuer, forged: "http://evil.example"}
    query = "&".join(f"{name}={value}" for name, value in given.items())
    page.goto(f"{house.url}/?code=stolen&{query}")
    expect(page.get_by_role("alert")).to_contain_text("does not belong to this page")

"""Another client, another user, a new token: what belongs to the one before is dropped."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import GPT, KEY, ElementPage, saved_state

HOLD = """() => {
  server.held = [];
  server.intercept = (request, pass) =>
    new Promise((resolve) => server.held.push(() => resolve(pass())));
  server.release = () => { server.intercept = null; server.held.forEach((go) => go()); };
}"""


def test_logging_out_while_loading_shows_nothing(element: ElementPage) -> None:
    element.store(GPT, prompt="Alice's prompt")
    element.run(HOLD)
    element.run("() => { settings.client = makeClient(); settings.client = null; }")
    element.run("() => server.release()")
    expect(element.prompt).to_be_hidden()
    assert element.prompt.input_value() == ""
    expect(element.page.get_by_text("Loading your settings…")).to_be_hidden()
    assert element.run("() => settings.save()") == "disconnected"


def test_another_client_during_a_call_replaces_the_first(element: ElementPage) -> None:
    element.store(GPT, prompt="Alice's prompt")
    element.store(GPT, prompt="Bob's prompt", user="bob")
    element.run(HOLD)
    element.run("() => { settings.client = makeClient(() => 'token-a'); }")
    element.run("() => { settings.client = makeClient(() => 'token-b'); }")
    element.run("() => server.release()")
    expect(element.prompt).to_have_value("Bob's prompt")
    element.prompt.fill("Bob's new prompt")
    element.save()
    assert element.run("() => server.stored.alice.system_prompt") == "Alice's prompt"


def test_the_client_can_be_changed_while_saved_is_announced(edited: ElementPage) -> None:
    edited.store(GPT, prompt="Bob's prompt", user="bob")
    edited.run(
        """() => settings.addEventListener("ai-config-saved", () => {
          settings.client = makeClient(() => "token-b");
        })"""
    )
    edited.button("Save changes").click()
    expect(edited.prompt).to_have_value("Bob's prompt")
    saved_state(edited).to_be_visible()


def test_setting_the_same_client_again_keeps_the_changes(edited: ElementPage) -> None:
    edited.run("() => { settings.client = settings.client; }")
    expect(edited.prompt).to_have_value("Be verbose.")


def test_a_proxy_around_the_client_works(element: ElementPage) -> None:
    element.store(GPT)
    element.run("() => { settings.client = new Proxy(makeClient(), {}); }")
    element.prompt.fill("Be verbose.")
    element.save()
    assert element.run("() => server.stored.alice.system_prompt") == "Be verbose."


def log_in_as(element: ElementPage, token: str) -> None:
    element.run(
        """({ token }) => settings.addEventListener("ai-config-unauthorized", ({ detail }) => {
          if (detail.interactive) detail.waitUntil(Promise.resolve((server.token = token) !== ""));
        })""",
        token=token,
    )


@pytest.mark.parametrize("bobs", ["Bob's prompt", None])
def test_another_user_does_not_get_what_the_first_has_typed(
    edited: ElementPage, bobs: str | None
) -> None:
    if bobs:
        edited.store(GPT, prompt=bobs, user="bob")
    edited.fill(Model="gpt-5")
    log_in_as(edited, "token-b")
    edited.run("() => { delete server.users['token-a']; }")
    edited.button("Save changes").click()
    edited.button("Log in again").click()
    expect(edited.alert).to_contain_text("You are logged in as another user")
    expect(edited.prompt).to_have_value(bobs or "")
    assert edited.requests("PUT") == edited.requests("POST") == []


def test_the_same_user_under_another_digest_goes_on(edited: ElementPage) -> None:
    """A gateway that was updated may compute ``apv`` in another way."""
    edited.run(
        """() => {
          server.intercept = async (request, pass) => {
            const response = pass();
            if (!request.path.endsWith("encryption-key")) return response;
            return Response.json({ ...(await response.json()), apv: "bmV3" });
          };
        }"""
    )
    edited.save()
    assert edited.run("() => server.stored.alice.system_prompt") == "Be verbose."


def test_a_key_typed_for_one_provider_is_not_used_for_another(element: ElementPage) -> None:
    element.store({**GPT, "key": "stored"})
    element.connect()
    element.fill(Provider="Mistral")
    element.fill(API_key=KEY)
    element.fill(Provider="OpenAI")
    expect(element.entry().locator(".badge")).to_have_text("Set")
    saved_state(element).to_be_visible()
    element.fill(Provider="Cohere")
    expect(element.entry().get_by_label("API key")).to_have_value("")
    expect(element.page.get_by_text("The typed key is for Mistral.")).to_be_visible()
    element.fill(Provider="Mistral")
    expect(element.entry().get_by_label("API key")).to_have_value(KEY)
    element.fill(Provider="Cohere")
    element.button("Use the typed key for Cohere").click()
    expect(element.entry().get_by_label("API key")).to_have_value(KEY)


def test_one_save_at_a_time_also_while_the_token_is_renewed(edited: ElementPage) -> None:
    edited.run(
        """() => {
          server.users = { "token-new": "alice" };
          settings.addEventListener("ai-config-unauthorized", ({ detail }) => {
            detail.waitUntil(new Promise((resolve) => {
              window.renew = () => resolve((server.token = "token-new") !== "");
            }));
          });
          window.saves = [settings.save(), settings.save()];
        }"""
    )
    edited.page.wait_for_function("() => Boolean(window.renew)")
    assert edited.run("() => settings.save()") == "busy"
    assert edited.page.locator("ai-config-settings [aria-busy=true]").count() == 1
    edited.run("() => renew()")
    assert edited.run("() => Promise.all(saves)") == ["done", "busy"]
    tokens = [request["token"] for request in edited.requests("PUT")]
    assert tokens == ["token-a", "token-new"]
    assert edited.run("() => events").count("ai-config-unauthorized") == 1


def test_waiting_for_a_log_in_can_be_cancelled(edited: ElementPage) -> None:
    edited.run(
        """() => {
          server.users = {};
          settings.addEventListener("ai-config-unauthorized", ({ detail }) => {
            if (detail.interactive) detail.waitUntil(new Promise(() => {}));
          });
        }"""
    )
    edited.button("Save changes").click()
    edited.button("Log in again").click()
    expect(edited.alert).to_contain_text("Waiting for the log-in…")
    edited.button("Cancel").click()
    expect(edited.button("Log in again")).to_be_visible()
    expect(edited.prompt).to_have_value("Be verbose.")
    edited.prompt.fill("Editable again.")


def test_a_log_in_that_fails_says_why(edited: ElementPage) -> None:
    edited.run(
        """() => {
          server.users = {};
          settings.addEventListener("ai-config-unauthorized", ({ detail }) => {
            detail.waitUntil(Promise.reject(new Error("The window was blocked.")));
          });
        }"""
    )
    edited.button("Save changes").click()
    edited.button("Log in again").click()
    expect(edited.alert).to_contain_text("The window was blocked.")


def test_a_save_is_one_request(edited: ElementPage) -> None:
    before = len(edited.run("() => server.log"))
    edited.save()
    assert [r["method"] for r in edited.run("() => server.log")[before:]] == ["PUT"]


def test_a_key_is_sealed_by_the_document_that_is_known(edited: ElementPage) -> None:
    edited.open()
    edited.button("Replace the key of OpenAI · gpt-4").click()
    edited.fill(API_key=KEY)
    before = len(edited.run("() => server.log"))
    edited.save()
    assert [r["method"] for r in edited.run("() => server.log")[before:]] == ["PUT"]


@pytest.mark.parametrize("bobs", ["Bob's prompt", None])
def test_a_token_that_has_become_another_users_changes_nothing(
    edited: ElementPage, bobs: str | None
) -> None:
    """The host gives another user's token without a word."""
    if bobs:
        edited.store(GPT, prompt=bobs, user="bob")
    edited.run("() => { server.token = 'token-b'; }")
    edited.button("Save changes").click()
    expect(edited.alert).to_contain_text("You are logged in as another user")
    expect(edited.prompt).to_have_value(bobs or "")
    stored = edited.run("() => server.stored")
    assert stored["alice"]["system_prompt"] == "Be brief."
    assert stored.get("bob", {}).get("system_prompt") == bobs


def test_a_first_write_confirms_the_user(element: ElementPage) -> None:
    element.connect()
    element.prompt.fill("Alice's prompt")
    element.run("() => { server.token = 'token-b'; }")
    element.button("Save changes").click()
    expect(element.alert).to_contain_text("You are logged in as another user")
    assert element.requests("POST") == []


def look_again(element: ElementPage) -> None:
    element.run("() => { document.dispatchEvent(new Event('visibilitychange')); }")


def test_a_tab_that_is_shown_again_shows_what_was_changed(element: ElementPage) -> None:
    element.store(GPT, prompt="Be brief.")
    element.connect()
    element.store({**GPT, "isPaid": True}, prompt="From elsewhere.")
    look_again(element)
    expect(element.prompt).to_have_value("From elsewhere.")
    expect(element.open().get_by_label("Paid", exact=True)).to_be_checked()
    expect(element.alert).to_contain_text("Changes made elsewhere are shown now")
    saved_state(element).to_be_visible()


def test_a_tab_that_is_shown_again_keeps_what_was_typed(edited: ElementPage) -> None:
    edited.store({**GPT, "key": "stored", "isPaid": True}, prompt="Be brief.")
    look_again(edited)
    expect(edited.open().get_by_label("Paid", exact=True)).to_be_checked()
    expect(edited.prompt).to_have_value("Be verbose.")
    edited.save()
    assert edited.run("() => server.stored.alice.models[0].isPaid")


def test_a_tab_that_is_shown_again_offers_to_compare(edited: ElementPage) -> None:
    edited.store({**GPT, "key": "stored"}, prompt="From elsewhere.")
    look_again(edited)
    expect(edited.prompt).to_have_value("Be verbose.")
    edited.button("Compare").click()
    expect(edited.page.locator(".version").nth(1)).to_contain_text("From elsewhere.")


def test_a_tab_that_is_shown_again_says_nothing_of_failures(edited: ElementPage) -> None:
    edited.run("() => { server.intercept = () => { throw new TypeError('offline'); }; }")
    before = len(edited.requests("GET"))
    look_again(edited)
    edited.page.wait_for_function("(before) => server.log.length > before", arg=before)
    expect(edited.alert).to_be_empty()
    assert edited.run("() => events") == []


def test_a_tab_that_is_shown_again_to_another_user(edited: ElementPage) -> None:
    edited.run("() => { server.token = 'token-b'; }")
    look_again(edited)
    expect(edited.alert).to_contain_text("You are logged in as another user")
    expect(edited.prompt).to_have_value("")

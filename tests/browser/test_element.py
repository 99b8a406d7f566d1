"""The element with a server in the page: lost responses, other users, other clients."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import ElementPage

GPT = {"provider": "OpenAI", "type": "chat", "model": "gpt-4", "isPaid": False}
KEY = "sk-element-0123456789abcdefghij"

LOST = {
    "no response": "() => { throw new TypeError('lost'); }",
    "500": "() => server.problem(500, 'internal-error')",
    "502": "() => new Response('<h1>Bad gateway</h1>', { status: 502 })",
    "504": "() => new Response('', { status: 504 })",
    "503 unknown": "() => server.problem(503, 'storage-unavailable', { outcome: 'unknown' })",
    "200 without a body": "() => new Response('')",
}


@pytest.fixture
def saved(element: ElementPage) -> ElementPage:
    """Alice's configuration, loaded, with an edited prompt."""
    element.store({**GPT, "key": "stored"})
    element.connect()
    element.prompt.fill("Be verbose.")
    return element


def intercept(element: ElementPage, method: str, respond: str, times: int = 99) -> None:
    """Replace the response to the next requests of this method; ``respond`` gets ``pass``."""
    element.run(
        f"""({{ method, times }}) => {{
          const respond = {respond};
          server.intercept = async (request, pass) =>
            request.method === method && times-- > 0 ? respond(pass, request) : pass();
        }}""",
        method=method,
        times=times,
    )


def then(lost: str) -> str:
    """Let the server do its work, and lose its response."""
    return f"(pass) => {{ pass(); return ({lost})(); }}"


def saved_state(element: ElementPage) -> Any:
    return expect(element.page.get_by_text("All changes are saved"))


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_write_that_was_stored_counts_whatever_was_answered(
    saved: ElementPage, lost: str
) -> None:
    intercept(saved, "PUT", then(lost))
    assert saved.run("() => settings.save()") == "done"
    saved_state(saved).to_be_visible()
    expect(saved.alert).to_be_empty()
    assert saved.run("() => events") == ["ai-config-saved"]


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_write_that_was_not_stored_keeps_the_changes(saved: ElementPage, lost: str) -> None:
    intercept(saved, "PUT", lost)
    assert saved.run("() => settings.save()") == "failed"
    expect(saved.alert).to_contain_text("Nothing was saved; your changes are still here.")
    expect(saved.prompt).to_have_value("Be verbose.")
    assert saved.run("() => events") == ["ai-config-error"]
    saved.run("() => { server.intercept = null; }")
    saved.button("Try again").click()
    saved_state(saved).to_be_visible()


@pytest.mark.parametrize("stored", [True, False])
def test_an_unknown_outcome_is_called_unknown_until_it_is_read(
    saved: ElementPage, stored: bool
) -> None:
    """The network fails for the write and for the read after it."""
    saved.run(
        """({ stored }) => {
          server.intercept = (request, pass) => {
            if (request.path.endsWith("encryption-key")) return pass();
            if (request.method === "PUT" && stored) pass();
            throw new TypeError("offline");
          };
        }""",
        stored=stored,
    )
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("It is not known whether your changes were saved")
    saved.run("() => { server.intercept = null; }")
    saved.button("Try again").click()
    saved_state(saved).to_be_visible()
    assert saved.run("() => server.stored.alice.system_prompt") == "Be verbose."


def test_edits_after_an_unknown_outcome_are_saved_on_top_of_it(saved: ElementPage) -> None:
    saved.run(
        """() => {
          server.intercept = (request, pass) => {
            if (request.method === "PUT") pass();
            if (request.path.endsWith("encryption-key")) return pass();
            throw new TypeError("offline");
          };
        }"""
    )
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("It is not known")
    saved.run("() => { server.intercept = null; }")
    saved.prompt.fill("Be terse.")
    saved.save()
    assert saved.run("() => server.stored.alice.system_prompt") == "Be terse."


def test_nothing_changed_is_believed_without_reading(saved: ElementPage) -> None:
    lost = "() => server.problem(503, 'storage-unavailable', { outcome: 'nothing-changed' })"
    intercept(saved, "PUT", lost)
    before = len(saved.requests("GET"))
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("Nothing was saved")
    assert [r["path"].split("/")[-1] for r in saved.requests("GET")[before:]] == ["encryption-key"]


def test_a_first_write_that_is_lost_blames_nobody(element: ElementPage) -> None:
    element.connect()
    element.add(Provider="OpenAI", Model="gpt-4", API_key=KEY)
    intercept(element, "POST", then(LOST["no response"]))
    element.save()
    expect(element.alert).to_be_empty()
    assert len(element.requests("POST")) == 1


def test_a_lost_response_to_a_write_over_a_change_elsewhere_is_a_conflict(
    saved: ElementPage,
) -> None:
    intercept(
        saved,
        "PUT",
        """() => {
          const { models } = server.stored.alice;
          server.put("alice", { models, system_prompt: "From elsewhere." });
          throw new TypeError("lost");
        }""",
    )
    assert saved.run("() => settings.save()") == "conflict"
    expect(saved.page.locator(".version").nth(1)).to_contain_text("From elsewhere.")


def delete(element: ElementPage) -> None:
    element.button("Delete everything…").click()
    element.page.locator("dialog").get_by_role("button", name="Delete everything").click()


def test_a_deletion_whose_response_is_lost_is_read_again(saved: ElementPage) -> None:
    intercept(saved, "DELETE", LOST["504"], times=1)
    delete(saved)
    expect(saved.alert).to_contain_text("Nothing was deleted.")
    expect(saved.prompt).to_have_value("Be verbose.")
    intercept(saved, "DELETE", then(LOST["504"]))
    saved.button("Try again").click()
    expect(saved.page.get_by_text("No models yet.")).to_be_visible()
    expect(saved.alert).to_be_empty()


def test_a_key_that_is_not_accepted_is_sealed_again_once(saved: ElementPage) -> None:
    refuse = "() => server.problem(422, 'key-not-accepted', { errors: [{ pointer: "
    refuse += "'/models/0/apiKeyEncrypted', code: 'key-not-accepted', detail: '' }] })"
    saved.button("Replace the key of OpenAI · gpt-4").click()
    saved.fill(API_key=KEY)
    intercept(saved, "PUT", refuse)
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("One field needs your attention")
    assert len(saved.requests("PUT")) == 2
    intercept(saved, "PUT", refuse, times=1)
    saved.save()
    keys = [r["body"]["models"][0]["apiKeyEncrypted"] for r in saved.requests("PUT")]
    assert len(set(keys)) == 4
    # A stored key that is refused is not repeated.
    saved.fill(Model="gpt-5")
    intercept(saved, "PUT", refuse)
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text("One field needs your attention")
    assert len(saved.requests("PUT")) == 5


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


def test_the_client_can_be_changed_while_saved_is_announced(saved: ElementPage) -> None:
    saved.store(GPT, prompt="Bob's prompt", user="bob")
    saved.run(
        """() => settings.addEventListener("ai-config-saved", () => {
          settings.client = makeClient(() => "token-b");
        })"""
    )
    saved.button("Save changes").click()
    expect(saved.prompt).to_have_value("Bob's prompt")
    saved_state(saved).to_be_visible()


def test_setting_the_same_client_again_keeps_the_changes(saved: ElementPage) -> None:
    saved.run("() => { settings.client = settings.client; }")
    expect(saved.prompt).to_have_value("Be verbose.")


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
    saved: ElementPage, bobs: str | None
) -> None:
    if bobs:
        saved.store(GPT, prompt=bobs, user="bob")
    saved.fill(Model="gpt-5")
    log_in_as(saved, "token-b")
    saved.run("() => { delete server.users['token-a']; }")
    saved.button("Save changes").click()
    saved.button("Log in again").click()
    expect(saved.alert).to_contain_text("You are logged in as another user")
    expect(saved.prompt).to_have_value(bobs or "")
    assert saved.requests("PUT") == saved.requests("POST") == []


def test_the_same_user_under_another_digest_goes_on(saved: ElementPage) -> None:
    """A gateway that was updated may compute ``apv`` in another way."""
    saved.run(
        """() => {
          server.intercept = async (request, pass) => {
            const response = pass();
            if (!request.path.endsWith("encryption-key")) return response;
            return Response.json({ ...(await response.json()), apv: "bmV3" });
          };
        }"""
    )
    saved.save()
    assert saved.run("() => server.stored.alice.system_prompt") == "Be verbose."


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


def test_one_save_at_a_time_also_while_the_token_is_renewed(saved: ElementPage) -> None:
    saved.run(
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
    saved.page.wait_for_function("() => Boolean(window.renew)")
    assert saved.run("() => settings.save()") == "busy"
    assert saved.page.locator("ai-config-settings [aria-busy=true]").count() == 1
    saved.run("() => renew()")
    assert saved.run("() => Promise.all(saves)") == ["done", "busy"]
    assert len(saved.requests("PUT")) == 1
    assert saved.run("() => events").count("ai-config-unauthorized") == 1


def test_waiting_for_a_log_in_can_be_cancelled(saved: ElementPage) -> None:
    saved.run(
        """() => {
          server.users = {};
          settings.addEventListener("ai-config-unauthorized", ({ detail }) => {
            if (detail.interactive) detail.waitUntil(new Promise(() => {}));
          });
        }"""
    )
    saved.button("Save changes").click()
    saved.button("Log in again").click()
    expect(saved.alert).to_contain_text("Waiting for the log-in…")
    saved.button("Cancel").click()
    expect(saved.button("Log in again")).to_be_visible()
    expect(saved.prompt).to_have_value("Be verbose.")
    saved.prompt.fill("Editable again.")


def test_a_log_in_that_fails_says_why(saved: ElementPage) -> None:
    saved.run(
        """() => {
          server.users = {};
          settings.addEventListener("ai-config-unauthorized", ({ detail }) => {
            detail.waitUntil(Promise.reject(new Error("The window was blocked.")));
          });
        }"""
    )
    saved.button("Save changes").click()
    saved.button("Log in again").click()
    expect(saved.alert).to_contain_text("The window was blocked.")


def test_members_that_the_page_does_not_show_survive_a_save(element: ElementPage) -> None:
    hidden = {
        "label": "At home",
        "enabled": False,
        "baseUrl": "http://127.0.0.1:8000/v1",
        "options": {"region": "eu"},
    }
    other = {**GPT, "label": "At the office", "key": "stored"}
    element.store({**GPT, **hidden, "key": "stored"}, other)
    element.connect()
    element.fill(2, Model="gpt-5")
    element.save()
    kept, renamed = element.run("() => server.stored.alice.models")
    assert kept == {**GPT, **hidden, "key": "stored"}
    assert renamed == {**other, "model": "gpt-5"}


def elsewhere(element: ElementPage, prompt: str = "From elsewhere.") -> None:
    element.store({**GPT, "key": "stored"}, prompt=prompt)


def test_a_deletion_of_settings_that_were_changed_is_refused(saved: ElementPage) -> None:
    elsewhere(saved)
    delete(saved)
    expect(saved.alert).to_contain_text("Nothing was deleted.")
    expect(saved.button("Save mine")).to_have_count(0)
    expect(saved.prompt).to_have_value("Be verbose.")
    saved.button("Show saved version").click()
    expect(saved.prompt).to_have_value("From elsewhere.")
    elsewhere(saved, "Once more.")
    delete(saved)
    saved.button("Delete anyway").click()
    expect(saved.page.get_by_text("No models yet.")).to_be_visible()


def test_going_back_to_mine_keeps_what_was_edited_meanwhile(saved: ElementPage) -> None:
    elsewhere(saved)
    saved.button("Save changes").click()
    saved.button("Use saved version").click()
    saved.prompt.fill("Edited after that.")
    saved.button("Go back to mine").click()
    expect(saved.prompt).to_have_value("Be verbose.")
    saved.button("Use saved version").click()
    expect(saved.prompt).to_have_value("Edited after that.")


@pytest.mark.parametrize(
    ("respond", "shown"),
    [
        ("() => server.problem(422, 'schema-violation', { errors: null })", "Request failed"),
        (
            "() => server.problem(422, 'x', { errors: [{ pointer: '/models/0/constructor' }] })",
            "Invalid value (/models/0/constructor).",
        ),
        (
            "() => server.problem(422, 'x', { errors: [{ pointer: '/models/9/model' }, null] })",
            "Invalid value (/models/9/model).",
        ),
        (
            "() => new Response('null', { status: 400, headers: "
            "{ 'Content-Type': 'application/problem+json' } })",
            "Request failed",
        ),
    ],
)
def test_a_malformed_response_ends_in_a_notice(
    saved: ElementPage, respond: str, shown: str
) -> None:
    intercept(saved, "PUT", respond)
    saved.button("Save changes").click()
    expect(saved.alert).to_contain_text(shown)
    expect(saved.page.locator("[aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("new Promise(() => {})", "The server is unreachable"),
        ("Promise.reject(new Error('No network.'))", "No network."),
        ("undefined", "Your session has ended"),
    ],
)
def test_a_token_that_is_not_to_be_had_ends_in_a_notice(
    element: ElementPage, token: str, shown: str
) -> None:
    element.run(f"() => {{ settings.client = makeClient(() => {token}, {{ timeout: 300 }}); }}")
    expect(element.alert).to_contain_text(shown)
    assert element.run("() => server.log") == []


WORK = """async ({ act }) => {
  const root = settings.shadowRoot;
  let count = 0;
  const observer = new MutationObserver((records) => { count += records.length; });
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  observer.observe(root, all);
  if (act === "type") {
    const field = root.querySelector("input[name=model]");
    field.value += "x";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  } else root.querySelector("button[title^=Move][title$=down]").click();
  count += observer.takeRecords().length;
  return count;
}"""


@pytest.mark.parametrize("act", ["type", "move"])
def test_the_work_for_a_change_does_not_grow_with_the_models(
    element: ElementPage, act: str
) -> None:
    counts = []
    for size in (10, 100):
        element.store(*({**GPT, "model": f"gpt-{n}"} for n in range(size)))
        element.run("() => { settings.client = makeClient(); }")
        expect(element.page.locator("ai-config-settings .entry")).to_have_count(size)
        element.run(WORK, act=act)  # The first change of all shows "Unsaved changes".
        counts.append(element.run(WORK, act=act))
    assert abs(counts[1] - counts[0]) <= 2
    assert counts[0] < 40

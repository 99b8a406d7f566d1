"""The settings page: what a user does and which requests are sent."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.helpers import DemoServers, User

KEY = "sk-browser-0123456789abcdefghij"
GPT = {"Provider": "OpenAI", "Model": "gpt-4"}


class Recorder:
    """Records the requests of a page."""

    def __init__(self, page: Page) -> None:
        self.requests: list[Request] = []
        page.on("request", lambda request: self.requests.append(request))

    def bodies(self) -> list[dict[str, Any]]:
        """Request bodies sent to the plugin."""
        written = [r for r in self.requests if r.method in ("POST", "PUT") and "/api/" in r.url]
        return [json.loads(request.post_data or "") for request in written]

    def text(self) -> str:
        return "\n".join(f"{r.url}\n{r.headers}\n{r.post_data}" for r in self.requests)


def key_badge(user: User, number: int = 1) -> Any:
    return user.entry(number).locator(".badge")


def set_up(user: User) -> None:
    """Two models, the first with a key, and a prompt."""
    user.add(**GPT, API_key=KEY)
    user.add(Provider="Ollama", Model="llama3")
    user.prompt.fill("Be brief.")
    user.save()


def reload(user: User) -> None:
    """Reload; the tab stays logged in."""
    user.log_in()


def ask(user: User) -> Any:
    """Send a message; return the fingerprint of the key that the provider received."""
    user.page.get_by_label("Message").fill("Hello")
    user.button("Send").click()
    return user.page.locator("#answer dd").nth(1)


def test_a_key_is_sealed_in_the_page_and_used_by_the_gateway(
    alice: User, servers: DemoServers
) -> None:
    recorder = Recorder(alice.page)
    alice.add(**GPT, API_key=f" {KEY}\n")
    alice.entry().get_by_label("Paid").check()
    alice.save()
    expect(key_badge(alice)).to_have_text("Set")
    expect(alice.entry().locator("input[name=apiKey]")).to_be_hidden()

    [body] = recorder.bodies()
    [entry] = body["models"]
    header = entry["apiKeyEncrypted"].split(".")[0]
    sealed = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    assert (sealed["alg"], sealed["enc"], sealed["aud"]) == ("ECDH-ES", "A256GCM", "OpenAI")
    assert {name: entry[name] for name in ("provider", "type", "model", "isPaid")} == {
        **{"provider": "OpenAI", "type": "chat", "model": "gpt-4", "isPaid": True}
    }
    assert KEY not in recorder.text()
    assert KEY not in json.dumps(servers.documents(), default=str)
    expect(ask(alice)).to_have_text(hashlib.sha256(KEY.encode()).hexdigest()[:8])
    assert KEY not in alice.page.content()


def test_settings_survive_a_reload_and_keys_are_not_shown(alice: User) -> None:
    set_up(alice)
    reload(alice)
    expect(alice.entry(1).get_by_role("heading")).to_have_text("OpenAI · gpt-4")
    expect(alice.entry(2).get_by_role("heading")).to_have_text("Ollama · llama3")
    expect(alice.prompt).to_have_value("Be brief.")
    expect(key_badge(alice, 1)).to_have_text("Set")
    expect(key_badge(alice, 2)).to_have_text("Not set")
    assert alice.open(1).locator("input[name=apiKey]").input_value() == ""
    expect(alice.page.get_by_text("All changes are saved")).to_be_visible()


def test_a_new_prompt_keeps_the_key(alice: User) -> None:
    set_up(alice)
    reload(alice)
    recorder = Recorder(alice.page)
    alice.prompt.fill("Be verbose.")
    alice.save()
    [body] = recorder.bodies()
    assert not any("apiKeyEncrypted" in entry for entry in body["models"])
    expect(ask(alice)).to_have_text(hashlib.sha256(KEY.encode()).hexdigest()[:8])


def test_models_that_exchange_their_names_exchange_no_keys(alice: User) -> None:
    alice.add(**GPT, API_key=KEY)
    alice.add(Provider="OpenAI", Model="gpt-5", API_key="sk-other-0123456789abcdefghij")
    alice.save()
    alice.fill(1, Model="gpt-5")
    alice.fill(2, Model="gpt-4")
    alice.save()
    reload(alice)
    expect(alice.open(1).get_by_label("Model", exact=True)).to_have_value("gpt-5")
    expect(ask(alice)).to_have_text(hashlib.sha256(KEY.encode()).hexdigest()[:8])


def test_a_key_does_not_go_along_to_another_provider(alice: User) -> None:
    set_up(alice)
    alice.fill(1, Provider="Mistral")
    expect(key_badge(alice)).to_have_text("Needs re-entry")
    expect(alice.page.get_by_text("The stored key belongs to OpenAI.")).to_be_visible()
    alice.fill(1, Provider="OpenAI")
    expect(key_badge(alice)).to_have_text("Set")
    alice.fill(1, Provider="Mistral")
    alice.button("Save changes").click()
    expect(alice.alert).to_contain_text("One field needs your attention")
    alice.button("Continue without a key for Mistral · gpt-4").click()
    alice.save()
    expect(key_badge(alice)).to_have_text("Not set")


def test_a_key_is_replaced_and_removed(alice: User) -> None:
    set_up(alice)
    alice.open(1)
    alice.button("Replace the key of OpenAI · gpt-4").click()
    expect(alice.entry().get_by_label("API key")).to_be_focused()
    other = "sk-other-0123456789abcdefghij"
    alice.fill(API_key=other)
    alice.save()
    expect(ask(alice)).to_have_text(hashlib.sha256(other.encode()).hexdigest()[:8])

    alice.button("Remove the key of OpenAI · gpt-4").click()
    expect(key_badge(alice)).to_have_text("Will be removed")
    alice.button("Keep the key of OpenAI · gpt-4").click()
    expect(alice.page.get_by_text("All changes are saved")).to_be_visible()
    alice.button("Remove the key of OpenAI · gpt-4").click()
    alice.save()
    reload(alice)
    expect(key_badge(alice)).to_have_text("Not set")
    ask(alice)
    expect(alice.page.locator("#answer")).to_have_text("OpenAI responded with 401.")


def test_an_unreadable_key_must_be_entered_again(alice: User, servers: DemoServers) -> None:
    set_up(alice)
    servers.change_document({"models.0.key.kid": "gone"})
    reload(alice)
    expect(key_badge(alice)).to_have_text("Needs re-entry")
    alice.prompt.fill("Be verbose.")
    alice.save()
    expect(key_badge(alice)).to_have_text("Needs re-entry")
    alice.fill(API_key=KEY)
    alice.save()
    expect(ask(alice)).to_have_text(hashlib.sha256(KEY.encode()).hexdigest()[:8])


def test_a_stored_key_is_tested_and_shared(alice: User) -> None:
    """The demo's provider rejects keys with "wrong" in them."""
    alice.add(**GPT, API_key=KEY)
    alice.add(Provider="Mistral", Model="mistral-large-latest", API_key=f"{KEY}-wrong")
    alice.add(Provider="OpenAI", Model="gpt-5")
    alice.save()
    alice.button("Use the key of OpenAI · gpt-4").click()
    alice.save()
    for number, said in ((1, "Works, "), (2, "Rejected by the provider now"), (3, "Works, ")):
        alice.open(number).get_by_role("button", name="Test the key").click()
        expect(alice.entry(number).locator(".use")).to_contain_text(said)
    for name in ("OpenAI · gpt-4", "Mistral · mistral-large-latest"):
        alice.page.get_by_role("switch", name=f"Use {name}").uncheck()
    alice.save()
    expect(ask(alice)).to_have_text(hashlib.sha256(KEY.encode()).hexdigest()[:8])
    reload(alice)
    expect(alice.entry(2).locator(".use")).to_have_text("Rejected by the provider now")


def test_entries_are_moved_and_removed_by_the_keyboard(alice: User) -> None:
    set_up(alice)
    alice.open(1)
    alice.button("Move OpenAI · gpt-4 down").focus()
    alice.page.keyboard.press("Enter")
    expect(alice.entry(1).get_by_role("heading")).to_have_text("Ollama · llama3")
    expect(alice.button("Move OpenAI · gpt-4 up")).to_be_focused()
    expect(alice.page.get_by_text("OpenAI · gpt-4 moved to position 2 of 2.")).to_be_attached()
    expect(alice.page.get_by_text("Unsaved changes")).to_be_visible()
    alice.button("Remove OpenAI · gpt-4").press("Space")
    expect(alice.entry().locator(".toggle")).to_be_focused()
    alice.save()
    reload(alice)
    expect(alice.page.locator("ai-config-settings .entry")).to_have_count(1)


def test_unsaved_changes_are_shown_and_can_be_discarded(alice: User) -> None:
    set_up(alice)
    alice.prompt.fill("Something else")
    alice.fill(1, Model="gpt-5")
    expect(alice.page.get_by_text("Unsaved changes")).to_be_visible()
    alice.button("Discard").click()
    expect(alice.prompt).to_have_value("Be brief.")
    expect(alice.open(1).get_by_label("Model", exact=True)).to_have_value("gpt-4")
    expect(alice.page.get_by_text("All changes are saved")).to_be_visible()


def test_leaving_with_unsaved_changes_asks_for_confirmation(alice: User) -> None:
    set_up(alice)
    alice.prompt.fill("Something else")
    asked: list[str] = []
    alice.page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    alice.page.reload()
    assert asked == ["beforeunload"]


def test_the_prompt_is_counted_in_code_points(alice: User) -> None:
    alice.prompt.fill("🔑" * 3)
    expect(alice.page.get_by_text("3 of 32,768")).to_be_visible()
    alice.prompt.fill("x" * 32770)
    expect(alice.page.get_by_text("2 characters over the limit.")).to_be_visible()
    expect(alice.prompt).to_have_attribute("aria-invalid", "true")


def test_deleting_everything_asks_for_confirmation(alice: User, servers: DemoServers) -> None:
    set_up(alice)
    alice.button("Delete everything…").click()
    alice.page.keyboard.press("Escape")
    assert len(servers.documents()) == 1
    alice.button("Delete everything…").click()
    alice.button(re.compile("^Delete everything$")).click()
    expect(alice.page.get_by_text("No models yet.")).to_be_visible()
    assert servers.documents() == []


def test_users_see_their_own_settings_only(alice: User, context: BrowserContext) -> None:
    set_up(alice)
    bob = User(context.new_page(), alice.servers)
    bob.log_in("bob")
    expect(bob.page.get_by_text("No models yet.")).to_be_visible()


def test_log_out_revokes_the_tokens_immediately(alice: User, servers: DemoServers) -> None:
    token = alice.tokens[-1]
    alice.button("Log out").click()
    expect(alice.button("Log in")).to_be_focused()
    assert alice.page.locator("ai-config-settings").is_hidden()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    answer = alice.page.request.get(f"{servers.url}/api/v1/get/ai-model-config", headers=bearer)
    assert answer.status == 401
    given = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    form = {**given, "client_id": "demo-spa"}
    assert alice.page.request.post(f"{servers.issuer}/token", form=form).status == 400

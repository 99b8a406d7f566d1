"""``docs/spa.md``: its code blocks together are a working page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.helpers import SETTINGS, DemoServers, fill_login
from tests.browser.node import WEB

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "spa.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"(?:// |<!-- |# |/\* )([a-z]+\.[a-z]+)(?: -->| \*/)?\n")
TYPES = {"js": "text/javascript", "html": "text/html", "css": "text/css"}


def blocks() -> dict[str, str]:
    """The guide's files by the names in their first lines."""
    found: dict[str, str] = {}
    for _, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        name = NAME.match(text)
        assert name, f"this block of the guide has no name:\n{text}"
        found[name[1]] = text[name.end() :]
    return found


def test_every_block_of_the_guide_is_run() -> None:
    scripts = {"login.js", "cookie.js", "bound.js", "app.js", "french.js", "own.js"}
    assert set(blocks()) == {"index.html", "policy.txt", "page.css", *scripts}


@pytest.fixture
def guide(context: BrowserContext, servers: DemoServers) -> Page:
    """The guide's page, on the gateway's own origin, at the demo's authorization server."""
    files = {
        name: text.replace("https://login.example.com", servers.issuer).replace(
            "my-spa", "demo-spa"
        )
        for name, text in blocks().items()
    }
    policy = {"Content-Security-Policy": files["policy.txt"].strip()}
    page = context.new_page()

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix(f"{servers.url}/").partition("?")[0] or "index.html"
        content_type = TYPES[path.rpartition(".")[2]]
        route.fulfill(body=files[path], headers=policy, content_type=content_type)

    page.route(re.compile(rf"^{re.escape(servers.url)}/([a-z]+\.(?:js|css))?(\?.*)?$"), serve)
    page.goto(servers.url)
    return page


def log_in(page: Page) -> None:
    page.get_by_role("button", name="Log in").click()
    # Playwright cannot fulfil the target of a redirect: the demo's page is loaded, is kept from
    # processing the response, and the guide's page is then loaded from the same URL.
    page.route("**/page/app.js", lambda route: route.abort())
    fill_login(page, "alice")
    page.wait_for_url("**/?code=*")
    page.goto(page.url)
    page.get_by_role("heading", name="Models").wait_for()


def test_the_guides_page_saves_settings(guide: Page, servers: DemoServers) -> None:
    said: list[str] = []
    guide.on("console", lambda message: said.append(message.text))
    log_in(guide)
    guide.get_by_role("button", name="Add a model").click()
    entry = guide.locator(f"{SETTINGS} .entry")
    for label, value in (("Provider", "OpenAI"), ("Model", "gpt-4"), ("API key", "sk-guide")):
        entry.get_by_label(label, exact=True).fill(value)
    guide.get_by_role("button", name="Save changes").click()
    guide.get_by_text("All changes are saved").wait_for()
    expect(entry.locator(".badge")).to_have_text("Set")
    assert any(text.startswith("saved") for text in said)
    assert not any("Policy" in text for text in said)
    assert len(servers.documents()) == 1


OWN = """async (steps) => {
  const own = await import("/own.js");
  const { getToken } = await import("/login.js");
  const client = own.connect(getToken);
  const explain = async (promise) => promise.then(() => "", own.explain);
  const nothing = await explain(client.get());
  await own.saveFirst(client, "sk-guide");
  await own.savePrompt(client, "Be verbose.");
  const config = await client.get();
  await own.savePrompt(own.connect(getToken), "From elsewhere.");
  const both = await own.savePromptOrShow(client, config, "Mine.", (versions) => versions);
  const unnamed = { models: [{ ...config.models[0], model: "" }], system_prompt: "" };
  const wrong = await explain(client.update(unnamed));
  const again = await explain(client.create(config));
  const stranger = await explain(own.connect(() => "junk").get());
  const { models } = await client.get({ include: ["keyState"] });
  return { nothing, both, wrong, again, stranger, models };
}"""


def test_the_guides_own_form_seals_saves_and_explains(guide: Page) -> None:
    log_in(guide)
    done: dict[str, Any] = guide.evaluate(OWN)
    assert done["nothing"] == "Nothing is saved yet."
    assert done["both"]["mine"] == "Mine."
    assert done["both"]["theirs"]["system_prompt"] == "From elsewhere."
    assert done["wrong"].startswith("/models/0/model: ")
    assert done["again"].startswith("config-exists: ")
    assert done["stranger"] == "Log in again."
    assert [entry["keyState"] for entry in done["models"]] == ["set"]


def test_the_guides_page_has_its_own_looks(guide: Page, axe: str) -> None:
    log_in(guide)
    guide.get_by_role("button", name="Add a model").click()
    entry = guide.locator(f"{SETTINGS} .entry")
    expect(entry).to_have_css("background-color", "rgb(255, 253, 249)")
    expect(entry).to_have_css("border-radius", "0px")
    expect(guide.locator(f"{SETTINGS} .entry-form")).to_have_css("padding-top", "12px")
    expect(entry).to_have_css("font-family", "Georgia, serif")
    heading = guide.get_by_role("heading", name="Models")
    expect(heading).to_have_css("font-variant-caps", "small-caps")
    save = guide.get_by_role("button", name="Save changes")
    expect(save).to_have_css("background-color", "rgb(154, 52, 18)")
    guide.evaluate(axe)
    contrast = "axe.run({ runOnly: ['color-contrast'] }).then(({ violations }) => violations)"
    assert guide.evaluate(contrast) == []


def test_the_guide_documents_every_property_and_part() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    styles = "".join(file.read_text(encoding="utf-8") for file in WEB.glob("*.css"))
    used = set(re.findall(r"var\((--ai-config-[a-z-]+)", styles))
    assert used == set(re.findall(r"`(--ai-config-[a-z-]+)`", text))


def test_the_guides_other_log_ins_say_who_sends_a_request(
    guide: Page, servers: DemoServers
) -> None:
    log_in(guide)
    with guide.expect_request("**/get/ai-model-config") as by_cookie:
        guide.evaluate("async () => (await import('/cookie.js')).client.get().catch(() => null)")
    assert "authorization" not in by_cookie.value.headers
    guide.route("**/token", lambda route: route.fulfill(json={"access_token": "token"}))
    with guide.expect_request("**/get/ai-model-config") as by_proof:
        guide.evaluate(
            """async (url) => {
              const { askForTokens, client } = await import("/bound.js");
              await askForTokens(url, {}).catch(() => null);
              await client.get().catch(() => null);
            }""",
            f"{servers.url}/token",
        )
    assert by_proof.value.headers["authorization"].startswith("DPoP ")
    assert by_proof.value.headers["dpop"]


def test_the_guides_language_is_spoken(guide: Page) -> None:
    log_in(guide)
    guide.evaluate(
        """async () => {
          await import("/french.js");
          document.querySelector("ai-config-settings").lang = "fr";
        }"""
    )
    expect(guide.get_by_role("button", name="Enregistrer")).to_be_visible()


def test_a_client_set_before_the_element_is_defined_is_used(guide: Page) -> None:
    log_in(guide)
    guide.evaluate(
        """async () => {
          const { connect } = await import("/own.js");
          const { getToken } = await import("/login.js");
          const elsewhere = document.implementation.createHTMLDocument();
          const unknown = elsewhere.createElement("ai-config-settings");
          unknown.client = connect(getToken);
          document.body.append(unknown);
        }"""
    )
    expect(guide.get_by_role("heading", name="Models")).to_have_count(2)


BOUND = """async ({ url, grant }) => {
  const { askForTokens, client } = await import("/bound.js");
  await askForTokens(url, grant);
  const nothing = await client.get().catch(({ code }) => code);
  const { system_prompt } = await client.create({ models: [], system_prompt: "Bound." });
  await client.update({ models: [], system_prompt: "Bound twice." });
  const { getToken } = await import("/bound.js");
  return { nothing, system_prompt, token: getToken() };
}"""


def test_the_guides_bound_token_works_with_its_key_alone(guide: Page, servers: DemoServers) -> None:
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": "demo-spa",
        "redirect_uri": f"{servers.url}/",
        "scope": "ai-config:read ai-config:write",
        "state": "s",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    guide.goto(f"{servers.issuer}/authorize?{urlencode(asked)}")
    guide.route("**/page/app.js", lambda route: route.abort())
    fill_login(guide, "alice")
    guide.wait_for_url("**/?code=*")
    code = parse_qs(urlsplit(guide.url).query)["code"][0]
    guide.goto(f"{servers.url}/")
    grant = {
        "grant_type": "authorization_code",
        "client_id": "demo-spa",
        "redirect_uri": f"{servers.url}/",
        "code": code,
        "code_verifier": verifier,
    }
    done = guide.evaluate(BOUND, {"url": f"{servers.issuer}/token", "grant": grant})
    assert (done["nothing"], done["system_prompt"]) == ("config-not-found", "Bound.")
    bearer = {"Authorization": f"Bearer {done['token']}"}
    stolen = guide.request.get(f"{servers.url}/api/v1/get/ai-model-config", headers=bearer)
    assert stolen.status == 401

"""The demo's log-in: its session under Node, its windows in the browser."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.helpers import DemoServers, User, fill_login
from tests.browser.node import RunScript
from tests.browser.test_failures import end_tokens

OAUTH = Path(__file__).resolve().parents[2] / "aiconfig_plugin" / "demo" / "page" / "oauth.js"

SESSION = """
const [origin, issuer] = ["https://app.test", "https://as.test"];
globalThis.location = { origin, pathname: "/", search: `?state=s&iss=${issuer}&code=c` };
globalThis.history = { replaceState: () => {} };
const items = new Map([["oauth-flow", JSON.stringify({ state: "s", verifier: "v" })]]);
globalThis.sessionStorage = {
  getItem: (name) => items.get(name) ?? null,
  setItem: (name, value) => items.set(name, value),
  removeItem: (name) => items.delete(name),
};
const requests = [];
const replies = given.replies;
let hold = null;
globalThis.fetch = async (url, { body } = {}) => {
  if (url.includes(".well-known")) {
    return Response.json({ issuer, token_endpoint: "/token", revocation_endpoint: "/revoke" });
  }
  requests.push(Object.fromEntries(body));
  await hold;
  const reply = url === "/token" ? replies.shift() : {};
  return Response.json(reply, { status: reply.error ? 400 : 200 });
};
const { Session } = await import(given.module);
const session = new Session({ issuer, clientId: "spa", scope: "read" });
await session.handleRedirect();
"""


def run_session(node: RunScript, script: str, *replies: dict[str, Any]) -> Any:
    source = base64.b64encode(OAUTH.read_bytes()).decode()
    module = f"data:text/javascript;base64,{source}"
    return node(SESSION + script, module=module, replies=replies)


FIRST = {"access_token": "a1", "refresh_token": "r1", "expires_in": 3600}


def test_a_refresh_token_that_is_not_rotated_is_kept(node: RunScript) -> None:
    sent = run_session(
        node,
        "await session.refresh(); await session.refresh(); await session.refresh(); "
        "return requests.map(({ refresh_token }) => refresh_token);",
        FIRST,
        {"access_token": "a2"},
        {"access_token": "a3", "refresh_token": "r2"},
        {"access_token": "a4"},
    )
    assert sent == [None, "r1", "r1", "r2"]


def test_a_reloaded_tab_goes_on_with_its_newest_refresh_token(node: RunScript) -> None:
    restored = run_session(
        node,
        """const reloaded = () => new Session({ issuer, clientId: "spa", scope: "read" });
        const second = reloaded();
        const done = [await second.restore(), await second.getToken()];
        const third = reloaded();
        done.push(await third.restore(), third.isLoggedIn, await reloaded().restore());
        return [...done, requests.map(({ refresh_token }) => refresh_token)];""",
        FIRST,
        {"access_token": "a2", "refresh_token": "r2"},
        {"error": "invalid_grant"},
    )
    assert restored == [True, "a2", False, False, False, [None, "r1", "r2"]]


def test_a_log_out_forgets_the_refresh_token(node: RunScript) -> None:
    script = "await session.logOut(); return [...items.keys()];"
    assert run_session(node, script, FIRST) == []


def test_renewals_are_shared(node: RunScript) -> None:
    count = run_session(
        node,
        "await Promise.all([session.refresh(), session.refresh()]); return requests.length;",
        FIRST,
        {"access_token": "a2"},
    )
    assert count == 2


def test_a_renewal_that_ends_after_the_log_out_is_dropped(node: RunScript) -> None:
    result = run_session(
        node,
        """let release;
        hold = new Promise((resolve) => { release = resolve; });
        const refreshing = session.refresh();
        while (requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
        const loggedOut = session.logOut();
        release();
        await loggedOut;
        return [await refreshing, session.isLoggedIn, await session.getToken()];""",
        FIRST,
        {"access_token": "a2", "refresh_token": "r2"},
    )
    assert result == [False, False, ""]


@pytest.fixture
def ended(alice: User) -> User:
    """Alice, whose session has ended, with a change that she has tried to save."""
    end_tokens(alice, refresh=True)
    alice.prompt.fill("Be verbose.")
    alice.add(Provider="OpenAI", Model="gpt-4")
    alice.button("Save changes").click()
    expect(alice.alert).to_contain_text("Your session has ended")
    return alice


def isolate_opener(route: Route) -> None:
    response = route.fetch(max_redirects=0)
    headers = {**response.headers, "cross-origin-opener-policy": "same-origin"}
    route.fulfill(response=response, headers=headers)


def test_the_log_in_window_needs_no_opener(ended: User, context: BrowserContext) -> None:
    context.route(f"{ended.servers.issuer}/authorize**", isolate_opener)
    with context.expect_page() as opened:
        ended.button("Log in again").click()
    fill_login(opened.value, "alice")
    ended.page.get_by_text("All changes are saved").wait_for()
    expect(ended.page.locator("#message")).to_be_hidden()


def test_a_blocked_log_in_window_is_reported(ended: User) -> None:
    ended.page.evaluate("window.open = () => null")
    ended.button("Log in again").click()
    expect(ended.alert).to_contain_text("The browser blocked the log-in window.")


def test_the_log_in_as_another_user_shows_that_users_settings(
    ended: User, context: BrowserContext
) -> None:
    with context.expect_page() as opened:
        ended.button("Log in again").click()
    fill_login(opened.value, "bob")
    expect(ended.alert).to_contain_text("You are logged in as another user")
    expect(ended.page.locator("#user")).to_have_text("bob")
    expect(ended.prompt).to_have_value("")
    assert ended.servers.documents() == []


def test_a_window_with_an_opener_can_log_in(
    page: Page, context: BrowserContext, servers: DemoServers
) -> None:
    page.goto(servers.url)
    with context.expect_page() as opened:
        page.evaluate("void window.open(location.href)")
    window = User(opened.value, servers)
    window.button("Log in").click()
    fill_login(window.page, "alice")
    expect(window.page.get_by_role("heading", name="Models")).to_be_visible()

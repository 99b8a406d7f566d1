"""The demo's servers in a thread, and a driver for its page."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, LocatorAssertions, Page, Route, expect
from pymongo import MongoClient

from aiconfig_plugin.demo.gateway import run_demo
from aiconfig_plugin.demo.mongod import Mongod
from tests.browser.node import WEB
from tests.support.ports import two_free_ports

SETTINGS = "ai-config-settings"
GPT = {"provider": "OpenAI", "type": "chat", "model": "gpt-4", "isPaid": False}
KEY = "sk-element-0123456789abcdefghij"
FIXTURES = Path(__file__).parent / "fixtures"


class DemoServers:
    """Runs ``aiconfig demo`` on a MongoDB that a test may stop and start."""

    def __init__(self, data: Path) -> None:
        self.mongod = Mongod(data / "mongodb")
        self.mongod.start()
        self.port = two_free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self.issuer = f"http://127.0.0.1:{self.port + 1}"
        self._data = data / "demo"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._demo()))
        self._thread.start()
        assert self._ready.wait(30), "the demo did not start"

    async def _demo(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await run_demo(
            self.port,
            self._data,
            mongodb_uri=self.mongod.uri,
            ready=lambda _text: self._ready.set(),
            stop=self._stop,
        )

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self.mongod.stop()

    def delete_configurations(self) -> None:
        with MongoClient[dict[str, Any]](self.mongod.uri) as client:
            client["aiconfig"]["ai_model_configs"].delete_many({})

    def change_document(self, change: dict[str, Any]) -> None:
        with MongoClient[dict[str, Any]](self.mongod.uri) as client:
            client["aiconfig"]["ai_model_configs"].update_one({}, {"$set": change})

    def documents(self) -> list[dict[str, Any]]:
        with MongoClient[dict[str, Any]](self.mongod.uri) as client:
            return list(client["aiconfig"]["ai_model_configs"].find())


class SettingsPage:
    """Drives the element on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def entry(self, number: int = 1) -> Locator:
        return self.page.locator(f"{SETTINGS} .entry").nth(number - 1)

    def open(self, number: int = 1) -> Locator:
        """Open an entry; return it."""
        toggle = self.entry(number).locator(".toggle")
        if toggle.get_attribute("aria-expanded") == "false":
            toggle.click()
        return self.entry(number)

    def fill(self, number: int = 1, **fields: str) -> None:
        """Fill in fields of an entry by label; ``API_key`` stands for "API key"."""
        self.open(number)
        for label, value in fields.items():
            self.entry(number).get_by_label(label.replace("_", " "), exact=True).fill(value)

    def add(self, **fields: str) -> None:
        self.button("Add a model").click()
        self.fill(self.page.locator(f"{SETTINGS} .entry").count(), **fields)

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name)

    def save(self) -> None:
        self.button("Save changes").click()
        self.page.get_by_text("All changes are saved").wait_for()

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_label("Instructions")

    @property
    def alert(self) -> Locator:
        return self.page.locator(f"{SETTINGS} [role=alert]")


class User(SettingsPage):
    """Drives one page of the demo."""

    def __init__(self, page: Page, servers: DemoServers) -> None:
        super().__init__(page)
        self.servers = servers
        self.tokens: list[dict[str, Any]] = []
        """Token responses that this page received, newest last."""
        page.on("response", self._see)

    def _see(self, response: Any) -> None:
        if response.url == f"{self.servers.issuer}/token" and response.ok:
            self.tokens.append(response.json())

    def log_in(self, name: str = "alice") -> None:
        """Log in, or come back in a tab that is logged in already."""
        self.page.goto(self.servers.url)
        models = self.page.get_by_role("heading", name="Models")
        log_in = self.page.get_by_role("button", name="Log in", exact=True)
        models.or_(log_in).first.wait_for()
        if log_in.is_visible():
            log_in.click()
            fill_login(self.page, name)
        models.wait_for()


class ElementPage(SettingsPage):
    """Drives the element on ``fixtures/element.html``, whose script is also the server."""

    def __init__(self, page: Page, origin: str = "https://element.test") -> None:
        super().__init__(page)
        page.route(f"{origin}/**", self._serve)
        page.goto(f"{origin}/element.html")
        page.wait_for_function("window.settings")

    def _serve(self, route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        folder = FIXTURES if name.endswith(".html") else WEB
        route.fulfill(path=folder / name)

    def store(
        self, *models: dict[str, Any], prompt: str = "Be brief.", user: str = "alice"
    ) -> None:
        config = {"models": models, "system_prompt": prompt}
        self.run("({ user, config }) => server.put(user, config)", user=user, config=config)

    def connect(self) -> None:
        self.run("() => { settings.client = makeClient(); }")
        self.page.get_by_role("heading", name="Models").wait_for()

    def run(self, script: str, **given: Any) -> Any:
        return self.page.evaluate(script, given or None)

    def intercept(self, method: str, respond: str, times: int = 99) -> None:
        """Replace the response to the next requests of this method; ``respond`` gets ``pass``."""
        self.run(
            f"""({{ method, times }}) => {{
              const respond = {respond};
              server.intercept = async (request, pass) =>
                request.method === method && times-- > 0 ? respond(pass, request) : pass();
            }}""",
            method=method,
            times=times,
        )

    def requests(self, method: str) -> list[dict[str, Any]]:
        """The requests of this method that the page has sent."""
        sent: list[dict[str, Any]] = self.run("() => server.log")
        return [request for request in sent if request["method"] == method]


def delete(page: SettingsPage) -> None:
    page.button("Delete everything…").click()
    page.page.locator("dialog").get_by_role("button", name="Delete everything").click()


def saved_state(page: SettingsPage) -> LocatorAssertions:
    return expect(page.page.get_by_text("All changes are saved"))


def fill_login(page: Page, name: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(name)
    page.get_by_role("button", name="Log in and allow").click()

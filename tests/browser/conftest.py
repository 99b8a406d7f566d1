"""Fixtures: one browser and one set of demo servers per package; a new profile per test.

The browser is closed at the end of this package: Playwright's event loop would disturb other tests.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from aiconfig_plugin.store import MongoStores
from tests.browser.helpers import GPT, DemoServers, ElementPage, User
from tests.browser.node import RunScript, install, script_runner
from tests.support.processes import need

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pages fulfilled by a test have no address; Chromium would block their loopback requests.
    "--disable-features=LocalNetworkAccessChecks",
]
SHOTS = Path(__file__).resolve().parents[2] / ".screenshots"


@pytest.fixture(scope="package")
def demo_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServers]:
    with pytest.MonkeyPatch.context() as patch:
        # A second to time out, so that tests of an outage are fast.
        short = functools.partial(MongoStores, timeout=1.0)
        patch.setattr("aiconfig_plugin.composition.stores.MongoStores", short)
        servers = DemoServers(tmp_path_factory.mktemp("servers"))
        yield servers
        servers.close()


@pytest.fixture
def servers(demo_servers: DemoServers) -> DemoServers:
    """The demo's servers, with nothing stored."""
    demo_servers.delete_configurations()
    return demo_servers


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=10_000)
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    program = need("chromium", "google-chrome")
    browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1024, "height": 900})
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page; uncaught errors and content security policy violations fail the test."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    if "axe" not in request.fixturenames:  # axe adds inline styles.
        page.on("console", lambda line: errors.append(line.text) if "Policy" in line.text else None)
    yield page
    assert errors == []


@pytest.fixture
def alice(page: Page, servers: DemoServers) -> User:
    """Alice, logged in, with nothing stored."""
    user = User(page, servers)
    user.log_in()
    return user


@pytest.fixture
def element(page: Page) -> ElementPage:
    """The element alone, with a server in the page; not connected yet."""
    return ElementPage(page)


@pytest.fixture
def edited(element: ElementPage) -> ElementPage:
    """The element with Alice's configuration and an edited prompt."""
    element.store({**GPT, "key": "stored"})
    element.connect()
    element.prompt.fill("Be verbose.")
    return element


@pytest.fixture(scope="package")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = install(tmp_path_factory.mktemp("axe"), "axe-core@4.14.1")
    return (folder / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> RunScript:
    return script_runner(tmp_path_factory.mktemp("node"))


@pytest.fixture
def shots() -> Path:
    SHOTS.mkdir(exist_ok=True)
    return SHOTS

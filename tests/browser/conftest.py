"""One browser and one house for all of these tests; a fresh profile and an empty store for each.

The browser ends with this folder: while Playwright runs, its loop would be in the way of tests
that run one of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from aiconfig_plugin.store.repository import MongoRepository
from tests.browser.house import House, User
from tests.browser.node import install, tool

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that a test makes up has no address of its own, and so would be kept from loopback.
    "--disable-features=LocalNetworkAccessChecks",
]
SHOTS = Path(__file__).resolve().parents[2] / ".screenshots"


class ImpatientRepository(MongoRepository):
    """Gives a store that is down up after a second instead of ten."""

    def __init__(self, database: Any, *, timeout: float = 1.0, **bounds: Any) -> None:
        super().__init__(database, timeout=min(timeout, 1.0), **bounds)


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aiconfig_plugin.plugin.MongoRepository", ImpatientRepository)
        house = House(tmp_path_factory.mktemp("house"))
        yield house
        house.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = tool("chromium", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        expect.set_options(timeout=10_000)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, house: House) -> Iterator[BrowserContext]:
    house.forget_everything()
    context = browser.new_context(viewport={"width": 1024, "height": 900})
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page; what throws in it, or what its policy has to stop, fails the test."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    if "axe" not in request.fixturenames:  # It puts styles of its own into the page.
        page.on("console", lambda said: errors.append(said.text) if "Policy" in said.text else None)
    yield page
    assert errors == []


@pytest.fixture
def alice(page: Page, house: House) -> User:
    """Alice, logged in, with nothing stored."""
    user = User(page, house)
    user.log_in()
    return user


@pytest.fixture(scope="package")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = install(tmp_path_factory.mktemp("axe"), "axe-core@4.14.1")
    return (folder / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def shots() -> Path:
    SHOTS.mkdir(exist_ok=True)
    return SHOTS

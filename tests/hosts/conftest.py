"""Fixtures: the hosts' environment, a browser, and calls over HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from pymongo import MongoClient

from aiconfig_plugin.keys import create_keyring
from tests.browser.conftest import ARGUMENTS
from tests.hosts.environment import HostEnvironment
from tests.support.processes import need


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> HostEnvironment:
    return HostEnvironment(tmp_path_factory.mktemp("hosts"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def settings(mongod: Any, folder: Path) -> Iterator[dict[str, str]]:
    """Settings of the plugin: a database and a keyring, and no authorization server."""
    create_keyring(folder / "keyring.json")
    name = f"aiconfig_test_{secrets.token_hex(6)}"
    keyring = str(folder / "keyring.json")
    yield {"mongodb_uri": mongod.uri, "mongodb_database": name, "keyring": keyring}
    with MongoClient[dict[str, object]](mongod.uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = need("chromium", "google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


class Client:
    """Calls of one user below a prefix; ``headers`` say who it is."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url, self._headers = url, dict(headers)

    def call(self, method: str, path: str, sent: Any = None, **headers: str) -> httpx2.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.request(
            method, self._url + path, json=sent, headers={**self._headers, **given}, timeout=20
        )


def whole_journey(client: Client, sent: Any) -> None:
    """Create, read and update, as in every host."""
    created = client.call("POST", "/create/ai-model-config", sent)
    assert created.status_code == 201, created.text
    read = client.call("GET", "/get/ai-model-config?include=keyState")
    assert read.status_code == 200, read.text
    changed = {**json.loads(created.text), "system_prompt": "Be brief."}
    updated = client.call("PUT", "/update/ai-model-config", changed, If_Match=read.headers["ETag"])
    assert (updated.status_code, updated.json()["system_prompt"]) == (200, "Be brief.")

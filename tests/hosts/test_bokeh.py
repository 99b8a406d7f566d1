"""Bokeh and Panel: their auth module's user, their prefix, and writes of other sites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page

from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.mongod import free_port
from tests.browser.helpers import SettingsPage
from tests.hosts.conftest import Client, whole_journey
from tests.hosts.environment import EXAMPLES, HostEnvironment
from tests.support.gateway import body, entry
from tests.support.processes import program

KEY = "sk-bokeh-0123456789abcdefghij"


class Running(NamedTuple):
    url: str
    name: str


@pytest.fixture(scope="module", params=["bokeh", "panel"])
def running(
    hosts: HostEnvironment, settings: dict[str, str], folder: Path, request: Any
) -> Iterator[Running]:
    port, name = free_port(), request.param
    environ = hosts.environ(folder, **settings)
    environ["PYTHONPATH"] += f":{EXAMPLES}"
    commands = {
        "bokeh": [
            hosts.program("python"),
            str(EXAMPLES / "bokeh_server.py"),
            str(port),
            "/user/al",
        ],
        "panel": [
            *(hosts.program("panel"), "serve", str(EXAMPLES / "panel_app.py")),
            *("--plugins", "panel_plugin", "--auth-module", str(EXAMPLES / "auth.py")),
            *("--cookie-secret", "yours outlives the process", f"--port={port}"),
            "--prefix=/user/al",
        ],
    }
    with program(commands[name], environ, folder / name) as process:
        if name == "bokeh":
            process.wait_for("Bokeh listens")
        else:
            process.wait_for_log("Bokeh app running at")
        yield Running(f"http://127.0.0.1:{port}/user/al", name)


def logged_in(running: Running, page: Page, user: str) -> dict[str, str]:
    page.goto(f"{running.url}/login?user={user}")
    pairs = (f"{cookie['name']}={cookie['value']}" for cookie in page.context.cookies())
    return {"Cookie": "; ".join(pairs)}


def test_a_user_of_the_auth_module_has_a_configuration(running: Running, page: Page) -> None:
    cookie = logged_in(running, page, f"alice-{running.name}")
    alice = Client(running.url + "/api/v1", {**cookie, "Sec-Fetch-Site": "same-origin"})
    recipient = alice.call("GET", "/get/ai-model-config/encryption-key")
    assert recipient.status_code == 200, recipient.text
    sealed = seal(recipient.json(), KEY, provider="OpenAI")
    whole_journey(alice, body(entry(key=sealed)))
    answer = Client(running.url, cookie).call("GET", "/answer?provider=OpenAI")
    assert answer.json() == {"model": "gpt-4", "has_key": True}
    assert Client(running.url, {}).call("GET", "/answer?provider=OpenAI").status_code == 401

    page.goto(f"{running.url}/ai-config")
    page.get_by_text("gpt-4").first.wait_for()
    settings = SettingsPage(page)
    settings.prompt.fill("Be verbose.")
    settings.save()
    read = alice.call("GET", "/get/ai-model-config")
    assert read.json()["system_prompt"] == "Be verbose."


def test_another_sites_page_does_not_write_and_a_stranger_does_not_read(
    running: Running, page: Page
) -> None:
    cookie = logged_in(running, page, "bob")
    for site in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        bob = Client(running.url + "/api/v1", {**cookie, **site})
        refused = bob.call("POST", "/create/ai-model-config", body())
        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:aiconfig:problem:cross-site-request"
        assert bob.call("GET", "/get/ai-model-config").status_code == 404
    stranger = Client(running.url + "/api/v1", {"Sec-Fetch-Site": "same-origin"})
    assert stranger.call("GET", "/get/ai-model-config").status_code == 401
    assert stranger.call("POST", "/create/ai-model-config", body()).status_code == 401


@pytest.mark.parametrize("running", ["panel"], indirect=True)
def test_a_panel_application_resolves_for_its_user(running: Running, page: Page) -> None:
    cookie = logged_in(running, page, "carol")
    carol = Client(running.url + "/api/v1", {**cookie, "Sec-Fetch-Site": "same-origin"})
    assert carol.call("POST", "/create/ai-model-config", body(entry("gpt-5"))).status_code == 201
    page.goto(f"{running.url}/panel_app")
    page.get_by_text("You chat with gpt-5.").wait_for()

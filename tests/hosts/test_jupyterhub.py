"""JupyterHub: a managed service, its OAuth log-in, its tokens, scopes and XSRF check."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page

from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.hosts.jupyterhub import granted
from tests.browser.helpers import SettingsPage
from tests.hosts.conftest import Client, whole_journey
from tests.hosts.environment import EXAMPLES, HostEnvironment
from tests.support.gateway import body, entry
from tests.support.processes import TIMEOUT, program

SERVICE = "/services/aiconfig"
API = f"{SERVICE}/api/v1"
KEY = "sk-hub-0123456789abcdefghij"
ADMIN = "admin-token"
# What the example leaves to the operator: who may log in, and ports.
MORE = """
import sys
from jupyterhub.auth import DummyAuthenticator
load_subconfig({example!r})
c.JupyterHub.authenticator_class = DummyAuthenticator
c.DummyAuthenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub}
c.JupyterHub.services[0]["url"] = "http://127.0.0.1:{service}"
c.JupyterHub.services.append({{
    **c.JupyterHub.services[0], "name": "answer", "url": "http://127.0.0.1:{own}",
    "command": [sys.executable, {own_service!r}],
}})
c.JupyterHub.load_roles[0]["scopes"].append("access:services!service=answer")
c.JupyterHub.services.append({{"name": "admin", "api_token": {admin!r}}})
c.JupyterHub.load_roles += [{{
    "name": "admin-service", "services": ["admin"],
    "scopes": ["tokens", "admin:users", "access:services", "custom:aiconfig:write"],
}}]
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
"""


@pytest.fixture(scope="module")
def hub(hosts: HostEnvironment, settings: dict[str, str], folder: Path) -> Iterator[str]:
    port = free_port()
    ports = {name: free_port() for name in ("hub", "service", "own", "api")}
    example, proxy = str(EXAMPLES / "jupyterhub_config.py"), [hosts.proxy()]
    (folder / "config.py").write_text(
        MORE.format(
            example=example,
            own_service=str(EXAMPLES / "jupyterhub_service.py"),
            port=port,
            admin=ADMIN,
            proxy=proxy,
            **ports,
        ),
        "utf-8",
    )
    command = [hosts.program("jupyterhub"), "-f", str(folder / "config.py")]
    with program(command, hosts.environ(folder, **settings), folder / "hub") as process:
        process.wait_for_log("JupyterHub is now running")
        url = f"http://127.0.0.1:{port}"
        for service in (SERVICE, "/services/answer"):
            document = f"{url}{service}/api/v1/get/ai-model-config/openapi.json"
            deadline = time.monotonic() + TIMEOUT
            while httpx2.get(document).status_code != 200:
                assert time.monotonic() < deadline, process.err
                time.sleep(0.05)
        yield url


def log_in(hub: str, page: Page, user: str) -> None:
    page.goto(f"{hub}{SERVICE}/")
    page.get_by_label("Username:").fill(user)
    page.get_by_label("Password:").fill("any")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Models").wait_for()


def token(hub: str, user: str, *scopes: str) -> dict[str, str]:
    """Return the headers of a token of this user's, as a script of the user's has one."""
    admin = {"Authorization": f"token {ADMIN}"}
    httpx2.post(f"{hub}/hub/api/users/{user}", headers=admin)
    given = httpx2.post(
        f"{hub}/hub/api/users/{user}/tokens", headers=admin, json={"scopes": list(scopes)}
    )
    assert given.status_code == 201, given.text
    return {"Authorization": f"token {given.json()['token']}"}


ACCESS = "access:services!service=aiconfig"


def test_a_user_of_the_hub_has_a_configuration(hub: str, page: Page) -> None:
    alice = Client(hub + API, token(hub, "alice", ACCESS, "custom:aiconfig:write"))
    recipient = alice.call("GET", "/get/ai-model-config/encryption-key")
    assert recipient.status_code == 200, recipient.text
    sealed = seal(recipient.json(), KEY, provider="OpenAI")
    whole_journey(alice, body(entry(key=sealed)))

    # Another service resolves for the same user.
    scopes = ("access:services!service=answer", "custom:aiconfig:read")
    own = Client(hub + "/services/answer", token(hub, "alice", *scopes))
    answer = own.call("GET", "/answer?provider=OpenAI")
    assert (answer.status_code, answer.json()) == (200, {"model": "gpt-4", "has_key": True})
    nobody = Client(hub + "/services/answer", {}).call("GET", "/answer?provider=OpenAI")
    assert nobody.status_code == 401

    # The same user in a browser, by the hub's log-in.
    log_in(hub, page, "alice")
    page.get_by_text("gpt-4").first.wait_for()
    settings = SettingsPage(page)
    settings.prompt.fill("Be verbose.")
    settings.save()
    read = alice.call("GET", "/get/ai-model-config")
    assert read.json()["system_prompt"] == "Be verbose."


def test_another_sites_page_does_not_write(hub: str, page: Page) -> None:
    log_in(hub, page, "bob")
    found = page.context.cookies(f"{hub}{SERVICE}/")
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in found)
    agent = page.evaluate("navigator.userAgent")
    browser = Client(hub + API, {"Cookie": cookies, "User-Agent": agent})
    create = "/create/ai-model-config"
    for site in ({}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-origin"}):
        for path in (create, create + "?token=in-vain"):
            refused = browser.call("POST", path, body(), Sec_Fetch_Mode="cors", **site)
            assert refused.status_code == 403
            assert refused.json()["type"] == "urn:aiconfig:problem:cross-site-request"
    [xsrf] = [
        each["value"] for each in found if each["name"] == "_xsrf" and SERVICE in each["path"]
    ]
    good = browser.call("POST", create, body(), Sec_Fetch_Mode="cors", X_XSRFToken=xsrf)
    assert good.status_code == 201, good.text


def test_the_hubs_scopes_are_those_of_the_plugin(hub: str) -> None:
    stranger = Client(hub + API, {"Sec-Fetch-Site": "same-origin"})
    assert stranger.call("GET", "/get/ai-model-config").status_code == 401
    reader = Client(hub + API, token(hub, "carol", ACCESS, "custom:aiconfig:read"))
    assert reader.call("GET", "/get/ai-model-config").status_code == 404
    refused = reader.call("POST", "/create/ai-model-config", body())
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:aiconfig:problem:insufficient-scope"
    outsider = Client(hub + API, token(hub, "carol", "custom:aiconfig:read"))
    assert outsider.call("GET", "/get/ai-model-config").status_code == 403
    service = Client(hub + API, {"Authorization": f"token {ADMIN}"})
    none = service.call("GET", "/get/ai-model-config")
    assert none.json()["type"] == "urn:aiconfig:problem:user-required"


@pytest.mark.parametrize(
    ("scopes", "found"),
    [
        ([], []),
        (["custom:aiconfig:read"], ["ai-config:read"]),
        (["custom:aiconfig:write"], ["ai-config:write"]),
        (["custom:aiconfig:read!user=alice"], ["ai-config:read"]),
        (["custom:aiconfig:read!user=bob"], []),
        (["custom:aiconfig:read!group=alice"], []),
        (["custom:aiconfig:write!server=alice/"], []),
        (["self", "custom:aiconfig", "custom:aiconfig:read:all"], []),
    ],
    ids=str,
)
def test_a_scope_that_was_shared_with_a_group_does_not_count(
    scopes: list[str], found: list[str]
) -> None:
    assert granted(scopes, "alice") == found

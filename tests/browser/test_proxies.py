"""Behind nginx and HAProxy that compress, the settings page saves and refusals arrive."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

from aiconfig_plugin import AIConfigPlugin, Principal, Settings
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.testing import InMemoryRepository
from tests.browser.helpers import SettingsPage
from tests.support.gateway import BOTH, CREATE_PATH, READ_PATH, bearer, body
from tests.support.proxies import Proxy, ServedInThread

PAGE = """<!doctype html><html lang="en"><title>Settings</title>
<ai-config-settings></ai-config-settings>
<script type="module">
import { AIConfigClient } from "/api/v1/web/ai-config.js";
document.querySelector("ai-config-settings").client = new AIConfigClient({
  getToken: () => "alice",
});
</script></html>"""
PROXIES = ("nginx", "haproxy")


class PageHandler(RequestHandler):
    def get(self) -> None:
        self.write(PAGE)


def authenticate(request: HTTPServerRequest) -> Principal | None:
    user = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return Principal("https://host.example", user, BOTH) if user else None


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[ServedInThread]:
    create_keyring(tmp_path / "keyring.json")

    def make() -> Application:
        plugin = AIConfigPlugin(
            Settings(keyring=tmp_path / "keyring.json"),
            repository=InMemoryRepository(),
            authenticate=authenticate,
        )
        return Application([("/", PageHandler), *plugin.handlers()])

    with ServedInThread(make) as served:
        yield served


@pytest.fixture
def proxy(
    gateway: ServedInThread, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Proxy]:
    with Proxy(request.param, gateway.port, tmp_path) as started:
        yield started


def call(
    proxy: Proxy, method: str, path: str, sent: Any = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent is not None:
            given["Content-Type"] = "application/json"
        connection.request(method, path, sent, given)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("proxy", PROXIES, indirect=True)
def test_the_settings_page_saves_what_it_has_read(page: Page, proxy: Proxy) -> None:
    tags: list[str] = []
    page.on("response", lambda response: tags.append(response.headers.get("etag", "")))
    settings = SettingsPage(page)
    page.goto(proxy.url)
    settings.add(Provider="Ollama", Model="llama3")
    settings.save()
    for prompt in ("Be brief.", "Be verbose."):
        page.reload()
        settings.prompt.fill(prompt)
        settings.save()
    page.reload()
    page.get_by_text("llama3").first.wait_for()
    assert settings.prompt.input_value() == "Be verbose."
    assert any(tag.startswith("W/") for tag in tags)


@pytest.mark.parametrize("proxy", PROXIES, indirect=True)
def test_a_weak_tag_changes_what_it_names_and_nothing_else(proxy: Proxy) -> None:
    alice = {**bearer("alice"), "Accept_Encoding": "gzip"}
    sent = json.dumps(body(prompt="a long prompt " * 200))
    created, _ = call(proxy, "POST", CREATE_PATH, sent, **alice)
    assert created.status == 201
    read, _ = call(proxy, "GET", READ_PATH, **alice)
    tag = read.headers["ETag"]
    assert tag.startswith("W/")
    update = READ_PATH.replace("/get/", "/update/")
    changed, _ = call(proxy, "PUT", update, sent, **alice, If_Match=tag)
    assert changed.status == 200
    stale, _ = call(proxy, "PUT", update, sent, **alice, If_Match=tag)
    assert stale.status == 412


@pytest.mark.parametrize("proxy", PROXIES, indirect=True)
def test_an_upload_that_is_refused_before_its_body_gets_to_know_why(proxy: Proxy) -> None:
    for sent, headers, status in [
        *[(b" " * 900_000, {}, 401)] * 20,
        (b" " * (1024 * 1024), {}, 401),
        (b" " * 900_000, bearer("alice"), 400),  # the whole of it is read, and is no JSON
    ]:
        response, answer = call(proxy, "POST", CREATE_PATH, sent, **headers)
        assert (response.status, json.loads(answer)["status"]) == (status, status)
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("proxy", PROXIES, indirect=True)
def test_a_path_that_the_proxy_strips_does_no_harm(page: Page, proxy: Proxy) -> None:
    created, _ = call(
        proxy, "POST", "/stripped" + CREATE_PATH, json.dumps(body()), **bearer("alice")
    )
    assert created.status == 201
    script = f"""async ([location, document]) => {{
      const at = (reference, base) => new URL(reference, base).href;
      const found = await fetch(at(location, "{proxy.url}/stripped{CREATE_PATH}"),
                                {{ headers: {{ Authorization: "Bearer alice" }} }});
      const {{ servers, paths }} = await (await fetch(document)).json();
      const path = Object.keys(paths).find((each) => each.endsWith("/encryption-key"));
      const root = at(servers[0].url, document).replace(/\\/$/, "");
      const key = await fetch(root + path, {{ headers: {{ Authorization: "Bearer alice" }} }});
      return [found.status, key.status, root];
    }}"""
    page.goto(proxy.url)
    document = f"{proxy.url}/stripped{READ_PATH}/openapi.json"
    found = page.evaluate(script, [created.headers["Location"], document])
    assert found == [200, 200, f"{proxy.url}/stripped"]

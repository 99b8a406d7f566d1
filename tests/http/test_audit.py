"""A write whose scope is missing is in the audit trail, once its owner is known."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.testing import bind_unused_port
from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Principal, Settings
from aiconfig_plugin.http import ROUTES, Access
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.testing import InMemoryRepository


async def test_a_write_without_its_scope_is_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiconfig_plugin.audit")

    async def authenticate(request: HTTPServerRequest) -> Principal:
        return Principal("i", request.headers.get("X-User"), "none", client_id="spa")

    create_keyring(tmp_path / "keyring.json")
    plugin = AIConfigPlugin(
        Settings(keyring=tmp_path / "keyring.json"),
        repository=InMemoryRepository(),
        authenticate=authenticate,
    )
    server = HTTPServer(Application([*plugin.handlers()]))
    listener, port = bind_unused_port()
    server.add_socket(listener)
    written = []
    try:
        for route in ROUTES:
            for method, operation in route.operations.items():
                for headers in ({"X-User": "alice"}, {}):
                    answer = await AsyncHTTPClient().fetch(
                        f"http://127.0.0.1:{port}/api/v1{route.path}",
                        method=method,
                        headers=headers,
                        raise_error=False,
                        allow_nonstandard_methods=True,
                    )
                    assert (answer.code == 403) == (operation.access is not Access.PUBLIC)
                written += [operation.action] if operation.access is Access.WRITE else []
    finally:
        server.stop()
        await server.close_all_connections()
    records = [json.loads(r.message) for r in caplog.records if r.name == "aiconfig_plugin.audit"]
    assert [record["action"] for record in records] == written
    for record in records:
        assert (record["subject"], record["client_id"]) == ("alice", "spa")
        assert (record["refused"], record["changed"]) == ("insufficient-scope", [])

"""A gateway process to be fuzzed, and the judge of its answers: its own OpenAPI document."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from tornado.httputil import HTTPHeaders

from aiconfig_plugin.demo.mongod import free_port
from tests.support.issuer import Issuer
from tests.support.served import Served

USERS = ("alice", "bob")


class Document:
    """The OpenAPI document, with what is allowed as an answer."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.raw = document
        self._validators: dict[str, Draft202012Validator] = {}

    def judge(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Raise AssertionError for an answer that the document does not know."""
        said = f"{method} {path}: {status} {body[:300]!r}"
        assert status < 500, said
        operation = self.raw["paths"].get(path, {}).get(method.lower())
        if operation is None:
            assert status in (404, 405), said
            return
        assert str(status) in operation["responses"], said
        response = operation["responses"][str(status)]
        for name, header in response.get("headers", {}).items():
            assert name in headers or not header.get("required"), f"{said}: no {name}"
        if method == "HEAD" or "content" not in response:
            assert not body, said
            return
        [(media_type, content)] = response["content"].items()
        assert headers["Content-Type"].partition(";")[0] == media_type, said
        self._validator(content["schema"]).validate(json.loads(body))

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            root = {**schema, "components": self.raw["components"]}
            self._validators[key] = Draft202012Validator(root)
        return self._validators[key]


class Target:
    """Sends requests over a connection of its own, and has every answer judged."""

    def __init__(self, gateway: Served, issuer: Issuer, holds: Path) -> None:
        self.gateway = gateway
        self._holds = holds
        self.auth = {user: issuer.auth(user)["Authorization"] for user in USERS}
        self.statuses: Counter[str] = Counter()
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        self._connection.request("GET", "/api/v1/get/ai-model-config/openapi.json")
        self.document = Document(json.loads(self._connection.getresponse().read()))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str | bytes] | None = None,
        body: bytes | None = None,
    ) -> int:
        """Send a request as alice unless ``headers`` say otherwise; return the judged status."""
        sent: dict[str, Any] = {"Authorization": self.auth["alice"], **(headers or {})}
        for _ in range(2):
            try:
                self._connection.request(method, path + query, body, sent)
                response = self._connection.getresponse()
                read = response.read()
                break
            except (ConnectionError, http.client.RemoteDisconnected):
                # The server closes after some refusals.
                self._connection.close()
        else:
            raise AssertionError(f"{method} {path}: no answer")
        self.note(method, path, response.status, dict(response.getheaders()), read)
        return response.status

    def note(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        self.statuses[f"{method} {status}"] += 1
        self.document.judge(method, path, status, HTTPHeaders(headers), body)

    def holds(self) -> list[tuple[float, str]]:
        """The seconds for which callbacks held the loop, with what they were."""
        lines = self._holds.read_text().splitlines() if self._holds.exists() else []
        return [(float(line.partition(" ")[0]), line) for line in lines]

    @property
    def count(self) -> int:
        return self.statuses.total()


@contextmanager
def fuzzed(mongodb_uri: str, database: str, data: Path) -> Iterator[Target]:
    """A gateway process, and an authorization server in a thread of this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> Issuer:
        issuer = Issuer(USERS)
        issuer.start()
        return issuer

    issuer = asyncio.run_coroutine_threadsafe(start(), loop).result()
    port = free_port()
    script = Path(__file__).with_name("watched.py")
    command = [sys.executable, str(script), str(data / "holds"), "--port", str(port)]
    gateway = Served(mongodb_uri, database, data, issuer.url, port=port, command=command)
    try:
        gateway.start()
        target = Target(gateway, issuer, data / "holds")
        yield target
        target._connection.close()
    finally:
        gateway.stop()
        asyncio.run_coroutine_threadsafe(issuer.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

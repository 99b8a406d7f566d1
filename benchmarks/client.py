"""Single requests, over one connection that is kept."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import Process

PREFIX = "/api/v1"
READ = f"{PREFIX}/get/ai-model-config"
READ_KEYS = f"{READ}?include=apiKeyEncrypted,keyState"
UPDATE = f"{PREFIX}/update/ai-model-config"


@dataclass(frozen=True)
class Answer:
    status: int
    etag: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def send(self, method: str, path: str, token: str, *, etag: str = "", body: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        if etag:
            headers["If-None-Match"] = etag
        if body:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body.encode() or None, headers)
        response = self._connection.getresponse()
        return Answer(response.status, response.getheader("ETag", ""), response.read())


@contextmanager
def client(server: Process) -> Iterator[Client]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        yield Client(connection)
    finally:
        connection.close()

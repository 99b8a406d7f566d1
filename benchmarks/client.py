"""Single requests, over one connection that is kept."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.servers import Server

PREFIX = "/api/v1"
CREATE = f"{PREFIX}/create/ai-model-config"
READ = f"{PREFIX}/get/ai-model-config"
UPDATE = f"{PREFIX}/update/ai-model-config"
ENCRYPTION_KEY = f"{READ}/encryption-key"


@dataclass(frozen=True)
class Answer:
    status: int
    etag: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


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
        answer = Answer(response.status, response.getheader("ETag", ""), response.read())
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path} is answered {answer.status}: {answer.body!r}")
        return answer


@contextmanager
def client(server: Server) -> Iterator[Client]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        yield Client(connection)
    finally:
        connection.close()

"""What a gateway takes of the machine, and what a hostile upload adds to it."""

from __future__ import annotations

import json
import re
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from pymongo import MongoClient

from tests.support.gateway import (
    CREATE_PATH,
    DELETE_PATH,
    MIB,
    OPAQUE,
    READ_PATH,
    UPDATE_PATH,
    body,
    entry,
)
from tests.support.issuer import BOTH
from tests.support.processes import authorization_server
from tests.support.served import Served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")

UPLOAD = 1024 * MIB
PIECE = 64 * 1024
PATHS = {"POST": CREATE_PATH, "PUT": UPDATE_PATH, "DELETE": DELETE_PATH, "GET": READ_PATH}


class Measured:
    """A gateway that is a process of its own, and a user's token for it."""

    def __init__(self, served: Served, token: str) -> None:
        self.served = served
        self.token = token

    def peak(self) -> float:
        """MiB of resident memory at the most."""
        status = Path(f"/proc/{self.served.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert found
        return int(found[1]) / 1024

    def forget_the_peak(self) -> None:
        # Linux, proc_pid_clear_refs(5): 5 resets the peak resident set size.
        Path(f"/proc/{self.served.pid}/clear_refs").write_text("5")

    def call(self, method: str, path: str, sent: Any = None) -> int:
        request = Request(
            f"http://127.0.0.1:{self.served.port}{path}",
            method=method,
            data=None if sent is None else json.dumps(sent).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:
            status: int = answer.status
            return status

    def upload(self, method: str, header: str, piece: bytes) -> int:
        """Send pieces until the server cuts the connection; return how many bytes it took."""
        lines = [
            *(f"{method} {PATHS[method]} HTTP/1.1", f"Host: 127.0.0.1:{self.served.port}"),
            *(f"Authorization: Bearer {self.token}", "Content-Type: application/json", header),
        ]
        sent = 0
        address = ("127.0.0.1", self.served.port)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            try:
                while sent < UPLOAD:
                    connection.sendall(piece)
                    sent += len(piece)
            except ConnectionError:
                pass
        return sent


@pytest.fixture(scope="module")
def gateway(mongod: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    database = f"aiconfig_test_{secrets.token_hex(6)}"
    with authorization_server() as server:
        folder = tmp_path_factory.mktemp("gateway")
        served = Served(mongod.uri, database, folder, server.issuer)
        served.start()
        try:
            measured = Measured(served, server.issue("alice", BOTH)["access_token"])
            measured.call("POST", CREATE_PATH, body(entry(key=OPAQUE)))
            yield measured
        finally:
            served.stop()
            with MongoClient[dict[str, Any]](mongod.uri) as client:
                client.drop_database(database)


def test_an_idle_gateway_stays_small(gateway: Measured) -> None:
    gateway.call("GET", f"{READ_PATH}?include=apiKeyEncrypted")
    assert gateway.peak() < 120


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("method", PATHS)
def test_an_upload_of_a_gibibyte_is_not_kept(gateway: Measured, framing: str, method: str) -> None:
    gateway.call("PUT", UPDATE_PATH, body(prompt="y" * 30_000))
    gateway.call("GET", READ_PATH)
    header, piece = f"Content-Length: {UPLOAD}", b" " * PIECE
    if framing == "chunked":
        header, piece = "Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (PIECE, piece)
    gateway.forget_the_peak()
    before = gateway.peak()
    assert gateway.upload(method, header, piece) < UPLOAD
    assert gateway.peak() - before <= 4
    assert gateway.call("GET", READ_PATH) == 200

"""What a gateway takes of the machine, and what a hostile upload adds to it."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.keys.keyring_file import create_keyring
from tests.support.gateway import (
    BOTH,
    CREATE_PATH,
    DELETE_PATH,
    MIB,
    READ_PATH,
    UPDATE_PATH,
    body,
    entry,
)
from tests.support.processes import (
    Program,
    aiconfig,
    authorization_server,
    environment,
    program,
    settings_for,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")

UPLOAD = 1024 * MIB
PIECE = 64 * 1024


class Served:
    """A gateway that is a process of its own, and a user's token for it."""

    def __init__(self, process: Program, port: int, token: str) -> None:
        self.process = process
        self.port = port
        self.token = token

    def resident(self, line: str = "VmRSS") -> float:
        """MiB of resident memory now, or with ``VmHWM`` its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{line}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found
        return int(found[1]) / 1024

    def forget_the_highest(self) -> None:
        # Linux, proc_pid_clear_refs(5): 5 resets the peak resident set size.
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def call(self, method: str, path: str, sent: Any = None) -> int:
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if sent is None else json.dumps(sent).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:
            status: int = answer.status
            return status

    def upload(self, method: str, path: str, *headers: str, pieces: Iterator[bytes]) -> int:
        """Send pieces until the server cuts the connection; return how many bytes it took."""
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Authorization: Bearer {self.token}",
            "Content-Type: application/json",
            *headers,
        ]
        sent = 0
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    sent += len(piece)
            except ConnectionError:
                pass
        return sent


@pytest.fixture
def served(mongod: Any, database_name: str, tmp_path: Path) -> Iterator[Served]:
    create_keyring(tmp_path / "keyring.json")
    with authorization_server() as server:
        settings = settings_for(server, mongod.uri, database_name, tmp_path / "keyring.json")
        port = free_port()
        command = [aiconfig(), "serve", "--port", str(port)]
        with program(command, environment(**settings), tmp_path / "serve") as process:
            process.wait_for("listens")
            yield Served(process, port, server.issue("alice", BOTH)["access_token"])


def test_an_idle_gateway_stays_small(served: Served) -> None:
    assert served.resident() < 120
    served.call("POST", CREATE_PATH, body(entry(key="b3BhcXVl")))
    served.call("GET", f"{READ_PATH}?include=apiKeyEncrypted")
    assert served.resident() < 120


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_an_upload_of_a_gibibyte_is_not_kept(served: Served, framing: str, method: str) -> None:
    path = {"POST": CREATE_PATH, "PUT": UPDATE_PATH, "DELETE": DELETE_PATH, "GET": READ_PATH}
    served.call("POST", CREATE_PATH, body(prompt="x" * 30_000))
    served.call("PUT", UPDATE_PATH, body(prompt="y" * 30_000))
    served.call("GET", READ_PATH)
    piece = b" " * PIECE
    if framing == "length":
        header = f"Content-Length: {UPLOAD}"
    else:
        header, piece = "Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (PIECE, piece)
    served.forget_the_highest()
    before = served.resident()
    pieces = (piece for _ in range(UPLOAD // PIECE))
    taken = served.upload(method, path[method], header, pieces=pieces)
    assert taken < UPLOAD
    assert served.resident("VmHWM") - before <= 4
    assert served.call("GET", READ_PATH) == 200

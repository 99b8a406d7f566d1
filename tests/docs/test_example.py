"""The example is a program, so it is run."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.keys.keyring_file import create_keyring
from tests.support.gateway import BOTH, OPENAPI_PATH, READ_PATH
from tests.support.processes import (
    TIMEOUT,
    authorization_server,
    environment,
    program,
    settings_for,
)

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "gateway.py"


def test_the_example_serves(mongod: Any, database_name: str, tmp_path: Path) -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    assert source.count("8888") == 1
    port = free_port()
    copy = tmp_path / "gateway.py"
    copy.write_text(source.replace("8888", str(port)), encoding="utf-8")
    create_keyring(tmp_path / "keyring.json")
    with authorization_server() as server:
        settings = settings_for(server, mongod.uri, database_name, tmp_path / "keyring.json")
        command = [sys.executable, "-W", "error", str(copy)]
        with program(command, environment(**settings), tmp_path / "example") as example:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + TIMEOUT
            while status(url + OPENAPI_PATH) != 200:
                assert time.monotonic() < deadline, example.err
                time.sleep(0.05)
            assert status(url + READ_PATH) == 401
            assert status(url + READ_PATH, server.issue("alice", BOTH)["access_token"]) == 404
            assert example.end(signal.SIGINT) == 0
            for word in ("Traceback", "Exception ignored", "was never"):
                assert word not in example.err


def status(url: str, token: str | None = None) -> int | None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urlopen(Request(url, headers=headers), timeout=30) as answer:
            code: int = answer.status
            return code
    except HTTPError as err:
        err.close()
        return err.code
    except URLError:
        return None

"""Several processes serve one port; one that ends is replaced, and all end with their parent."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from aiconfig_plugin.cli.workers import restart_delay
from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.keys import add_keys, create_keyring
from tests.support.gateway import closed_port
from tests.support.processes import TIMEOUT, Program, aiconfig, environment, program

WORKERS = 3


def until(condition: Callable[[], Any], told: Callable[[], object]) -> Any:
    """Return what the condition returns as soon as that is true."""
    deadline = time.monotonic() + TIMEOUT
    while not (met := condition()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)
    return met


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    create_keyring(tmp_path / "keyring.json")
    return tmp_path / "keyring.json"


@pytest.fixture
def settings(mongod: Any, database_name: str, keyring: Path) -> dict[str, str]:
    return {
        "mongodb_uri": mongod.uri,
        "mongodb_database": database_name,
        "keyring": str(keyring),
        "issuer": "https://issuer.example",
        "introspection_endpoint": f"http://127.0.0.1:{closed_port()}/introspect",
        "client_id": "gateway",
        "client_secret": "geheim",
    }


@pytest.fixture
def gateway(settings: dict[str, str], tmp_path: Path) -> Iterator[tuple[Program, str]]:
    port = free_port()
    options = f"serve --port {port} --workers {WORKERS} --metrics --log-level info"
    command = [aiconfig(), *options.split()]
    with program(command, environment(**settings), tmp_path / "serve") as started:
        started.wait_for("\n")
        yield started, f"http://127.0.0.1:{port}"


def test_workers_share_a_port_are_replaced_and_end_with_the_gateway(
    gateway: tuple[Program, str], keyring: Path
) -> None:
    serve, origin = gateway
    first = children(serve.pid)
    assert len(first) == WORKERS
    for _ in range(12):
        assert urlopen(f"{origin}/readyz", timeout=30).status == 200
    with urlopen(f"{origin}/api/v1/get/ai-model-config/openapi.json", timeout=30) as answer:
        assert answer.status == 200
    metrics = urlopen(f"{origin}/metrics", timeout=30).read().decode()
    assert re.search(r"^aiconfig_requests_total{.*openapi.json.*} 1.0$", metrics, re.MULTILINE)

    os.kill(first[1], signal.SIGKILL)
    told = f"Worker 2 (process {first[1]}) was killed by SIGKILL; another one starts."
    until(lambda: told in serve.err, lambda: serve.err)
    until(lambda: len(children(serve.pid)) == WORKERS, lambda: serve.err)
    second = children(serve.pid)
    assert set(first) - set(second) == {first[1]}
    (replaced,) = set(second) - set(first)
    until(lambda: _listens(replaced, origin), lambda: serve.err)

    add_keys(keyring)
    os.kill(serve.pid, signal.SIGHUP)
    changed = "AICONFIG_KEYRING was read again and has changed."
    until(lambda: serve.err.count(changed) == WORKERS, lambda: serve.err)
    assert children(serve.pid) == second

    assert serve.end(signal.SIGTERM) == 0
    assert all(map(has_ended, second))
    assert serve.out == f"aiconfig listens on {origin}/api/v1\n"
    assert "Traceback" not in serve.err


def _listens(pid: int, origin: str) -> bool:
    """Tell whether the process has installed its own handler of SIGTERM: it runs its loop."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[0], 16)
    return bool(caught >> (signal.SIGHUP - 1) & 1)


def test_workers_end_when_their_parent_is_killed(gateway: tuple[Program, str]) -> None:
    serve, _ = gateway
    left = children(serve.pid)
    assert serve.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: all(map(has_ended, left)), lambda: left)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"keyring": "/nowhere/keyring.json"}, "AICONFIG_KEYRING"),
        ({"mongodb_database": "a b$"}, "AICONFIG_MONGODB_DATABASE"),
    ],
)
def test_what_no_worker_can_start_with_is_said_once(
    settings: dict[str, str], tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    command = [aiconfig(), "serve", "--port", str(free_port()), "--workers", "2"]
    env = environment(**{**settings, **wrong})
    with program(command, env, tmp_path / "serve") as serve:
        until(lambda: has_ended(serve.pid), lambda: serve.err)
        assert serve.end() == 2
        assert serve.err.count("\n") == 1 and told in serve.err
        assert serve.out == ""


SUPERVISED = """
import logging, os, pathlib, signal, sys, time
from aiconfig_plugin.cli.workers import Supervisor
logging.basicConfig(format="%(message)s")
starts = pathlib.Path("starts")

def serve(worker):
    with starts.open("a") as file:
        file.write("x")
    count = len(starts.read_text())
    if count == 3:
        return 7  # the one that replaces the first fails to start
    worker.announce()
    if count == 1:
        while len(starts.read_text()) < 2:
            time.sleep(0.01)
        raise RuntimeError("a defect")
    time.sleep(60)

print("begins")  # is in no worker's buffer
ready = lambda: print("all ready", flush=True)
sys.exit(Supervisor(2, serve, ready=ready, ended=lambda pid: print("ended", flush=True)).run())
"""


def test_a_worker_that_cannot_start_again_is_tried_later(tmp_path: Path) -> None:
    env = environment() | {"PYTHONUNBUFFERED": ""}
    with program([sys.executable, "-c", SUPERVISED], env, tmp_path / "run") as supervisor:
        starts = tmp_path / "run" / "starts"
        until(lambda: starts.exists() and len(starts.read_text()) == 4, lambda: supervisor.err)
        supervisor.wait_for("all ready")
        assert supervisor.end(signal.SIGINT) == 0
        lines = [line for line in supervisor.err.splitlines() if line.startswith("Worker")]
        first, second = (re.sub(r"\d{2,}", "N", line) for line in lines)
        assert first == "Worker 1 (process N) ended with 1; another one starts."
        assert second == "Worker 1 (process N) ended with 7; another one starts in 1 s."
        assert "RuntimeError: a defect" in supervisor.err
        assert supervisor.out.count("ended") == 4
        assert supervisor.out.count("begins") == supervisor.out.count("all ready") == 1


@pytest.mark.parametrize(
    ("failures", "delay"), [(0, 0.0), (1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (99, 30.0)]
)
def test_the_delay_grows_with_failures_in_a_row(failures: int, delay: float) -> None:
    assert restart_delay(failures) == delay

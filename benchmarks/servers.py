"""The processes of a run: the contenders, and a store of each kind."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from aiconfig_plugin.demo.mongod import Mongod, free_port

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT = 90.0
"""Seconds for which a contender may import what it needs, and three members elect a primary."""
STOP_TIMEOUT = 5.0
"""Seconds between SIGTERM and SIGKILL."""
REPLICA_SET = "benchmark"


@dataclass(frozen=True)
class Server:
    name: str
    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def processor_seconds(pid: int) -> float:
    """Return how long a process has computed, in all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def started(name: str, **options: Any) -> Iterator[Server]:
    """Run ``benchmarks.contenders.NAME`` with these options until the end of the block.

    It has a session of its own, so a terminal's Ctrl-C reaches it only through the block.
    """
    popen = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.contenders.{name}", json.dumps(options)],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("AICONFIG_")},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert popen.stdout is not None
    with popen.stdout:
        try:
            readable, _, _ = select.select([popen.stdout], [], [], START_TIMEOUT)
            line = popen.stdout.readline() if readable else b""
            if not line:
                raise RuntimeError(f"{name} did not start")
            yield Server(name, popen.pid, int(line))
        finally:
            popen.terminate()
            try:
                popen.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Let the processes that are started inside run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def standalone(directory: Path) -> Iterator[str]:
    with Mongod(directory / "standalone") as mongod:
        yield mongod.uri


@contextmanager
def replica_set(directory: Path) -> Iterator[str]:
    """Start three members; yield the URI once one leads and two follow."""
    arguments = ("--replSet", REPLICA_SET, "--oplogSize", "256")
    with ExitStack() as stack:
        members = [
            Mongod(directory / f"member{number}", port=free_port(), arguments=arguments)
            for number in range(3)
        ]
        for member in members:
            stack.enter_context(member)
        hosts = [f"127.0.0.1:{member.port}" for member in members]
        config = {
            "_id": REPLICA_SET,
            "members": [{"_id": number, "host": host} for number, host in enumerate(hosts)],
        }
        client: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(members[0].uri))
        client.admin.command("replSetInitiate", config)
        deadline = time.monotonic() + START_TIMEOUT
        while _states(client) != ["PRIMARY", "SECONDARY", "SECONDARY"]:
            if time.monotonic() > deadline:
                raise RuntimeError("the replica set elects no primary")
            time.sleep(0.1)
        yield f"mongodb://{','.join(hosts)}/?replicaSet={REPLICA_SET}"


def _states(client: MongoClient[dict[str, Any]]) -> list[str]:
    status = client.admin.command("replSetGetStatus")
    return sorted(member["stateStr"] for member in status["members"])


STORES = {"standalone": standalone, "replica-set": replica_set}

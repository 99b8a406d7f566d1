"""The processes of a run: the contenders, and a store of each kind."""

import json
import os
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
ELECTION_TIMEOUT = 60.0  # seconds
MEMBER = ("--replSet", "benchmark", "--oplogSize", "256")


@dataclass(frozen=True)
class Server:
    pid: int
    url: str

    def processor_seconds(self) -> float:
        """Return how long it has computed, in all of its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def started(name: str, **options: Any) -> Iterator[Server]:
    """Run ``benchmarks.contenders.NAME`` with these options until the end of the block.

    It has a session of its own, so a terminal's Ctrl-C reaches it only through the block.
    """
    command = [sys.executable, "-m", f"benchmarks.contenders.{name}", json.dumps(options)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Server(process.pid, process.stdout.readline().strip())
        finally:
            process.kill()


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Let the processes that are started inside run on these cores alone; none means all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
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
    with ExitStack() as stack:
        members = [
            Mongod(directory / str(number), port=free_port(), arguments=MEMBER)
            for number in range(3)
        ]
        for member in members:
            stack.enter_context(member)
        hosts = [f"127.0.0.1:{member.port}" for member in members]
        config = [{"_id": number, "host": host} for number, host in enumerate(hosts)]
        client: MongoClient[Any] = stack.enter_context(MongoClient(members[0].uri))
        client.admin.command("replSetInitiate", {"_id": MEMBER[1], "members": config})
        deadline = time.monotonic() + ELECTION_TIMEOUT
        while time.monotonic() < deadline:
            found = client.admin.command("replSetGetStatus")["members"]
            if sorted(one["stateStr"] for one in found) == ["PRIMARY", "SECONDARY", "SECONDARY"]:
                break
            time.sleep(0.1)
        yield f"mongodb://{','.join(hosts)}/?replicaSet={MEMBER[1]}"


STORES = {"standalone": standalone, "replica-set": replica_set}

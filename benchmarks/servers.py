"""The processes of a run, contenders and stores; single requests, and load from wrk."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from aiconfig_plugin.demo.mongod import Mongod, free_port
from benchmarks.rounds import Figures

SCRIPT = Path(__file__).with_name("requests.lua")
ROOT = Path(__file__).resolve().parents[1]
REQUEST_TIMEOUT = 30  # seconds
MEMBER = ("--replSet", "benchmark", "--oplogSize", "256")

Send = Callable[..., Any]


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
    """Start three members; yield the URI once all three have taken a write."""
    with ExitStack() as stack:
        members = [
            Mongod(directory / str(number), port=free_port(), arguments=MEMBER)
            for number in range(3)
        ]
        for member in members:
            stack.enter_context(member)
        hosts = [f"127.0.0.1:{member.port}" for member in members]
        config = [{"_id": number, "host": host} for number, host in enumerate(hosts)]
        with MongoClient[Any](members[0].uri) as client:
            client.admin.command("replSetInitiate", {"_id": MEMBER[1], "members": config})
        uri = f"mongodb://{','.join(hosts)}/?replicaSet={MEMBER[1]}"
        with MongoClient[Any](uri, w=len(members)) as client:
            client["ready"]["ready"].insert_one({})
        yield uri


STORES = {"standalone": standalone, "replica-set": replica_set}


@contextmanager
def client(server: Server) -> Iterator[Send]:
    """Yield what sends a request over one connection and returns the JSON of the answer."""
    address = server.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(address, timeout=REQUEST_TIMEOUT)) as connection:

        def send(method: str, path: str, token: str, body: str = "") -> Any:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path} is answered {response.status}: {answer!r}")
            return json.loads(answer)

        yield send


def load(
    server: Server, method: str, path: str, requests: Path, connections: int, *, seconds: int
) -> Figures:
    """Send the requests of a file in turn, for ``seconds``, over so many connections."""
    command = [
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{REQUEST_TIMEOUT}s"),
        *("-s", str(SCRIPT), server.url, "--", method, path, str(requests)),
    ]
    before = server.processor_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    computed = server.processor_seconds() - before
    said = json.loads(done.stdout.splitlines()[-1])
    count = said.pop("requests")
    if said.pop("failed"):
        raise RuntimeError(f"{method} {path}: {done.stdout}")
    return {"rate": count / said.pop("seconds"), "processor": computed / max(count, 1), **said}

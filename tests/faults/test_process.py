"""The gateway's process ends, is killed, is forked: what is promised to its clients holds."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import AsyncMongoClient, MongoClient

from tests.faults.load import body, value_of
from tests.support.gateway import Gateway
from tests.support.issuer import Issuer
from tests.support.served import Served

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "forking_gateway.py"
KILLS = 8
ENTRIES = 100


@asynccontextmanager
async def issuing(*users: str) -> AsyncIterator[Issuer]:
    issuer = Issuer(users)
    issuer.start()
    try:
        yield issuer
    finally:
        await issuer.stop()


def slow_writes(uri: str, milliseconds: int) -> Any:
    """Hold up the next findAndModify, in the way of mongod's own tests."""
    with MongoClient[dict[str, Any]](uri) as client:
        data = {"failCommands": ["findAndModify"], "blockConnection": True}
        data["blockTimeMS"] = milliseconds
        client.admin.command(
            {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data}
        )


def test_sigterm_lets_requests_in_flight_finish_and_exits_with_0(
    replica_set: Any, tmp_path: Path
) -> None:
    async def run() -> None:
        async with (
            issuing("alice") as issuer,
            Served(replica_set.uri, f"p_{secrets.token_hex(4)}", tmp_path, issuer.url) as gateway,
            httpx2.AsyncClient(headers=issuer.auth("alice"), timeout=30) as http,
        ):
            created = await http.post(gateway.url + "/create/ai-model-config", json=body("a"))
            assert created.status_code == 201
            slow_writes(replica_set.primary().uri, 2000)
            update = http.put(gateway.url + "/update/ai-model-config", json=body("b"))
            updating = asyncio.create_task(update)
            await asyncio.sleep(0.7)
            gateway.signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            with pytest.raises(httpx2.ConnectError):
                async with httpx2.AsyncClient() as stranger:
                    await stranger.get(gateway.url + "/get/ai-model-config")
            assert (await updating).status_code == 200
            assert value_of((await updating).json()) == "b"
            assert await asyncio.to_thread(gateway.wait, 10) == 0

    asyncio.run(run())


def test_sigterm_does_not_wait_for_idle_connections_and_half_sent_requests_have_a_bound(
    mongod: Any, database_name: str, tmp_path: Path
) -> None:
    async def run() -> None:
        async with (
            issuing("alice") as issuer,
            Served(mongod.uri, database_name, tmp_path, issuer.url) as gateway,
        ):
            _, idle = await asyncio.open_connection("127.0.0.1", gateway.port)
            _, half = await asyncio.open_connection("127.0.0.1", gateway.port)
            half.write(b"GET /api/v1/get/ai-mo")
            await half.drain()
            before = time.monotonic()
            gateway.signal(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.wait, 20) == 0
            assert time.monotonic() - before < 5
            idle.close()
            half.close()

    asyncio.run(run())


def test_sigkill_among_large_writes_never_leaves_half_a_configuration(
    mongod: Any, database_name: str, tmp_path: Path
) -> None:
    chance = random.Random(5)

    async def write(gateway: Served, http: httpx2.AsyncClient, done: list[str]) -> None:
        for number in range(10_000):
            value = f"{gateway.pid}-{number}"
            update = gateway.url + "/update/ai-model-config"
            response = await http.put(update, json=body(value, ENTRIES))
            assert response.status_code == 200
            done.append(value)

    async def run() -> int:
        acknowledged = 0
        async with issuing("alice") as issuer:
            gateway = Served(mongod.uri, database_name, tmp_path, issuer.url)
            await asyncio.to_thread(gateway.start)
            auth = issuer.auth("alice")
            async with httpx2.AsyncClient(headers=auth, timeout=30) as http:
                create = gateway.url + "/create/ai-model-config"
                await http.post(create, json=body("first", ENTRIES))
                for _ in range(KILLS):
                    done: list[str] = ["first"]
                    writers = [asyncio.create_task(write(gateway, http, done)) for _ in range(3)]
                    await asyncio.sleep(0.3 + chance.random() * 0.5)
                    gateway.signal(signal.SIGKILL)
                    await asyncio.to_thread(gateway.wait)
                    for writer in writers:
                        with suppress(httpx2.HTTPError):
                            await writer
                    acknowledged += len(done) - 1
                    await asyncio.to_thread(gateway.start)
                    read = await http.get(gateway.url + "/get/ai-model-config")
                    value_of(read.json(), ENTRIES)  # raises for a mixture
            await asyncio.to_thread(gateway.stop)
        return acknowledged

    acknowledged = asyncio.run(run())
    print(f"{KILLS} kills, {acknowledged} acknowledged")
    assert acknowledged > KILLS


@pytest.mark.parametrize(
    ("processes", "told", "number"),
    [
        (2, "children", signal.SIGTERM),
        (2, "parent", signal.SIGKILL),
        (4, "parent", signal.SIGTERM),
        (2, "parent", signal.SIGINT),
    ],
)
def test_forked_processes_on_one_port_each_have_their_own_client(
    mongod: Any,
    database_name: str,
    tmp_path: Path,
    processes: int,
    told: str,
    number: signal.Signals,
) -> None:
    async def run() -> None:
        async with issuing("alice") as issuer:
            gateway = Served(mongod.uri, database_name, tmp_path, issuer.url)
            gateway._command = [
                *(sys.executable, str(EXAMPLE), str(gateway.port), str(processes)),
            ]
            await asyncio.to_thread(gateway.start)
            deadline = time.monotonic() + 30
            while gateway.log.read_text().count("aiconfig listens") < processes:
                assert time.monotonic() < deadline, gateway.log.read_text()
                await asyncio.sleep(0.1)
            children = _children(gateway.pid)
            assert len(children) == processes
            auth = issuer.auth("alice")
            # A connection for each request, so that all processes get some.
            for turn in range(40):
                async with httpx2.AsyncClient(headers=auth, timeout=30) as http:
                    method, path = ("PUT", "update") if turn else ("POST", "create")
                    url = f"{gateway.url}/{path}/ai-model-config"
                    response = await http.request(method, url, json=body(f"v{turn}"))
                    assert response.status_code in (200, 201), response.text
                    read = await http.get(gateway.url + "/get/ai-model-config")
                    assert value_of(read.json()) == f"v{turn}"
            clients = _ports(mongod.port, children)
            assert all(clients[child] for child in children), clients
            for process in children if told == "children" else [gateway.pid]:
                os.kill(process, number)
            code = await asyncio.to_thread(gateway.wait)
            assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
            while not all(map(_has_ended, children)):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            assert "Traceback" not in gateway.log.read_text()

    asyncio.run(run())


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _ports(port: int, pids: list[int]) -> dict[int, set[str]]:
    """Return the inodes of each process's connections to the store; no two share one."""
    found: dict[int, set[str]] = {}
    to_store = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) == port:
            to_store.add(fields[9])
    for pid in pids:
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        found[pid] = {link[8:-1] for link in links if link.startswith("socket:[")} & to_store
    shared = [inode for inodes in found.values() for inode in inodes]
    assert len(shared) == len(set(shared))
    return found


@pytest.mark.parametrize("kind", ["motor", "pymongo"])
def test_close_leaves_no_task_thread_or_socket(
    mongod: Any, database_name: str, tmp_path: Path, kind: str
) -> None:
    def sockets() -> set[str]:
        links = set()
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                links.add(os.readlink(link))
        return {link for link in links if link.startswith("socket:")}

    def threads() -> set[str]:
        # Those of Motor's and asyncio's pools belong to the process and do not grow with use.
        alive = {thread.name for thread in threading.enumerate()}
        return {name for name in alive if not name.startswith(("ThreadPool", "asyncio_"))}

    async def run() -> None:
        before = sockets(), threads()
        tasks = asyncio.all_tasks()
        client: Any = AsyncMongoClient(mongod.uri) if kind == "pymongo" else None
        database = client[database_name] if client else None
        gateway = Gateway(mongod.uri, database_name, tmp_path / "keyring.json", database=database)
        await gateway.start()
        alice = gateway.user("alice")
        calls = [alice.create(body("a"))]
        await asyncio.gather(*calls, *(alice.read() for _ in range(20)))
        await gateway.close()
        if client:
            await client.close()
        deadline = time.monotonic() + 5
        while any(
            left := (sockets() - before[0], threads() - before[1], asyncio.all_tasks() - tasks)
        ):
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.05)

    asyncio.run(run())

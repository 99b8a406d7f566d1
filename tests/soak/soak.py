"""Load for minutes, with a failover in the middle: python tests/soak/soak.py [--minutes N].

Two gateway processes over a replica set of three; 200 connections read and write what belongs to
10,000 owners. Exit code 1 when something leaks, an acknowledged write is lost, or a request fails
that the failover does not explain.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aiconfig_plugin.demo.mongod import free_port
from tests.faults.load import body, value_of
from tests.support.issuer import Issuer
from tests.support.replica_set import ReplicaSet
from tests.support.served import Served

PROCESSES = 2
MIB = 1024 * 1024
FAILOVER = 45.0
"""Seconds around the failover in which a request may fail with 503."""
GROWTH = 0.2
"""How much of what was there after the first minute may be added."""


@dataclass
class Soak:
    """What the clients and the watcher saw. Each owner belongs to one connection alone."""

    statuses: Counter[int] = field(default_factory=Counter)
    acknowledged: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    maybe: dict[str, set[str | None]] = field(default_factory=dict)
    samples: list[tuple[float, int, int, int, int]] = field(default_factory=list)
    """Seconds, gateway, resident bytes, open file descriptors, tasks of the loop."""


async def client(
    soak: Soak, url: str, auth: dict[str, dict[str, str]], seed: int, until: float
) -> None:
    chance = random.Random(seed)
    owners = list(auth)
    limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1)
    async with httpx2.AsyncClient(timeout=30, limits=limits) as http:
        number = 0
        while time.monotonic() < until:
            number += 1
            await one(soak, http, url, chance, chance.choice(owners), auth, f"{seed}-{number}")
        for owner, values in list(soak.maybe.items()):
            if owner in auth:
                await verify(soak, http, url, auth[owner], owner, values)


async def one(
    soak: Soak, http: httpx2.AsyncClient, url: str, chance: random.Random, owner: str,
    auth: dict[str, dict[str, str]], value: str,
) -> None:  # fmt: skip
    """Read, or write what was never written before; remember what may be there now."""
    known = soak.maybe.setdefault(owner, {None})
    if chance.random() < 0.7:
        await verify(soak, http, url, auth[owner], owner, known)
        return
    absent = None in known
    method, path = ("POST", "create") if absent else ("PUT", "update")
    sent = time.monotonic()
    try:
        response = await http.request(
            method, f"{url}/{path}/ai-model-config", json=body(value), headers=auth[owner]
        )
        status = response.status_code
    except httpx2.HTTPError as err:
        soak.wrong.append(f"{method}: {err!r}")
        status = 0
    note(soak, status, sent)
    if status in (200, 201):
        soak.acknowledged += 1
        soak.maybe[owner] = {value}
    elif status == 409 and len(known) > 1:
        known.discard(None)
    elif status in (0, 503):
        known.add(value)
    else:
        soak.wrong.append(f"{method}: {status} with {len(known)} values possible")


async def verify(
    soak: Soak, http: httpx2.AsyncClient, url: str, auth: dict[str, str], owner: str,
    known: set[str | None],
) -> None:  # fmt: skip
    sent = time.monotonic()
    try:
        response = await http.get(f"{url}/get/ai-model-config", headers=auth)
    except httpx2.HTTPError as err:
        soak.wrong.append(f"GET: {err!r}")
        return
    note(soak, response.status_code, sent)
    if response.status_code == 503:
        return
    found = value_of(response.json()) if response.status_code == 200 else None
    if response.status_code not in (200, 404) or found not in known:
        soak.wrong.append(f"GET: {response.status_code} {found} instead of one of {known}")


def note(soak: Soak, status: int, sent: float) -> None:
    now = time.monotonic()
    soak.statuses[status] += 1
    soak.longest = max(soak.longest, now - sent)
    if status == 503:
        soak.outages.append(now)


async def watch(soak: Soak, gateways: list[Served], data: Path, began: float) -> None:
    while True:
        await asyncio.sleep(2)
        for number, gateway in enumerate(gateways):
            tasks = int(tasks_file(data, number).read_text() or 0)
            soak.samples.append(
                (time.monotonic() - began, number, gateway.rss, gateway.sockets, tasks)
            )


def tasks_file(data: Path, number: int) -> Path:
    return data / f"tasks-{number}"


def serve(uri: str, data: Path, issuer: str, number: int) -> Served:
    port, counting = free_port(), Path(__file__).with_name("gateway.py")
    given = (counting, tasks_file(data, number), "--port", port)
    command = [sys.executable, *map(str, given)]
    return Served(uri, "soak", data, issuer, port=port, command=command, INTROSPECTION_TTL="3600")


async def run(minutes: float, connections: int, owners: int, data: Path) -> Soak:
    soak = Soak()
    names = [f"user{number}" for number in range(owners)]
    replica_set = ReplicaSet(data)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, replica_set.stop)
        await asyncio.to_thread(replica_set.start)
        issuer = Issuer(names)
        issuer.start()
        stack.push_async_callback(issuer.stop)
        gateways = [
            await stack.enter_async_context(serve(replica_set.uri, data, issuer.url, number))
            for number in range(PROCESSES)
        ]
        began = time.monotonic()
        until = began + minutes * 60
        watching = asyncio.create_task(watch(soak, gateways, data, began))
        clients = [
            asyncio.create_task(
                client(
                    soak,
                    gateways[number % PROCESSES].url,
                    {name: issuer.auth(name) for name in names[number::connections]},
                    number,
                    until,
                )
            )
            for number in range(connections)
        ]
        await asyncio.sleep(minutes * 30)
        failed_over = time.monotonic()
        with replica_set.killed() as old:
            await asyncio.to_thread(replica_set.wait_for_another, old)
        await asyncio.gather(*clients)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    elsewhere = [at for at in soak.outages if not failed_over <= at <= failed_over + FAILOVER]
    if elsewhere:
        soak.wrong.append(f"{len(elsewhere)} answers of 503 away from the failover")
    for number in range(PROCESSES):
        soak.wrong += growth(soak, number, warm=min(60.0, minutes * 20))
    return soak


def growth(soak: Soak, number: int, warm: float) -> list[str]:
    """Compare the last quarter with what was there once the process had warmed up."""
    mine = [sample for sample in soak.samples if sample[1] == number and sample[0] >= warm]
    first, last = mine[: len(mine) // 4], mine[-(len(mine) // 4) :]
    found = []
    bounds = ((2, "bytes resident", 16 * MIB), (3, "file descriptors", 20), (4, "tasks", 20))
    for place, what, slack in bounds:
        before = max(sample[place] for sample in first)
        after = min(sample[place] for sample in last)
        print(f"gateway {number}: {what} {before:,} then {after:,}")
        if after > before * (1 + GROWTH) + slack:
            found.append(f"gateway {number}: {what} grew from {before:,} to {after:,}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--owners", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        soak = asyncio.run(run(given.minutes, given.connections, given.owners, Path(data)))
    total = soak.statuses.total()
    print(f"{total:,} requests, {soak.acknowledged:,} writes acknowledged, {dict(soak.statuses)}")
    share = soak.statuses[503] / max(total, 1)
    print(f"longest {soak.longest:.1f} s, 503 for {share:.2%}, all of them about the failover")
    for line in soak.wrong[:20]:
        print("WRONG", line)
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

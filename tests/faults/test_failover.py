"""A replica set loses its primary under load: nothing acknowledged is lost, nothing hangs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.history import Kind, check
from tests.faults.load import Load
from tests.support.issuer import Issuer
from tests.support.replica_set import ReplicaSet
from tests.support.served import Served

OWNERS = [f"user{n}" for n in range(12)]
CLIENTS = 8
LONGEST = 12.0
"""Seconds within which a request is answered, whatever happens to the store."""


@asynccontextmanager
async def two_gateways(replica_set: ReplicaSet, tmp_path: Path) -> AsyncIterator[Load]:
    issuer = Issuer(OWNERS)
    issuer.start()
    database = f"faults_{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        stack.push_async_callback(issuer.stop)
        gateways = [Served(replica_set.uri, database, tmp_path, issuer.url) for _ in range(2)]
        for gateway in gateways:
            await stack.enter_async_context(gateway)
        auth = {owner: issuer.auth(owner) for owner in OWNERS}
        yield Load([gateway.url for gateway in gateways], auth, pause=0.02)


async def inflict(replica_set: ReplicaSet, fault: str) -> None:
    """Take the primary away, wait for another, and bring it back."""
    match fault:
        case "SIGKILL":
            with replica_set.killed() as old:
                await asyncio.to_thread(replica_set.wait_for_another, old)
                await asyncio.sleep(1)
        case "SIGSTOP":
            with replica_set.frozen() as old:
                await asyncio.to_thread(replica_set.wait_for_another, old)
                await asyncio.sleep(1)
        case "step-down":
            old = await asyncio.to_thread(replica_set.step_down)
            await asyncio.to_thread(replica_set.wait_for_another, old)
    await asyncio.to_thread(replica_set.settle)


@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSTOP", "step-down"])
def test_without_its_primary_the_store_stays_a_linearizable_register(
    replica_set: ReplicaSet, tmp_path: Path, fault: str
) -> None:
    async def run() -> Load:
        async with two_gateways(replica_set, tmp_path) as load:
            stop = asyncio.Event()
            working = asyncio.create_task(load.run(CLIENTS, stop))
            try:
                await asyncio.sleep(2)
                before = load.acknowledged
                await inflict(replica_set, fault)
                for _ in range(int(LONGEST * 10)):
                    if load.acknowledged >= before + 20:
                        break
                    await asyncio.sleep(0.1)
            finally:
                stop.set()
                await working
            assert before > 0 and load.acknowledged >= before + 20
            await load.read_all()
        return load

    load = asyncio.run(run())
    print(f"{fault}: {load.acknowledged} acknowledged, longest {load.longest:.1f} s", load.statuses)
    assert load.wrong == []
    assert load.longest < LONGEST
    assert check(load.history) == []
    last = [o for o in load.history[-2 * len(OWNERS) :] if o.kind is Kind.GET]
    assert all(o.status in (200, 404) for o in last)

"""Reads that share a query are linearizable while the primary is deposed in the middle of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from aiconfig_plugin.domain.model import AIConfig, ModelEntry, Owner
from aiconfig_plugin.errors import AIConfigError, StorageUnavailable
from aiconfig_plugin.store import MongoStores
from aiconfig_plugin.store.repository import MongoRepository
from tests.faults.history import Kind, Operation, check
from tests.faults.test_stale_primary import DEAF
from tests.support.commands import CommandRecorder
from tests.support.replica_set import ReplicaSet

OWNERS = [Owner("https://issuer.example", f"user {number}") for number in range(6)]
READERS = 8
"""For each owner, at the gateway that does not hear of the election."""


class Crowd:
    """Writes through one gateway, reads through both, and notes what is seen."""

    def __init__(self, writer: MongoRepository, reader: MongoRepository) -> None:
        self.writer, self.reader = writer, reader
        self.history: list[Operation] = []
        self._stop = asyncio.Event()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        works = [self._write(owner) for owner in OWNERS]
        works += [self._read(self.writer, owner) for owner in OWNERS]
        # All of them make the queries large; to judge what a few saw takes much less time.
        works += [self._read(self.reader, owner, n < 2) for owner in OWNERS for n in range(READERS)]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.gather(*tasks)

    async def acknowledged(self, writes: int) -> None:
        """Wait until so many more writes are acknowledged."""
        before = len(self.history)
        for _ in range(1200):
            await asyncio.sleep(0.05)
            since = self.history[before:]
            if sum(o.kind is not Kind.GET and o.status is not None for o in since) >= writes:
                return
        raise AssertionError("no new primary takes writes")

    async def _write(self, owner: Owner) -> None:
        number = 0
        while not self._stop.is_set():
            value = f"v{number}"
            config = AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True),), value, value)
            if number == 0:
                done = await self._perform(Kind.CREATE, owner, self.writer.create(owner, config))
            else:
                done = await self._perform(Kind.PUT, owner, self.writer.replace(owner, config))
            self.history.append(replace(done, value=value))
            number += 1
            # The search for an order takes longer with each write that may have happened.
            await asyncio.sleep(0.5 if done.status is None else 0.02)

    async def _read(self, repository: MongoRepository, owner: Owner, noted: bool = True) -> None:
        while not self._stop.is_set():
            seen = await self._perform(Kind.GET, owner, repository.read(owner))
            if noted:
                self.history.append(seen)
            await asyncio.sleep(0.01)

    async def _perform(self, kind: Kind, owner: Owner, call: Awaitable[Any]) -> Operation:
        invoked, value = asyncio.get_running_loop().time(), None
        try:
            found = await call
            status = {Kind.CREATE: 201, Kind.PUT: 200, Kind.GET: 200}[kind]
            value = found.revision if kind is Kind.GET else None
        except StorageUnavailable:
            status = None
        except AIConfigError as err:
            status = err.status
        returned = asyncio.get_running_loop().time()
        return Operation(owner.subject, kind, invoked, returned, status, value)


async def inflict(
    replica_set: ReplicaSet, fault: str, recorder: CommandRecorder, crowd: Crowd
) -> int:
    """Depose the primary; return how many shared reads it was sent since then."""
    in_thread = asyncio.to_thread
    if fault == "step-down":
        recorder.clear()
        old = await in_thread(replica_set.step_down)
        await in_thread(replica_set.wait_for_another, old)
    else:
        with replica_set.frozen() if fault == "freeze" else replica_set.partitioned() as old:
            recorder.clear()
            await in_thread(replica_set.wait_for_another, old)
            await crowd.acknowledged(60)
    asked = recorder.shared_reads(replica_set.port_of(old))
    await in_thread(replica_set.settle)
    return asked


async def run(replica_set: ReplicaSet, fault: str, options: str = "") -> list[Operation]:
    name, recorder = f"shared_{secrets.token_hex(4)}", CommandRecorder()
    client = AsyncMongoClient[Any](replica_set.uri + DEAF + options, event_listeners=[recorder])
    reader = MongoStores(client[name], timeout=4.0).repository
    writer = MongoStores.connect(
        replica_set.uri + "&heartbeatFrequencyMS=500", name, driver="pymongo", timeout=1.0
    ).repository
    crowd = Crowd(writer, reader)
    try:
        await writer.start()
        await reader.start()
        async with crowd.working():
            await asyncio.sleep(1)
            asked = await inflict(replica_set, fault, recorder, crowd)
            await asyncio.sleep(1)
    finally:
        await reader.close()
        await writer.close()
        await client.close()
    assert asked, "no shared read was under way"
    return crowd.history


@pytest.mark.parametrize("fault", ["freeze", "partition", "step-down"])
def test_a_shared_read_sees_every_write_acknowledged_before_it(
    replica_set: ReplicaSet, fault: str
) -> None:
    history = asyncio.run(run(replica_set, fault))
    assert check(history) == []
    assert sum(o.kind is Kind.GET and o.status == 200 for o in history) > 20


def test_shared_reads_of_the_majority_are_found_out(replica_set: ReplicaSet) -> None:
    history = asyncio.run(run(replica_set, "partition", "&readConcernLevel=majority"))
    writes = [o for o in history if o.kind is not Kind.GET]
    stale = next(o for o in history if _is_stale(o, writes))
    # To search the whole history for an order, in vain, would take minutes.
    judged = [
        write
        for write in writes
        if write.owner == stale.owner and (write.status or write.value == stale.value)
    ]
    assert [violation.why for violation in check([*judged, stale])] == ["not linearizable"]


def _is_stale(read: Operation, writes: list[Operation]) -> bool:
    """Tell whether it saw an older value than one that was acknowledged before it began."""
    return read.kind is Kind.GET and any(
        write.owner == read.owner
        and write.status is not None
        and write.returned < read.invoked
        and int(str(write.value)[1:]) > int(read.value[1:])
        for write in writes
        if read.value is not None
    )

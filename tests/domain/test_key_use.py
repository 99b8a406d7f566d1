"""The use of keys: remembered at once, written now and then, and never an obstacle."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, timezone

import pytest

from aiconfig_plugin.domain import KeyIdentity, KeyUse, KeyUseRecorder, Owner
from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.testing import InMemoryKeyUse
from tests.support.builders import ALICE, BOB, logged

START = datetime(2026, 11, 24, 10, tzinfo=timezone.utc)
KEY, OTHER, BOBS = KeyIdentity(ALICE, "k1"), KeyIdentity(ALICE, "k2"), KeyIdentity(BOB, "k1")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Store(InMemoryKeyUse):
    """Remembers what it was asked for, and is away when it is told to be."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Mapping[KeyIdentity, KeyUse]] = []
        self.forgotten: list[set[Owner]] = []
        self.reads = 0
        self.is_away = False
        self.gate: asyncio.Event | None = None
        self.is_asked = asyncio.Event()

    async def read(self, keys: Collection[KeyIdentity]) -> Mapping[KeyIdentity, KeyUse]:
        self.reads += 1
        self._check()
        return await super().read(keys)

    async def record(self, uses: Mapping[KeyIdentity, KeyUse]) -> None:
        self.is_asked.set()
        if self.gate:
            await self.gate.wait()
        self._check()
        self.written.append(uses)
        await super().record(uses)

    async def forget(self, owners: Collection[Owner]) -> None:
        self._check()
        self.forgotten.append(set(owners))
        await super().forget(owners)

    def _check(self) -> None:
        if self.is_away:
            raise StorageUnavailable("It is away.")


class Recording:
    """A recorder, its store and its clock."""

    def __init__(self, **options: int) -> None:
        self.store = Store()
        self.seconds = 0.0
        self.recorder = KeyUseRecorder(
            self.store, clock=lambda: START.timestamp() + self.seconds, **options
        )

    async def known(self, key: KeyIdentity = KEY) -> KeyUse:
        return (await self.recorder.read([key]))[key]

    async def flushed(self, seconds: float) -> list[KeyIdentity]:
        """Flush at that time, and return the keys that were written."""
        self.seconds = seconds
        self.store.written.clear()
        await self.recorder.flush()
        return [key for batch in self.store.written for key in batch]


@pytest.fixture
def recording() -> Recording:
    return Recording()


# What is known


@pytest.mark.parametrize(
    ("first", "later", "merged"),
    [
        (KeyUse(), KeyUse(), KeyUse()),
        (KeyUse(at(1)), KeyUse(at(2)), KeyUse(at(2))),
        (KeyUse(at(2)), KeyUse(at(1)), KeyUse(at(2))),
        (KeyUse(at(1)), KeyUse(None, "accepted", at(2)), KeyUse(at(1), "accepted", at(2))),
        (KeyUse(None, "rejected", at(1)), KeyUse(at(3)), KeyUse(at(3), "rejected", at(1))),
        (
            KeyUse(None, "rejected", at(2)),
            KeyUse(None, "accepted", at(1)),
            KeyUse(None, "rejected", at(2)),
        ),
        (
            KeyUse(None, "rejected", at(1)),
            KeyUse(None, "accepted", at(1)),
            KeyUse(None, "accepted", at(1)),
        ),
    ],
)
def test_of_two_times_the_later_one_counts(first: KeyUse, later: KeyUse, merged: KeyUse) -> None:
    assert first.merged(later) == merged


async def test_what_was_seen_is_known_before_it_is_written(recording: Recording) -> None:
    recording.recorder.used(KEY)
    recording.seconds = 5
    recording.recorder.reported(KEY, "quota-exceeded")
    assert await recording.known() == KeyUse(at(0), "quota-exceeded", at(5))
    assert await recording.known(OTHER) == await recording.known(BOBS) == KeyUse()
    assert recording.store.written == []


async def test_what_others_wrote_is_known_with_it(recording: Recording) -> None:
    await recording.store.record({KEY: KeyUse(at(3), "rejected", at(3))})
    recording.recorder.used(KEY)
    assert await recording.known() == KeyUse(at(3), "rejected", at(3))
    recording.seconds = 4
    recording.recorder.reported(KEY, "accepted")
    assert await recording.known() == KeyUse(at(3), "accepted", at(4))


async def test_without_keys_the_store_is_not_asked(recording: Recording) -> None:
    assert await recording.recorder.read([]) == {}
    assert recording.store.reads == 0


# When it is written


async def test_a_key_is_written_once_a_minute(recording: Recording) -> None:
    recording.recorder.used(KEY)
    assert await recording.flushed(5) == [KEY]
    assert await recording.flushed(10) == []
    recording.recorder.used(KEY)
    recording.recorder.used(OTHER)
    assert await recording.flushed(15) == [OTHER]
    assert await recording.flushed(64.9) == []
    assert await recording.known() == KeyUse(at(10))
    assert await recording.flushed(65) == [KEY]
    assert recording.store.written == [{KEY: KeyUse(at(10))}]
    assert await recording.flushed(300) == []


async def test_another_result_is_written_at_once(recording: Recording) -> None:
    recording.recorder.reported(KEY, "accepted")
    assert await recording.flushed(1) == [KEY]
    recording.recorder.reported(KEY, "accepted")
    assert await recording.flushed(2) == []
    recording.recorder.reported(KEY, "rejected")
    assert await recording.flushed(3) == [KEY]
    recording.recorder.used(KEY)
    recording.recorder.reported(KEY, "rejected")
    assert await recording.flushed(4) == []
    assert await recording.flushed(63) == [KEY]


async def test_the_same_result_after_a_use_alone_is_no_other_result(recording: Recording) -> None:
    recording.recorder.reported(KEY, "accepted")
    await recording.flushed(0)
    recording.recorder.used(KEY)
    assert await recording.flushed(60) == [KEY]
    recording.recorder.reported(KEY, "accepted")
    assert await recording.flushed(61) == []


async def test_many_keys_are_written_in_batches(recording: Recording) -> None:
    keys = [KeyIdentity(ALICE, f"k{number}") for number in range(1001)]
    for key in keys:
        recording.recorder.used(key)
    assert await recording.flushed(0) == keys
    assert [len(batch) for batch in recording.store.written] == [500, 500, 1]


async def test_of_too_many_the_oldest_are_lost() -> None:
    recording = Recording(max_remembered=2)
    for key in (KEY, OTHER, KEY, BOBS):
        recording.recorder.used(key)
    assert await recording.flushed(0) == [KEY, BOBS]


async def test_what_is_seen_during_a_write_is_not_lost(recording: Recording) -> None:
    recording.store.gate = gate = asyncio.Event()
    recording.recorder.used(KEY)
    flushing = asyncio.create_task(recording.recorder.flush())
    await recording.store.is_asked.wait()
    recording.seconds = 1
    recording.recorder.reported(KEY, "rejected")
    gate.set()
    await flushing
    assert await recording.known() == KeyUse(at(0), "rejected", at(1))
    assert await recording.flushed(2) == [KEY]


# Deleted configurations


async def test_of_a_deleted_configuration_nothing_is_known_at_once(recording: Recording) -> None:
    await recording.store.record({KEY: KeyUse(at(0)), BOBS: KeyUse(at(0))})
    recording.recorder.reported(OTHER, "accepted")
    recording.recorder.forget(ALICE)
    assert await recording.known(KEY) == await recording.known(OTHER) == KeyUse()
    assert await recording.known(BOBS) == KeyUse(at(0))
    assert await recording.flushed(1) == []
    assert recording.store.forgotten == [{ALICE}]
    await recording.flushed(2)
    assert recording.store.forgotten == [{ALICE}]
    assert await recording.known(KEY) == KeyUse()


async def test_a_key_of_a_new_configuration_starts_anew(recording: Recording) -> None:
    recording.recorder.reported(KEY, "rejected")
    await recording.flushed(0)
    recording.recorder.forget(ALICE)
    recording.seconds = 2
    recording.recorder.used(KEY)
    assert await recording.known() == KeyUse(at(2))
    assert await recording.flushed(3) == [KEY]
    assert await recording.known() == KeyUse(at(2))


async def test_a_configuration_deleted_during_a_write_is_forgotten_by_the_next(
    recording: Recording,
) -> None:
    recording.store.gate = gate = asyncio.Event()
    recording.recorder.used(KEY)
    flushing = asyncio.create_task(recording.recorder.flush())
    await recording.store.is_asked.wait()
    recording.recorder.forget(ALICE)
    gate.set()
    await flushing
    assert await recording.known() == KeyUse()
    await recording.flushed(1)
    assert recording.store.forgotten == [{ALICE}]
    assert await recording.known() == KeyUse()


# A store that is away


async def test_a_store_that_is_away_costs_a_warning_and_no_reader(recording: Recording) -> None:
    recording.recorder.used(KEY)
    recording.store.is_away = True
    with logged("aiconfig_plugin") as messages:
        assert await recording.known() == KeyUse(at(0))
        await recording.recorder.close()
    assert messages == [
        "The use of API keys was not read: It is away.",
        "The use of API keys was not written: It is away.",
    ]


async def test_what_could_not_be_written_is_written_later(recording: Recording) -> None:
    recording.recorder.used(KEY)
    recording.recorder.forget(BOB)
    recording.store.is_away = True
    with pytest.raises(StorageUnavailable):
        await recording.flushed(1)
    recording.store.is_away = False
    assert await recording.flushed(2) == [KEY]
    assert recording.store.forgotten == [{BOB}]


async def test_what_is_due_is_written_at_the_end(recording: Recording) -> None:
    recording.recorder.used(KEY)
    await recording.recorder.close()
    assert [list(batch) for batch in recording.store.written] == [[KEY]]

"""What is known of the use of keys is written in the background, and at the end."""

from __future__ import annotations

import asyncio

from aiconfig_plugin.composition import recording
from aiconfig_plugin.domain import KeyIdentity, KeyUseRecorder
from aiconfig_plugin.testing import InMemoryKeyUse
from tests.support.builders import ALICE, BOB

KEY, BOBS = KeyIdentity(ALICE, "k"), KeyIdentity(BOB, "k")


async def test_a_use_is_written_every_few_seconds_and_at_the_end() -> None:
    store, slept, turns = InMemoryKeyUse(), asyncio.Queue[float](), asyncio.Queue[None]()

    async def sleep(seconds: float) -> None:
        slept.put_nowait(seconds)
        await turns.get()

    recorder = KeyUseRecorder(store)
    async with recording(recorder, sleep=sleep):
        assert await slept.get() == 5
        recorder.used(KEY)
        assert await store.read([KEY]) == {}
        turns.put_nowait(None)
        await slept.get()
        assert (await store.read([KEY]))[KEY].last_used_at
        recorder.used(BOBS)
        assert await store.read([BOBS]) == {}
    assert (await store.read([BOBS]))[BOBS].last_used_at

"""Work that is repeated in the background, with a clock that the test turns."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aiconfig_plugin.background import every
from aiconfig_plugin.errors import StorageUnavailable


class Clock:
    """A ``sleep`` that lasts until :meth:`turn`."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._turns: asyncio.Queue[None] = asyncio.Queue()
        self._asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._asleep.set()
        await self._turns.get()

    async def turn(self) -> None:
        """Let the sleeper run, until it sleeps again."""
        await self._asleep.wait()
        self._asleep.clear()
        self._turns.put_nowait(None)
        await self._asleep.wait()


class Work:
    """Raises what it is told to, one after the other."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome


async def test_it_is_done_after_each_interval_and_not_after_the_block() -> None:
    clock, work = Clock(), Work()
    async with every(10, work, "reading", sleep=clock.sleep):
        assert work.runs == 0
        await clock.turn()
        assert work.runs == 1
        await clock.turn()
        assert work.runs == 2
    assert clock.asked == [10, 10, 10]
    await asyncio.sleep(0)
    assert work.runs == 2
    assert len(asyncio.all_tasks()) == 1


async def test_of_failures_in_a_row_the_first_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    away = StorageUnavailable("The database did not respond.")
    clock, work = Clock(), Work(away, away, None, away)
    async with every(1, work, "heartbeat", sleep=clock.sleep):
        for _ in range(5):
            await clock.turn()
    assert work.runs == 5
    failed, again = "The heartbeat failed: The database did not respond.", "The heartbeat succeeds"
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [failed, f"{again} again.", failed, f"{again} again."]
    assert not any(record.exc_info for record in caplog.records)


async def test_a_bug_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    async with every(1, Work(KeyError("kid")), "heartbeat", sleep=clock.sleep):
        await clock.turn()
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.exc_info and record.exc_info[0] is KeyError


async def test_a_run_that_is_under_way_is_cancelled() -> None:
    clock, started, ended = Clock(), asyncio.Event(), []

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async with every(1, work, "reading", sleep=clock.sleep):
        clock._turns.put_nowait(None)
        await started.wait()
    assert ended == ["cancelled"]

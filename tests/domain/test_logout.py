"""Log-outs that reach every process: each is applied once, and silence is not trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from aiconfig_plugin.domain import Logout, LogoutFeed, token_digest
from aiconfig_plugin.domain.logout import BELIEVED, KEPT, OVERLAP
from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.testing import InMemoryLogouts


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Logouts(InMemoryLogouts):
    def __init__(self, clock: Clock) -> None:
        super().__init__(timer=clock)
        self.is_away = False
        self.asked: list[float] = []

    async def recent(self, seconds: float) -> Sequence[Logout]:
        if self.is_away:
            raise StorageUnavailable("The database cannot be reached.")
        self.asked.append(seconds)
        return await super().recent(seconds)


class Process:
    def __init__(self, back: float = 0.0) -> None:
        self.clock = Clock()
        self.logouts = Logouts(self.clock)
        self.applied: list[str | None] = []
        self.feed = LogoutFeed(self.logouts, self._apply, back=back, timer=self.clock)

    def _apply(self, logout: Logout | None) -> None:
        self.applied.append(logout.subject or logout.token if logout else None)


@pytest.fixture
def process() -> Process:
    return Process()


async def test_each_log_out_is_applied_once(process: Process) -> None:
    await process.feed.poll()
    await process.logouts.add(subject="alice")
    await process.logouts.add(token=token_digest("t"))
    for _ in range(15):
        await process.feed.poll()
        process.clock.now += 1
    assert process.applied == ["alice", token_digest("t")]


async def test_one_that_is_seen_late_is_applied_all_the_same(process: Process) -> None:
    """It was written before another, and came to be seen after it."""
    await process.feed.poll()
    began = process.clock.now
    process.clock.now += 5
    await process.logouts.add(subject="bob")
    await process.feed.poll()
    process.clock.now, now = began, process.clock.now
    await process.logouts.add(subject="alice")
    process.clock.now = now + 1
    await process.feed.poll()
    assert process.applied == ["bob", "alice"]


async def test_after_a_silence_it_asks_for_all_that_was_said_meanwhile(process: Process) -> None:
    await process.feed.poll()
    await process.logouts.add(subject="alice")
    process.logouts.is_away = True
    with pytest.raises(StorageUnavailable):
        await process.feed.poll()
    process.clock.now += 600
    process.logouts.is_away = False
    await process.feed.poll()
    assert process.applied == ["alice"] and process.logouts.asked[-1] == 600 + OVERLAP


async def test_after_a_silence_that_is_too_long_everything_is_forgotten(process: Process) -> None:
    await process.feed.poll()
    process.clock.now += KEPT
    await process.feed.poll()
    assert process.applied == [None]


async def test_what_is_remembered_counts_for_five_seconds_after_the_last_answer(
    process: Process,
) -> None:
    assert not process.feed.is_believed and process.feed.age == math.inf
    await process.feed.poll()
    process.clock.now += BELIEVED - 0.1
    assert process.feed.is_believed
    process.clock.now += 0.1
    assert not process.feed.is_believed and process.feed.age == BELIEVED
    await process.feed.poll()
    assert process.feed.is_believed


async def test_the_answer_counts_from_when_it_was_asked_for(process: Process) -> None:
    recent = process.logouts.recent

    async def slow(seconds: float) -> Sequence[Logout]:
        found = await recent(seconds)
        process.clock.now += BELIEVED
        return found

    process.logouts.recent = slow  # type: ignore[method-assign]
    await process.feed.poll()
    assert not process.feed.is_believed


async def test_the_first_answer_goes_back_as_far_as_is_wanted() -> None:
    process = Process(back=3600.0)
    await process.logouts.add(subject="alice")
    process.clock.now += 3600
    await process.feed.poll()
    assert process.applied == ["alice"]

"""One call for everyone who needs its result at the same time."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from aiconfig_plugin import AIConfigError, AuthorizationServerUnavailable, InvalidToken
from aiconfig_plugin.access.single_flight import SingleFlight

CROWD = 100


class Calls:
    """Calls that end when they are told to, each with its number or an error."""

    def __init__(self) -> None:
        self.flight: SingleFlight[str, int] = SingleFlight()
        self.ends: list[asyncio.Future[int]] = []
        self.joinable: list[bool] = []

    async def call(self) -> int:
        self.ends.append(asyncio.get_running_loop().create_future())
        try:
            return await self.ends[-1]
        finally:
            self.joinable.append(self.flight.is_joinable("key"))

    def ask(self, key: str = "key") -> asyncio.Task[int]:
        return asyncio.create_task(self.flight.run(key, self.call))


async def started(*tasks: asyncio.Task[int]) -> None:
    """Let the tasks run until each waits."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_who_asks_together_shares_one_call_and_who_asks_later_does_not() -> None:
    calls = Calls()
    asked = [calls.ask() for _ in range(CROWD)]
    await started(*asked)
    assert "key" in calls.flight
    calls.ends[0].set_result(1)
    assert await asyncio.gather(*asked) == [1] * CROWD
    assert "key" not in calls.flight
    later = calls.ask()
    await started(later)
    calls.ends[1].set_result(2)
    assert await later == 2
    assert len(calls.ends) == 2


async def test_one_key_does_not_wait_for_another() -> None:
    calls = Calls()
    slow, quick = calls.ask("slow"), calls.ask("quick")
    await started(slow, quick)
    calls.ends[1].set_result(2)
    assert await quick == 2
    assert not slow.done()
    calls.ends[0].set_result(1)
    assert await slow == 1


async def test_an_error_that_many_share_does_not_grow_with_them() -> None:
    calls = Calls()
    asked = [calls.ask() for _ in range(CROWD)]
    await started(*asked)
    cause = ValueError()
    error = InvalidToken("no")
    error.__cause__ = cause
    calls.ends[0].set_exception(error)
    for given in await asyncio.gather(*asked, return_exceptions=True):
        assert given is error
        assert given.__cause__ is cause
        depth, trace = 0, given.__traceback__
        while trace is not None:
            depth, trace = depth + 1, trace.tb_next
        assert depth < 20


@pytest.mark.parametrize("given_up", [0, 1, 2])
async def test_a_request_that_is_given_up_does_not_take_the_others_result_away(
    given_up: int,
) -> None:
    calls = Calls()
    asked = [calls.ask() for _ in range(3)]
    await started(*asked)
    asked.pop(given_up).cancel()
    calls.ends[0].set_result(1)
    assert await asyncio.gather(*asked) == [1, 1]


async def test_an_error_that_no_one_waits_for_is_not_reported_as_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = Calls()
    asked = calls.ask()
    await started(asked)
    asked.cancel()
    await asyncio.wait([asked])
    calls.ends[0].set_exception(AIConfigError("nobody hears this"))
    await started()
    assert len(calls.flight) == 0
    del calls, asked
    gc.collect()  # A task whose exception no one took says so, in the log, when it goes.
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("key", ["key", None])
async def test_a_forgotten_call_goes_on_and_counts_but_nobody_joins_it(key: str | None) -> None:
    calls = Calls()
    early = calls.ask()
    await started(early)
    calls.flight.forget(key)
    assert "key" not in calls.flight
    late = calls.ask()
    await started(early, late)
    assert len(calls.flight) == 2
    calls.ends[0].set_result(1)
    assert await early == 1
    assert "key" in calls.flight
    calls.ends[1].set_result(2)
    assert await late == 2
    assert calls.joinable == [False, True]
    assert len(calls.flight) == 0


async def test_closing_ends_every_call_and_tells_who_waits() -> None:
    calls = Calls()
    asked = [calls.ask(), calls.ask()]
    await started(*asked)
    calls.flight.forget()
    asked.append(calls.ask())
    await started(*asked)
    await calls.flight.close()
    assert len(calls.flight) == 0
    for task in asked:
        with pytest.raises(AuthorizationServerUnavailable, match="closing"):
            await task

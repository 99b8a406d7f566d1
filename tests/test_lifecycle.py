"""Starting once, whoever asks first; an outage is shared, and the next one tries again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest

from aiconfig_plugin import ConfigurationError, StorageUnavailable
from aiconfig_plugin.lifecycle import Lifecycle


class Opening:
    """Counts how often it is opened and closed; fails with ``error`` while there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.opened = self.closed = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.lifecycle = Lifecycle(self._open)

    async def _open(self, opened: AsyncExitStack) -> None:
        self.opened += 1
        opened.callback(self._close)
        await self.may_end.wait()
        if self.error is not None:
            raise self.error

    def _close(self) -> None:
        self.closed += 1


async def both(first: asyncio.Future[None], second: asyncio.Future[None]) -> list[object]:
    return await asyncio.gather(first, second, return_exceptions=True)


async def test_those_who_ask_together_start_it_once() -> None:
    opening = Opening()
    opening.may_end.clear()
    asking = [asyncio.ensure_future(opening.lifecycle.ensure_started()) for _ in range(3)]
    asking.append(asyncio.ensure_future(opening.lifecycle.start()))
    await asyncio.sleep(0)
    assert not opening.lifecycle.is_started
    opening.may_end.set()
    await asyncio.gather(*asking)
    await opening.lifecycle.start()
    assert (opening.opened, opening.closed, opening.lifecycle.is_started) == (1, 0, True)


async def test_a_failure_is_everybodys_and_the_next_tries_again() -> None:
    opening = Opening(StorageUnavailable("It is down.", retry_after=7))
    opening.may_end.clear()
    asking = [asyncio.ensure_future(opening.lifecycle.ensure_started()) for _ in range(2)]
    await asyncio.sleep(0)
    opening.may_end.set()
    failed = await both(*asking)
    assert [getattr(error, "retry_after", None) for error in failed] == [7, 7]
    assert (opening.opened, opening.closed, opening.lifecycle.is_started) == (1, 1, False)
    opening.error = None
    await opening.lifecycle.ensure_started()
    assert (opening.opened, opening.closed, opening.lifecycle.is_started) == (2, 1, True)


@pytest.mark.parametrize(
    ("error", "has_trace"), [(ConfigurationError("Another keyring."), False), (OSError("x"), True)]
)
async def test_any_failure_is_an_outage_for_a_request_and_itself_for_the_host(
    caplog: pytest.LogCaptureFixture, error: Exception, has_trace: bool
) -> None:
    opening = Opening(error)
    with pytest.raises(StorageUnavailable) as caught:
        await opening.lifecycle.ensure_started()
    assert caught.value.__cause__ is error and caught.value.retry_after > 0
    [record] = caplog.records
    assert record.levelno == logging.ERROR and str(error) in record.getMessage()
    assert bool(record.exc_info) == has_trace
    with pytest.raises(type(error)):
        await opening.lifecycle.start()


async def test_who_is_cancelled_does_not_cancel_the_start_of_others() -> None:
    opening = Opening()
    opening.may_end.clear()
    one, other = (asyncio.ensure_future(opening.lifecycle.ensure_started()) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    opening.may_end.set()
    assert isinstance((await both(one, other))[0], asyncio.CancelledError)
    assert (opening.opened, opening.lifecycle.is_started) == (1, True)


async def test_a_request_does_not_start_what_was_closed_and_the_host_does() -> None:
    opening = Opening()
    await opening.lifecycle.start()
    await opening.lifecycle.close()
    await opening.lifecycle.close()
    assert (opening.opened, opening.closed, opening.lifecycle.is_started) == (1, 1, False)
    with pytest.raises(StorageUnavailable):
        await opening.lifecycle.ensure_started()
    await opening.lifecycle.start()
    await opening.lifecycle.ensure_started()
    assert (opening.opened, opening.closed) == (2, 1)


async def test_a_close_waits_for_a_start_under_way() -> None:
    opening = Opening()
    opening.may_end.clear()
    starting = asyncio.ensure_future(opening.lifecycle.start())
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(opening.lifecycle.close())
    await asyncio.sleep(0)
    opening.may_end.set()
    await both(starting, closing)
    assert (opening.opened, opening.closed, opening.lifecycle.is_started) == (1, 1, False)

"""Reads that come in while others are under way go to the store together, in one round trip.

A driver spends more on the round trip than on the document. A read is never answered from one
that began before it did, so it sees every write that was acknowledged before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.mongodb import bounded

_Found: TypeAlias = Mapping[str, dict[str, Any]]

AT_ONCE: Final = 2
"""Round trips at a time: a second one, so that one slow answer does not hold up everybody."""
MOST: Final = 32
"""Documents in one round trip; of the largest there can be, that is 40 MB."""


@dataclass(frozen=True)
class _Waiting:
    id: str
    since: float
    answer: asyncio.Future[dict[str, Any] | None]

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class SharedReads:
    """Reads documents by their ``_id`` through ``find``, which takes several and is awaited.

    Nobody waits longer than ``timeout``, in seconds: what was spent on waiting is taken off.
    """

    def __init__(
        self, find: Callable[[Collection[str]], Awaitable[_Found]], timeout: float
    ) -> None:
        self._find = find
        self._timeout = timeout
        self._waiting: list[_Waiting] = []
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, id: str) -> dict[str, Any] | None:
        """Return the document, or None. Raises ``StorageUnavailable``."""
        if self._running < AT_ONCE:
            # By itself, so that a request which is given up takes nobody else's answer away.
            self._running += 1
            try:
                with bounded(self._timeout):
                    return (await self._find((id,))).get(id)
            finally:
                self._go_on()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(id, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        try:
            return await waiting.answer
        except StorageUnavailable as err:
            # One error for all who wait: each begins its own traceback.
            raise err.with_traceback(None) from err.__cause__

    def _go_on(self) -> None:
        self._running -= 1
        if self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._running += 1
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            await self._answer(batch)
        finally:
            self._go_on()

    async def _answer(self, batch: list[_Waiting]) -> None:
        waited = asyncio.get_running_loop().time() - batch[0].since
        try:
            with bounded(max(self._timeout - waited, 0.001)):
                found = await self._find({waiting.id for waiting in batch})
        except StorageUnavailable as err:
            for waiting in batch:
                waiting.fail(err)
        except Exception as err:
            # What is wrong with one document is not the others' concern.
            if len(batch) == 1:
                batch[0].fail(err)
            for waiting in batch if len(batch) > 1 else ():
                await self._answer([waiting])
        else:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_result(found.get(waiting.id))

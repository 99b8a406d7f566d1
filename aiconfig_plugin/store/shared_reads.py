"""Reads that come in while others are under way go to the store together, in one round trip.

A driver spends more on the round trip than on the document. A read is never answered from one
that began before it did, so it sees every write that was acknowledged before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.store.connection import bounded

_Found: TypeAlias = Mapping[str, dict[str, Any]]

AT_ONCE: Final = 2
"""Round trips at a time: a second one, so that one slow answer does not hold up everybody."""
MOST: Final = 32
"""Documents in one round trip; of the largest there can be, that is 40 MB."""


@dataclass(frozen=True)
class _Waiting:
    id: str
    answer: asyncio.Future[dict[str, Any] | None]

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def unavailable(self, why: str, cause: BaseException | None = None) -> None:
        """Fail with an error of its own: one that many raise would mix up their tracebacks."""
        error = StorageUnavailable(why)
        error.__cause__ = cause
        self.fail(error)


class SharedReads:
    """Reads documents by their ``_id`` through ``find``, which takes several and is awaited.

    Nobody waits longer than ``timeout``, in seconds, for a turn and the answer together.
    """

    def __init__(
        self, find: Callable[[Collection[str]], Awaitable[_Found]], timeout: float
    ) -> None:
        self._find = find
        self._timeout = timeout
        self._waiting: list[_Waiting] = []
        self._alone = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, id: str) -> dict[str, Any] | None:
        """Return the document, or None. Raises ``StorageUnavailable``."""
        if self._alone + len(self._tasks) < AT_ONCE:
            # By itself, so that a request which is given up takes nobody else's answer away.
            self._alone += 1
            try:
                with bounded(self._timeout):
                    return (await self._find((id,))).get(id)
            finally:
                self._alone -= 1
                self._go_on()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(id, loop.create_future())
        self._waiting.append(waiting)
        expiry = loop.call_later(
            self._timeout, waiting.unavailable, "The store gave no answer in time."
        )
        try:
            return await waiting.answer
        finally:
            expiry.cancel()

    async def close(self) -> None:
        """Answer all who wait, and leave no task."""
        while self._waiting or self._tasks:
            for waiting in self._take(len(self._waiting)):
                waiting.unavailable("The store is being closed.")
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, most: int) -> list[_Waiting]:
        asking = [waiting for waiting in self._waiting if not waiting.answer.done()]
        self._waiting = asking[most:]
        return asking[:most]

    def _go_on(self) -> None:
        if not all(waiting.answer.done() for waiting in self._waiting):
            # Without the context of who came before: a deadline of the driver's may be in it.
            task = Context().run(asyncio.get_running_loop().create_task, self._work())
            self._tasks.add(task)
            task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._go_on()

    async def _work(self) -> None:
        while batch := self._take(MOST):
            try:
                await self._answer(batch)
            except BaseException:
                for waiting in batch:
                    waiting.unavailable("The read was broken off.")
                raise

    async def _answer(self, batch: list[_Waiting]) -> None:
        try:
            with bounded(self._timeout):
                found = await self._find({waiting.id for waiting in batch})
        except StorageUnavailable as err:
            for waiting in batch:
                waiting.unavailable(err.detail, err.__cause__)
        except Exception as err:
            # What is wrong with one document is not the others' concern.
            if len(batch) == 1:
                batch[0].fail(err)
                return
            for waiting in batch:
                if not waiting.answer.done():
                    await self._answer([waiting])
        else:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_result(found.get(waiting.id))

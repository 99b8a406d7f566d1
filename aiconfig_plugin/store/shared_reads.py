"""Reads that arrive while others are under way share one query.

A driver spends more on a round trip than on a document. A read is never answered by a query that
began before it, so it sees every write that was acknowledged before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.store.operation import store_operation

_Found: TypeAlias = Mapping[str, dict[str, Any]]

MAX_QUERIES: Final = 2
"""Queries at once, without those that are late."""
MAX_BATCH_SIZE: Final = 32
"""Documents in one query; 32 of the largest possible have 40 MB."""
LATE: Final = 0.5
"""Seconds after which a query is late: others may then be sent beside it."""
MAX_OPEN_QUERIES: Final = 6
"""Queries at once, with those that are late. Motor has 5 threads for each core, for writes too."""


@dataclass(frozen=True)
class _Waiting:
    id: str
    answer: asyncio.Future[dict[str, Any] | None]

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def unavailable(self, detail: str, cause: BaseException | None = None) -> None:
        """Fail with an error of its own: one that many raise would mix up their tracebacks."""
        error = StorageUnavailable(detail)
        error.__cause__ = cause
        self.fail(error)


@dataclass(eq=False)
class _Query:
    timer: asyncio.TimerHandle | None = None
    late: bool = False


class SharedReads:
    """Reads documents by their ``_id`` through ``find``, which takes several and is awaited.

    Nobody waits longer than ``timeout``, in seconds, for a turn and the answer together.
    """

    def __init__(
        self,
        find: Callable[[Collection[str]], Awaitable[_Found]],
        timeout: float,
        *,
        late: float = LATE,
    ) -> None:
        self._find = find
        self._timeout = timeout
        self._late = late
        self._waiting: list[_Waiting] = []
        self._open: set[_Query] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, id: str) -> dict[str, Any] | None:
        """Return the document, or None. Raises ``StorageUnavailable``."""
        if self._has_room():
            # In the reader's own task, so that cancelling it cancels no other reader.
            query = self._begin()
            try:
                with store_operation(self._timeout):
                    return (await self._find((id,))).get(id)
            finally:
                self._end(query)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(id, loop.create_future())
        self._waiting.append(waiting)
        expiry = loop.call_later(
            self._timeout,
            waiting.unavailable,
            f"The database did not respond within {self._timeout:g} s.",
        )
        try:
            return await waiting.answer
        finally:
            expiry.cancel()

    async def close(self) -> None:
        """Answer all waiting reads, and leave no task."""
        while self._waiting or self._tasks:
            for waiting in self._take(len(self._waiting)):
                waiting.unavailable("The connection to the database is being closed.")
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _has_room(self) -> bool:
        late = sum(query.late for query in self._open)
        return len(self._open) - late < MAX_QUERIES and len(self._open) < MAX_OPEN_QUERIES

    def _begin(self) -> _Query:
        """Count a query as open; others may start when it is late, and when it has ended."""
        query = _Query()
        query.timer = asyncio.get_running_loop().call_later(self._late, self._mark_late, query)
        self._open.add(query)
        return query

    def _mark_late(self, query: _Query) -> None:
        query.late = True
        self._start_queries()

    def _end(self, query: _Query) -> None:
        if query.timer is not None:
            query.timer.cancel()
        self._open.remove(query)
        self._start_queries()

    def _take(self, most: int) -> list[_Waiting]:
        asking = [waiting for waiting in self._waiting if not waiting.answer.done()]
        self._waiting = asking[most:]
        return asking[:most]

    def _start_queries(self) -> None:
        while self._has_room() and (batch := self._take(MAX_BATCH_SIZE)):
            # Without the context of the reader before: it may hold a deadline of the driver.
            task = Context().run(asyncio.get_running_loop().create_task, self._answer(batch))
            self._tasks.add(task)
            task.add_done_callback(partial(self._answered, batch, self._begin()))

    def _answered(self, batch: list[_Waiting], query: _Query, task: asyncio.Task[None]) -> None:
        self._tasks.remove(task)
        for waiting in batch:  # where the task was cancelled
            waiting.unavailable("The read was interrupted.")
        self._end(query)

    async def _answer(self, batch: list[_Waiting]) -> None:
        try:
            with store_operation(self._timeout):
                found = await self._find({waiting.id for waiting in batch})
        except StorageUnavailable as err:
            for waiting in batch:
                waiting.unavailable(err.detail, err.__cause__)
        except Exception as err:
            if len(batch) == 1:
                batch[0].fail(err)
                return
            # A document that cannot be decoded concerns its own reader alone.
            for waiting in batch:
                if not waiting.answer.done():
                    await self._answer([waiting])
        else:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_result(found.get(waiting.id))

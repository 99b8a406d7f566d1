"""How many calls at a time, and how many a minute: a server that is slow answers late, not never.

Waiting here keeps the HTTP client's pool small, whose bookkeeping grows with those that wait.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiconfig_plugin.errors import AuthorizationServerUnavailable

INITIAL, LOWEST, HIGHEST = 8, 4, 50
"""Calls at a time: at first, at the least and at the most."""
MINUTE = 60.0

_TOO_MANY = "Too many pending introspections."


class AdaptiveLimit:
    """How many calls may run at once, by how long the last ones took.

    An answer within a third of ``timeout``, in seconds, lets the limit grow by one for each round
    of calls; a call without an answer, or one that took two thirds, lowers it. Between the two it
    stays, so that a server that works one call after the other is kept where it answers in time.
    """

    def __init__(
        self,
        timeout: float,
        *,
        initial: int = INITIAL,
        lowest: int = LOWEST,
        highest: int = HIGHEST,
    ) -> None:
        self._timeout = timeout
        self._lowest = min(lowest, highest)
        self._highest = highest
        self._limit = float(min(initial, highest))

    @property
    def limit(self) -> int:
        return int(self._limit)

    def answered(self, seconds: float, *, was_full: bool) -> None:
        """Note an answer; ``was_full`` says that another call would have had to wait."""
        if seconds > self._timeout * 2 / 3:
            self._lower(1 - 1 / self._limit)
        elif seconds <= self._timeout / 3 and was_full:
            self._limit = min(self._limit + 1 / self._limit, self._highest)

    def failed(self) -> None:
        """Note a call that ended without an answer."""
        self._lower(0.5)

    def _lower(self, factor: float) -> None:
        self._limit = max(self._limit * factor, self._lowest)


class Rate:
    """At most ``calls`` in any minute, and at most half of them for tokens that are not known."""

    def __init__(self, calls: int, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._known = _Window(calls)
        self._unknown = _Window(max(calls // 2, 1))

    def take(self, *, known: bool) -> None:
        """Count a call, or raise ``AuthorizationServerUnavailable`` with the seconds to wait."""
        now = self._timer()
        windows = (self._known,) if known else (self._known, self._unknown)
        wait = max(window.wait(now) for window in windows)
        if wait > 0:
            raise AuthorizationServerUnavailable(
                "The authorization server may not be asked more often.",
                retry_after=math.ceil(wait),
            )
        for window in windows:
            window.add(now)


class _Window:
    def __init__(self, most: int) -> None:
        self._times: deque[float] = deque(maxlen=most)

    def wait(self, now: float) -> float:
        """Return in how many seconds one more is within the minute."""
        times = self._times
        return times[0] + MINUTE - now if len(times) == times.maxlen else 0.0

    def add(self, now: float) -> None:
        self._times.append(now)


class Turns:
    """Lets so many calls run as ``limit`` says; the others wait, at most ``timeout`` seconds.

    Tokens that were active before and others take turns, so that made-up ones keep no user out.
    """

    def __init__(self, limit: AdaptiveLimit, timer: Callable[[], float], timeout: float) -> None:
        self._limit = limit
        self._timer = timer
        self._timeout = timeout
        self._running = 0
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque())
        self._next = 0

    @asynccontextmanager
    async def turn(self, *, known: bool) -> AsyncIterator[Callable[[], None]]:
        """Wait for a turn, and yield what is to be called when the answer has come.

        Raises ``AuthorizationServerUnavailable`` after the timeout.
        """
        await self._take(known)
        was_full = self._running >= self._limit.limit
        started, seconds = self._timer(), math.inf

        def answered() -> None:
            nonlocal seconds
            seconds = self._timer() - started

        try:
            yield answered
        finally:
            if seconds < math.inf:
                self._limit.answered(seconds, was_full=was_full)
            else:
                self._limit.failed()
            self._give_back()

    async def _take(self, known: bool) -> None:
        if self._running < self._limit.limit:
            self._running += 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[known].append(mine)
        try:
            await asyncio.wait_for(mine, self._timeout)
        except asyncio.TimeoutError:
            raise AuthorizationServerUnavailable(_TOO_MANY) from None
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._give_back()  # It was given to one who is gone.
            raise

    def _give_back(self) -> None:
        self._running -= 1
        while self._running < self._limit.limit and any(self._waiting):
            queue = self._waiting[self._next] or self._waiting[1 - self._next]
            self._next = 1 - self._next
            mine = queue.popleft()
            if not mine.done():
                self._running += 1
                mine.set_result(None)

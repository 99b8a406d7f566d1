"""One call for everyone who needs its result at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from aiconfig_plugin.errors import AIConfigError, AuthorizationServerUnavailable

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class SingleFlight(Generic[Key, Result]):
    """Run one call for each key at a time; whoever asks meanwhile waits for the same call.

    :meth:`forget` lets nobody else join a call, but the call goes on: what may be joined is kept
    apart from what runs, and ``len()`` counts the latter.
    """

    def __init__(self) -> None:
        self._joinable: dict[Key, asyncio.Task[Result]] = {}
        self._running: set[asyncio.Task[Result]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, key: Key) -> bool:
        return key in self._joinable

    async def run(self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return the result of ``call()``, or of the call that runs for this key already.

        Raises what the call raises, and
        :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` when it is closed.
        """
        task = self._joinable.get(key) or self._start(key, call)
        try:
            # Shielded: a request that is given up does not take the others' answer away.
            return await asyncio.shield(task)
        except AIConfigError as err:
            # One error for all who wait: each begins its own traceback.
            raise err.with_traceback(None) from err.__cause__
        except asyncio.CancelledError:
            if task.cancelled():
                raise AuthorizationServerUnavailable("This gateway is closing.") from None
            raise

    def is_joinable(self, key: Key) -> bool:
        """Whether the call that asks has not been forgotten."""
        return self._joinable.get(key) is asyncio.current_task()

    def forget(self, key: Key | None = None) -> None:
        """Let nobody else join the call for this key, or (without one) any call."""
        if key is None:
            self._joinable.clear()
        else:
            self._joinable.pop(key, None)

    async def close(self) -> None:
        """Cancel what runs, and wait until it has ended."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(
        self, key: Key, call: Callable[[], Coroutine[Any, Any, Result]]
    ) -> asyncio.Task[Result]:
        task = asyncio.create_task(call())
        self._joinable[key] = task
        self._running.add(task)

        def end(task: asyncio.Task[Result]) -> None:
            self._running.discard(task)
            if self._joinable.get(key) is task:
                del self._joinable[key]
            _consume_exception(task)

        task.add_done_callback(end)
        return task


def _consume_exception(task: asyncio.Task[Any]) -> None:
    """Retrieve an error that nobody waits for any more, or asyncio would report it as lost."""
    if not task.cancelled():
        task.exception()

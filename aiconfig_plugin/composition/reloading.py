"""Read again what settings name, by its content, while the gateway runs.

A file that was swapped under a link, or replaced, escapes a file watch and the time of its last
change; its bytes do not. What cannot be used changes nothing: what was read before stays.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Generic, TypeAlias, TypeVar

from aiconfig_plugin.background import every
from aiconfig_plugin.errors import AIConfigError, ConfigurationError
from aiconfig_plugin.metrics import process_metrics
from aiconfig_plugin.settings import variable

RELOAD_INTERVAL = 10.0
"""Seconds between two readings."""
SEARCH_INTERVAL = 30.0
"""Seconds between two readings because of a stored key whose ``kid`` is not on the keyring."""

T = TypeVar("T")
Apply: TypeAlias = Callable[[T], Awaitable[None]]

logger = logging.getLogger("aiconfig_plugin")


class Source(Generic[T]):
    """What the setting ``setting`` names; ``place`` is where that is, for messages.

    ``read`` and ``parse`` may take long, and raise
    :class:`~aiconfig_plugin.errors.ConfigurationError`, to which the setting and the place are
    added.
    """

    def __init__(
        self, setting: str, place: str, read: Callable[[], bytes], parse: Callable[[bytes], T]
    ) -> None:
        self.setting = setting
        self._place = place
        self._read = read
        self._parse = parse
        self._digest = b""
        # What was parsed, which may have asked a service, and could not be applied yet.
        self._waiting: tuple[bytes, T] | None = None

    def open(self) -> T:
        """Read it for the first time."""
        with self._named():
            content = self._read()
            value = self._parse(content)
        self._digest = _digest(content)
        return value

    async def reread(self, apply: Apply[T]) -> bool:
        """Read it again and apply what has changed; tell whether anything has."""
        with self._named():
            content = await asyncio.to_thread(self._read)
            if (digest := _digest(content)) == self._digest:
                self._waiting = None
                return False
            if self._waiting is None or self._waiting[0] != digest:
                self._waiting = digest, await asyncio.to_thread(self._parse, content)
            await apply(self._waiting[1])
        self._digest, self._waiting = digest, None
        return True

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Add the setting and the place to a ``ConfigurationError``."""
        try:
            yield
        except ConfigurationError as err:
            told = f"{variable(self.setting)}: {self._place}{err.detail}"
            raise ConfigurationError(told) from None


class Reloader:
    """Reads again what it was told to watch; ``timer`` gives seconds that never go backwards."""

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._metrics = process_metrics()
        self._watched: dict[str, tuple[Source[Any], Apply[Any]]] = {}
        self._faults: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self._next_search = -math.inf
        self._keyring = ""

    def watch(self, source: Source[T], apply: Apply[T]) -> None:
        """Watch what was opened. ``apply`` may raise, and then has changed nothing."""
        self._watched[source.setting] = source, apply
        self._metrics.reload(source.setting, succeeded=True)

    def watch_keyring(self, source: Source[T], apply: Apply[T]) -> None:
        """Watch what :meth:`search_keyring` reads; otherwise as :meth:`watch`."""
        self._keyring = source.setting
        self.watch(source, apply)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Reload at intervals inside the block."""
        return every(RELOAD_INTERVAL, self.reload, "reload")

    async def reload(self) -> None:
        """Read all again now. What cannot be used is logged, once, and left as it was."""
        async with self._lock:
            for setting in self._watched:
                await self._reread(setting)

    async def search_keyring(self) -> None:
        """Read the keyring again, as a stored key names a key that is not on it.

        Of all calls within 30 seconds the first does so; those meanwhile wait for it.
        """
        async with self._lock:
            now = self._timer()
            if now >= self._next_search:
                self._next_search = now + SEARCH_INTERVAL
                await self._reread(self._keyring)

    async def _reread(self, setting: str) -> None:
        source, apply = self._watched[setting]
        try:
            changed = await source.reread(apply)
        except AIConfigError as err:
            self._metrics.reload(setting, succeeded=False)
            if self._faults.get(setting) != err.detail:
                logger.error("%s What was read before stays in use.", err.detail)
            self._faults[setting] = err.detail
            return
        self._metrics.reload(setting, succeeded=True)
        if changed:
            logger.info("%s was read again and has changed.", variable(setting))
        elif setting in self._faults:
            logger.info("%s is as it was before.", variable(setting))
        self._faults.pop(setting, None)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()

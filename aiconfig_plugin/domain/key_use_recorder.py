"""Remembers the use of API keys in memory, and writes it now and then.

No request waits for a write, and what is lost does no harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from aiconfig_plugin.domain.key_use import UNUSED, KeyResult, KeyUse
from aiconfig_plugin.domain.model import KeyIdentity, Owner
from aiconfig_plugin.domain.ports import KeyUseStore
from aiconfig_plugin.errors import StorageUnavailable

_K = TypeVar("_K")
_V = TypeVar("_V")

logger = logging.getLogger("aiconfig_plugin")

WRITE_INTERVAL: Final = 60.0
"""Seconds between two writes about one key, unless what its provider says changes."""
MAX_REMEMBERED: Final = 10_000
"""Keys, and owners, that are remembered; of more the oldest are dropped."""
MAX_BATCH_SIZE: Final = 500
"""Keys that are written together."""


class _Written(NamedTuple):
    at: float
    result: KeyResult | None


class KeyUseRecorder:
    """What this process has seen of the use of keys, in front of what ``store`` knows.

    ``clock`` returns seconds since the epoch.
    """

    def __init__(
        self,
        store: KeyUseStore,
        *,
        clock: Callable[[], float] = time.time,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._store = store
        self._clock = clock
        self._max_remembered = max_remembered
        self._waiting: dict[KeyIdentity, KeyUse] = {}
        self._written: dict[KeyIdentity, _Written] = {}
        self._forgotten: dict[Owner, object] = {}

    def used(self, key: KeyIdentity) -> None:
        """Remember that the key is being used."""
        self._remember(key, KeyUse(last_used_at=self._now()))

    def reported(self, key: KeyIdentity, result: KeyResult) -> None:
        """Remember what the provider said of the key."""
        self._remember(key, KeyUse(last_result=result, last_result_at=self._now()))

    def forget(self, owner: Owner) -> None:
        """Drop what is known of all keys of an owner, here at once and later in the store."""
        for known in (self._waiting, self._written):
            for key in [key for key in known if key.owner == owner]:
                del known[key]
        self._put(self._forgotten, owner, object())

    async def read(self, keys: Collection[KeyIdentity]) -> Mapping[KeyIdentity, KeyUse]:
        """Return what is known of each key, and nothing of any while the store is away."""
        asked = [key for key in keys if key.owner not in self._forgotten]
        stored: Mapping[KeyIdentity, KeyUse] = {}
        try:
            stored = await self._store.read(asked) if asked else {}
        except StorageUnavailable as err:
            logger.warning("The use of API keys was not read: %s", err)
        return {key: stored.get(key, UNUSED).merged(self._waiting.get(key, UNUSED)) for key in keys}

    async def flush(self) -> None:
        """Write what is due. Raises ``StorageUnavailable``; the next call tries again."""
        now = self._clock()
        if forgotten := dict(self._forgotten):
            await self._store.forget(forgotten.keys())
            _remove(self._forgotten, forgotten)
        due = {key: use for key, use in self._waiting.items() if self._is_due(key, use, now)}
        keys = iter(due)
        while batch := {key: due[key] for key in islice(keys, MAX_BATCH_SIZE)}:
            await self._store.record(batch)
            for key, use in batch.items():
                before = self._written.pop(key, None)
                result = use.last_result or (before.result if before else None)
                self._put(self._written, key, _Written(now, result))
            _remove(self._waiting, batch)

    async def close(self) -> None:
        """Write what is due for the last time."""
        try:
            await self.flush()
        except StorageUnavailable as err:
            logger.warning("The use of API keys was not written: %s", err)

    def _is_due(self, key: KeyIdentity, use: KeyUse, now: float) -> bool:
        written = self._written.get(key)
        if written is None or now >= written.at + WRITE_INTERVAL:
            return True
        return use.last_result not in (None, written.result)

    def _remember(self, key: KeyIdentity, use: KeyUse) -> None:
        self._put(self._waiting, key, self._waiting.pop(key, UNUSED).merged(use))

    def _put(self, remembered: dict[_K, _V], key: _K, value: _V) -> None:
        remembered[key] = value
        if len(remembered) > self._max_remembered:
            del remembered[next(iter(remembered))]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), timezone.utc)


def _remove(waiting: dict[_K, _V], done: Mapping[_K, _V]) -> None:
    """Remove what is done, unless something newer has taken its place meanwhile."""
    for key, value in done.items():
        if waiting.get(key) is value:
            del waiting[key]

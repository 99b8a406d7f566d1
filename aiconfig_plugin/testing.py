"""Stores in memory, for the tests of a host: no MongoDB, the same behaviour."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from aiconfig_plugin.domain import (
    LIVE,
    LOGOUTS_KEPT,
    AIConfig,
    FleetKeys,
    Gateway,
    KeyIdentity,
    KeyUse,
    Kids,
    Logout,
    Owner,
    Replaced,
    Repository,
    Rewrapping,
    StoredConfig,
)
from aiconfig_plugin.errors import ConfigExists, ConfigNotFound, RevisionMismatch


class InMemoryRepository:
    """A :class:`~aiconfig_plugin.domain.ports.Repository` that forgets everything with its process.

    Raises RuntimeError before :meth:`start` and after :meth:`close`; what it holds outlives both.
    """

    def __init__(self) -> None:
        self._configs: dict[Owner, AIConfig] = {}
        self._started = False

    async def start(self) -> None:
        self._started = True

    async def close(self) -> None:
        self._started = False

    async def read(self, owner: Owner) -> AIConfig:
        return self._current(owner, None)

    async def create(self, owner: Owner, config: AIConfig) -> AIConfig:
        if owner in self._stored:
            raise ConfigExists
        self._stored[owner] = config
        return config

    async def replace(
        self,
        owner: Owner,
        config: AIConfig,
        *,
        keep: Collection[int] = (),
        if_match: Collection[str] | None = None,
    ) -> Replaced:
        before = self._current(owner, if_match)
        keys = {e.identity: (e.key, e.origin) for e in before.models if e.key}
        self._stored[owner] = after = config.with_keys(keys, keep)
        return Replaced(after, lambda: before)

    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> AIConfig:
        before = self._current(owner, if_match)
        del self._stored[owner]
        return before

    async def kids(self) -> Collection[str]:
        return (await self.count_by_kid()).keys()

    async def count_owners(self, kid: str | None = None) -> int:
        return sum(
            any(entry.key and kid in (None, entry.key.kid) for entry in config.models)
            for config in self._stored.values()
        )

    async def count_by_kid(self) -> Mapping[str, int]:
        entries = (entry for config in self._stored.values() for entry in config.models)
        return Counter(entry.key.kid for entry in entries if entry.key)

    async def wrapped_by(self, kid: str, *, after: str = "", limit: int) -> Sequence[StoredConfig]:
        found = [
            StoredConfig(owner.digest(), owner, config)
            for owner, config in self._stored.items()
            if any(entry.key and entry.key.kid == kid for entry in config.models)
        ]
        found.sort(key=lambda stored: stored.id)
        return [stored for stored in found if stored.id > after][:limit]

    async def rewrap(self, rewrappings: Sequence[Rewrapping]) -> int:
        changed = 0
        owners = {owner.digest(): owner for owner in self._stored}
        for rewrapping in rewrappings:
            owner = owners.get(rewrapping.id)
            current = self._stored.get(owner) if owner else None
            if owner and current and current.revision == rewrapping.revision:
                models = tuple(
                    replace(entry, key=rewrapping.keys.get(position, entry.key))
                    for position, entry in enumerate(current.models)
                )
                changed += models != current.models
                self._stored[owner] = replace(current, models=models)
        return changed

    @property
    def _stored(self) -> dict[Owner, AIConfig]:
        if not self._started:
            raise RuntimeError("The repository is not started: await start() first.")
        return self._configs

    def _current(self, owner: Owner, if_match: Collection[str] | None) -> AIConfig:
        current = self._stored.get(owner)
        if current is None:
            raise ConfigNotFound
        if if_match is not None and current.revision not in if_match:
            raise RevisionMismatch
        return current


class InMemoryGateways:
    """:class:`~aiconfig_plugin.domain.ports.Gateways` of the plugins that share it.

    ``timer`` gives seconds since the epoch. A retired key is refused only here: the repository is
    not asked to.
    """

    def __init__(self, *, timer: Callable[[], float] = time.time) -> None:
        self._timer = timer
        self._announced: dict[str, tuple[Gateway, float]] = {}
        self._keys = FleetKeys()

    async def announce(self, id: str, kids: Kids, uses: Kids) -> bool:
        now = self._timer()
        before = self._announced.get(id)
        since = before[0].since if before else datetime.fromtimestamp(now, timezone.utc)
        told = Gateway(id, socket.gethostname(), os.getpid(), since, kids, uses)
        self._announced[id] = told, now
        return before is not None

    async def leave(self, id: str) -> None:
        self._announced.pop(id, None)

    async def live(self) -> Sequence[Gateway]:
        now = self._timer()
        return [told for told, seen in self._announced.values() if seen >= now - LIVE]

    async def keys(self) -> FleetKeys:
        return self._keys

    async def change_keys(self, before: FleetKeys, after: FleetKeys) -> bool:
        if self._keys.version != before.version:
            return False
        self._keys = after
        return True

    async def refuse_retired(self) -> None:
        """Do nothing: all writes of one process come after what it has read of the keys."""


class InMemoryLogouts:
    """:class:`~aiconfig_plugin.domain.ports.Logouts` of the plugins that share it."""

    def __init__(self, *, timer: Callable[[], float] = time.time) -> None:
        self._timer = timer
        self._logouts: list[Logout] = []

    async def add(self, *, subject: str | None = None, token: str | None = None) -> None:
        at = datetime.fromtimestamp(self._timer(), timezone.utc)
        self._logouts = [*await self.recent(LOGOUTS_KEPT)]
        self._logouts.append(Logout(secrets.token_hex(12), at, subject, token))

    async def recent(self, seconds: float) -> Sequence[Logout]:
        since = self._timer() - seconds
        return [logout for logout in self._logouts if logout.at.timestamp() >= since]


class InMemoryStores:
    """:class:`~aiconfig_plugin.domain.ports.Stores` around a repository of any kind.

    All but the repository is kept in memory, and known to this process alone.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.key_use = InMemoryKeyUse()
        self.gateways = InMemoryGateways()
        self.logouts = InMemoryLogouts()

    async def start(self) -> None:
        await self.repository.start()

    async def close(self) -> None:
        await self.repository.close()


class InMemoryKeyUse:
    """A :class:`~aiconfig_plugin.domain.ports.KeyUseStore` that this process alone knows."""

    def __init__(self) -> None:
        self._uses: dict[KeyIdentity, KeyUse] = {}

    async def read(self, keys: Collection[KeyIdentity]) -> Mapping[KeyIdentity, KeyUse]:
        return {key: self._uses[key] for key in keys if key in self._uses}

    async def record(self, uses: Mapping[KeyIdentity, KeyUse]) -> None:
        for key, use in uses.items():
            self._uses[key] = self._uses.get(key, KeyUse()).merged(use)

    async def forget(self, owners: Collection[Owner]) -> None:
        self._uses = {key: use for key, use in self._uses.items() if key.owner not in owners}

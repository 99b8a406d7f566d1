"""Stores in memory, for the tests of a host: no MongoDB, the same behaviour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aiconfig_plugin.domain import (
    AIConfig,
    KeyIdentity,
    KeyUse,
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


class InMemoryStores:
    """:class:`~aiconfig_plugin.domain.ports.Stores` around a repository of any kind.

    All but the repository is kept in memory, and known to this process alone.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.key_use = InMemoryKeyUse()

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

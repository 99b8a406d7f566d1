"""Work over the keys of all owners: which keyring keys wrap them, and wrapping them anew.

Safe beside live writers: an owner who writes meanwhile wins, and is visited again. Nothing is
remembered between runs; what is wrapped by the primary already is simply not found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiconfig_plugin.errors import ConfigurationError, KeyUnreadable
from aiconfig_plugin.model import AIConfig, Owner
from aiconfig_plugin.ports import KeyVault, Repository, Rewrapping

PAGE = 200
"""Owners that are read and written together."""
SAMPLE = 10
"""Owners of whom one stored key at least must open, for each ``kid``, when a gateway starts."""


@dataclass(frozen=True)
class Rotation:
    """What became of the stored keys that the primary did not wrap."""

    rewrapped: int
    """How many fewer of them there are now."""
    left: Mapping[str, int]
    """How many there still are, by ``kid``: they do not open, or came in meanwhile."""


async def rotate(
    repository: Repository,
    vault: KeyVault,
    *,
    progress: Callable[[int], None] = lambda _keys: None,
) -> Rotation:
    """Wrap every stored key by the primary. What users see as their revision stays the same.

    ``progress`` is told after each page how many stored keys were dealt with in it. Keys that
    cannot be opened are left as they are. Raises
    :class:`~aiconfig_plugin.errors.StorageUnavailable`; running it again goes on from there.
    """
    found = await count_others(repository, vault)
    for kid in found:
        if vault.holds(kid):
            await _rotate_kid(repository, vault, kid, progress)
    left = await count_others(repository, vault)
    return Rotation(max(0, sum(found.values()) - sum(left.values())), left)


async def count_others(repository: Repository, vault: KeyVault) -> Mapping[str, int]:
    """Return how many stored keys are wrapped by each ``kid`` but the primary."""
    counts = await repository.count_by_kid()
    return {kid: count for kid, count in counts.items() if kid != vault.primary}


async def count_unreadable(repository: Repository, vault: KeyVault) -> Mapping[str, int]:
    """Return how many stored keys are wrapped by each ``kid`` that is not on the keyring."""
    counts = await repository.count_by_kid()
    return {kid: count for kid, count in counts.items() if not vault.holds(kid)}


async def prove_keyring(repository: Repository, vault: KeyVault) -> None:
    """Prove that the keyring's keys are those that the store was written with.

    A key of the right name and the wrong material would otherwise be found at its first use.
    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which names the ``kid``.
    """
    for kid in await repository.count_by_kid():
        if not vault.holds(kid):
            continue
        sample = await repository.wrapped_by(kid, limit=SAMPLE)
        if sample and not any(_opens(vault, kid, owner, config) for owner, config in sample):
            raise ConfigurationError(
                f"AICONFIG_KEYRING: key {kid} opens none of the stored keys that name it; "
                "is this the keyring of another store?"
            )


def _opens(vault: KeyVault, kid: str, owner: Owner, config: AIConfig) -> bool:
    for entry in config.models:
        if entry.key and entry.key.kid == kid:
            try:
                vault.open(owner, entry.provider, entry.key)
            except KeyUnreadable:
                continue
            return True
    return False


async def _rotate_kid(
    repository: Repository, vault: KeyVault, kid: str, progress: Callable[[int], None]
) -> None:
    """Wrap anew what ``kid`` wraps, until nothing is left of it but what cannot be opened."""
    overtaken = True
    while overtaken:
        overtaken = False
        after: Owner | None = None
        while page := await repository.wrapped_by(kid, after=after, limit=PAGE):
            after = page[-1][0]
            changes = await asyncio.to_thread(_rewrap_page, vault, page)
            applied = await repository.rewrap(changes)
            overtaken = overtaken or applied < len(changes)
            progress(sum(len(change.keys) for change in changes))


def _rewrap_page(vault: KeyVault, page: Sequence[tuple[Owner, AIConfig]]) -> Sequence[Rewrapping]:
    changes = []
    for owner, config in page:
        keys = {}
        for position, entry in enumerate(config.models):
            if entry.key is None or entry.key.kid == vault.primary:
                continue
            try:
                keys[position] = vault.rewrap(owner, entry.provider, entry.key)
            except KeyUnreadable:
                continue
        if keys:
            changes.append(Rewrapping(owner, config.revision, keys))
    return changes

"""Key rotation, and the check of a keyring against the stored keys.

Rotation is safe beside live writers: an owner who writes meanwhile wins, and is visited again. It
keeps no state between runs: a key that the primary wraps already is not found again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiconfig_plugin.domain.ports import KeyVault, Repository, Rewrapping, StoredConfig
from aiconfig_plugin.errors import ConfigNotFound, ConfigurationError, KeyUnreadable

PAGE = 200
"""Owners that are read and written together."""
SAMPLE = 10
"""Owners whose stored keys are tried, for each ``kid``, when a gateway starts."""
MAX_FRUITLESS_PASSES = 3
"""Passes in a row in which every change may be overtaken by a live writer, or refused."""

logger = logging.getLogger("aiconfig_plugin")


@dataclass(frozen=True)
class Rotation:
    """What became of the stored keys that the primary did not wrap."""

    rewrapped: int
    """How many the primary wraps now."""
    left: Mapping[str, int]
    """How many there still are, by ``kid``: they do not open, or came in meanwhile."""


async def rotate(
    repository: Repository,
    vault: KeyVault,
    *,
    progress: Callable[[int], None] = lambda _keys: None,
) -> Rotation:
    """Wrap every stored key by the primary. What users see as their revision stays the same.

    ``progress`` is told after each page how many stored keys were re-wrapped in it. Keys that
    cannot be opened are left as they are. Raises
    :class:`~aiconfig_plugin.errors.StorageUnavailable`; running it again goes on from there.
    """
    rewrapped = 0
    for kid in await repository.kids():
        if kid != vault.primary and vault.has_key(kid):
            rewrapped += await _rotate_kid(repository, vault, kid, progress)
    return Rotation(rewrapped, await count_others(repository, vault))


async def count_others(repository: Repository, vault: KeyVault) -> Mapping[str, int]:
    """Return how many stored keys are wrapped by each ``kid`` but the primary."""
    counts = await repository.count_by_kid()
    return {kid: count for kid, count in counts.items() if kid != vault.primary}


def unreadable_keys(counts: Mapping[str, int], vault: KeyVault) -> Mapping[str, int]:
    """Return those of the ``counts`` by ``kid`` whose key is not on the keyring."""
    return {kid: count for kid, count in counts.items() if not vault.has_key(kid)}


async def verify_keyring(repository: Repository, vault: KeyVault, kids: Iterable[str]) -> None:
    """Prove that the keyring's keys are those that the store was written with.

    ``kids`` are those that the store knows. A key of the right name and the wrong material would
    otherwise be found at its first use. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError`, which names the ``kid``, when no
    stored key opens at all, or none in a whole sample; a few damaged ones are only logged.
    """
    failed: dict[str, int] = {}
    fits = False
    for kid in kids:
        if vault.has_key(kid):
            sample = await repository.wrapped_by(kid, limit=SAMPLE)
            if any(_opens(vault, kid, stored) for stored in sample):
                fits = True
            elif sample:
                failed[kid] = len(sample)
    for kid, count in failed.items():
        if not fits or count == SAMPLE:
            raise ConfigurationError(
                f"AICONFIG_KEYRING: key {kid} opens none of the stored keys that name it; "
                "is this the keyring of another store?"
            )
        logger.warning("Key %s opens none of the stored keys that name it; are they damaged?", kid)


def _opens(vault: KeyVault, kid: str, stored: StoredConfig) -> bool:
    for entry in stored.config.models:
        if entry.key and entry.key.kid == kid:
            try:
                vault.open(stored.owner, entry.destination, entry.key)
            except KeyUnreadable:
                continue
            return True
    return False


async def _rotate_kid(
    repository: Repository, vault: KeyVault, kid: str, progress: Callable[[int], None]
) -> int:
    """Re-encrypt the keys that ``kid`` wraps, until only those are left that do not open.

    Returns how many were re-encrypted.
    """
    rewrapped = fruitless = 0
    while fruitless < MAX_FRUITLESS_PASSES:
        applied, overtaken = await _pass(repository, vault, kid, progress)
        rewrapped += applied
        if not overtaken:
            break
        fruitless = 0 if applied else fruitless + 1
    return rewrapped


async def _pass(
    repository: Repository, vault: KeyVault, kid: str, progress: Callable[[int], None]
) -> tuple[int, bool]:
    """Visit each configuration once.

    Returns how many keys were re-encrypted, and whether a live writer was faster somewhere.
    """
    rewrapped, overtaken = 0, False
    page = await repository.wrapped_by(kid, limit=PAGE)
    while page:
        # The next page is read while this one is worked on.
        (keys, complete), page = await asyncio.gather(
            _rewrap(repository, vault, page),
            repository.wrapped_by(kid, after=page[-1].id, limit=PAGE),
        )
        rewrapped += keys
        overtaken = overtaken or not complete
        progress(keys)
    return rewrapped, overtaken


async def _rewrap(
    repository: Repository, vault: KeyVault, page: Sequence[StoredConfig]
) -> tuple[int, bool]:
    """Return how many keys were wrapped anew, and whether these were all that could be."""
    changes = await asyncio.to_thread(_rewrap_page, vault, page)
    complete = await repository.rewrap(changes) == len(changes)
    if not complete:
        changes = await _applied(repository, page, changes)
    return sum(len(change.keys) for change in changes), complete


async def _applied(
    repository: Repository, page: Sequence[StoredConfig], changes: Sequence[Rewrapping]
) -> Sequence[Rewrapping]:
    """Return those of the changes that are found in the store: no ciphertext occurs twice."""
    owners = {stored.id: stored.owner for stored in page}
    applied = []
    for change in changes:
        try:
            config = await repository.read(owners[change.id])
        except ConfigNotFound:
            continue
        if any(entry.key in change.keys.values() for entry in config.models if entry.key):
            applied.append(change)
    return applied


def _rewrap_page(vault: KeyVault, page: Sequence[StoredConfig]) -> Sequence[Rewrapping]:
    changes = []
    for stored in page:
        keys = {}
        for position, entry in enumerate(stored.config.models):
            if entry.key is None or entry.key.kid == vault.primary:
                continue
            try:
                keys[position] = vault.rewrap(stored.owner, entry.destination, entry.key)
            except KeyUnreadable:
                continue
        if keys:
            changes.append(Rewrapping(stored.id, stored.config.revision, keys))
    return changes

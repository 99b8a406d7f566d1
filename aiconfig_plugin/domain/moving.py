"""Give a configuration to another owner: a user was renamed, or the issuer has moved."""

from __future__ import annotations

import dataclasses
from typing import Final

from aiconfig_plugin.domain import audit
from aiconfig_plugin.domain.model import AIConfig, ModelEntry, Owner
from aiconfig_plugin.domain.ports import KeyVault, Repository
from aiconfig_plugin.errors import ConfigExists, ConfigNotFound, KeyUnreadable, RevisionMismatch

_MAX_ATTEMPTS: Final = 5


async def move(
    repository: Repository,
    vault: KeyVault,
    owner: Owner,
    new_owner: Owner,
    *,
    drop_unreadable: bool = False,
) -> AIConfig:
    """Move a configuration, and return it as it is stored for ``new_owner``.

    Every key is decrypted for the one and encrypted for the other. The copy has the revision of the
    original, by which a move that was interrupted is recognised and finished. Raises
    ``ConfigNotFound``; ``ConfigExists`` where the new owner has another configuration;
    ``RevisionMismatch`` where one of both is changed time and again meanwhile; and
    ``KeyUnreadable``, unless keys that cannot be decrypted are to be dropped. Nothing is changed
    then.
    """
    for _ in range(_MAX_ATTEMPTS):
        original = await repository.read(owner)
        copy = _rebound(vault, owner, new_owner, original, drop_unreadable=drop_unreadable)
        try:
            await repository.create(new_owner, copy)
        except ConfigExists:
            copy = await repository.read(new_owner)
            if copy.revision != original.revision:
                raise ConfigExists("The new owner has a configuration of its own.") from None
        try:
            await repository.delete(owner, if_match=[original.revision])
        except ConfigNotFound:
            pass  # somebody else finished the same move, or the user deleted the original
        except RevisionMismatch:
            await repository.delete(new_owner, if_match=[copy.revision])
            continue
        for each in (owner, new_owner):
            audit.record("move", each, copy.revision, changed=[""])
        return copy
    raise RevisionMismatch("The configuration was changed while it was moved; try again.")


def _rebound(
    vault: KeyVault, owner: Owner, new_owner: Owner, config: AIConfig, *, drop_unreadable: bool
) -> AIConfig:
    models: list[ModelEntry] = []
    unreadable: list[str] = []
    for position, entry in enumerate(config.models):
        key = entry.key
        if key is not None:
            try:
                key = vault.rebind(owner, new_owner, entry.destination, key)
            except KeyUnreadable:
                unreadable.append(f"/models/{position}")
                key = None
        models.append(dataclasses.replace(entry, key=key))
    if unreadable and not drop_unreadable:
        raise KeyUnreadable(f"The stored keys of {', '.join(unreadable)} cannot be decrypted.")
    return dataclasses.replace(config, models=tuple(models))

"""What a start finds out about the stored keys."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from aiconfig_plugin.domain import KeyVault, Repository, unreadable_keys, verify_keyring
from aiconfig_plugin.metrics import process_metrics

logger = logging.getLogger("aiconfig_plugin")


async def verify_stored_keys(repository: Repository, vault: KeyVault) -> None:
    """Check the keyring against the store; count the stored keys that it does not decrypt.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` for the keyring of another store.
    """
    kids = await repository.kids()
    await verify_keyring(repository, vault, kids)
    unreadable: Mapping[str, int] = {}
    if not all(map(vault.has_key, kids)):  # counting reads every configuration
        unreadable = unreadable_keys(await repository.count_by_kid(), vault)
    for kid, count in unreadable.items():
        logger.warning(
            "%d stored API keys are wrapped by key %s, which is not on the keyring.", count, kid
        )
    process_metrics().unreadable_keys(sum(unreadable.values()))

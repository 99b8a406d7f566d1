"""Open what the settings name: the keyring, the database and the operator's catalogue."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.catalog import parse_catalog, parse_shared_keys
from aiconfig_plugin.composition.command import read_command
from aiconfig_plugin.composition.reloading import Reloader, Source
from aiconfig_plugin.domain import (
    AIConfigService,
    KeyUseRecorder,
    Membership,
    Policy,
    Repository,
    Stores,
)
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys import Keyring, Vault, parse_keyring
from aiconfig_plugin.private_file import read_file, read_private_file
from aiconfig_plugin.settings import Settings, variable

T = TypeVar("T")


def open_vault(settings: Settings) -> Vault:
    """Return the vault with the keyring of the settings."""
    return _vault(settings, _keyring(settings))


def open_policy(settings: Settings, origins: Origins) -> Policy:
    """Return what the operator says: the catalogue, the base URLs and the shared keys."""
    return _policy(origins, _operators_files(settings))


def open_service(
    settings: Settings,
    stores: Stores,
    origins: Origins,
    reloader: Reloader,
    key_use: KeyUseRecorder,
) -> tuple[AIConfigService, Vault, Membership]:
    """Return the service, its vault, and what makes it a member of a fleet.

    ``reloader`` watches the files.
    """
    keyring, files = _keyring(settings), _operators_files(settings)
    vault = _vault(settings, keyring)
    membership = Membership(stores.gateways, vault)
    service = AIConfigService(
        stores.repository,
        vault,
        _policy(origins, files),
        key_use,
        search_keyring=reloader.search_keyring,
        writing=membership.writing,
    )
    replace = functools.partial(_replace_keyring, vault, stores.repository, membership)
    reloader.watch_keyring(keyring, replace)
    for name, file in files.items():
        reloader.watch(file, functools.partial(_change_policy, service, name))
    return service, vault, membership


def _keyring(settings: Settings) -> Source[Keyring]:
    if settings.keyring_command:
        command = functools.partial(read_command, settings.keyring_command)
        return Source("keyring_command", "", command, parse_keyring)
    if not settings.keyring:
        raise ConfigurationError(
            f"{variable('keyring')} is not set: name the keyring file "
            "('aiconfig keyring create FILE' makes one)."
        )
    return open_file("keyring", settings.keyring, read_private_file, parse_keyring)


def _operators_files(settings: Settings) -> Mapping[str, Source[Any]]:
    """Return the files of the policy by its fields."""
    files: dict[str, Source[Any]] = {}
    if settings.catalog:
        files["catalog"] = open_file("catalog", settings.catalog, read_file, parse_catalog)
    if settings.shared_keys:
        files["shared_keys"] = open_file(
            "shared_keys", settings.shared_keys, read_private_file, parse_shared_keys
        )
    return files


def open_file(
    setting: str,
    path: str | os.PathLike[str],
    read: Callable[[str | os.PathLike[str]], bytes],
    parse: Callable[[bytes], T],
) -> Source[T]:
    """Return the file at ``path``, which ``setting`` names; nothing is read yet."""
    return Source(setting, f"{os.fspath(path)}: ", functools.partial(read, path), parse)


def _vault(settings: Settings, keyring: Source[Keyring]) -> Vault:
    return Vault(keyring.open(), sealed_only=settings.api_key_policy == "sealed")


def _policy(origins: Origins, files: Mapping[str, Source[Any]]) -> Policy:
    return Policy(
        base_urls=origins.given,
        allows_base_url=origins.allow,
        **{name: file.open() for name, file in files.items()},
    )


async def _replace_keyring(
    vault: Vault, repository: Repository, membership: Membership, keyring: Keyring
) -> None:
    """Use another keyring, unless stored keys would become unreadable by it."""
    dropped = vault.keyring.storage.keys() - keyring.storage.keys()
    if dropped and (used := dropped.intersection(await repository.kids())):
        raise ConfigurationError(
            f"it lacks {', '.join(sorted(used))}, which stored keys are wrapped by; "
            "is this an older file?"
        )
    await membership.adopt(keyring.kids, lambda: vault.replace(keyring))


async def _change_policy(service: AIConfigService, name: str, value: Any) -> None:
    service.policy = dataclasses.replace(service.policy, **{name: value})

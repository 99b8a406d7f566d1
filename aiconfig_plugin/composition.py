"""Open what the settings name: the keyring, the database and the operator's catalogue."""

from __future__ import annotations

from typing import Any

from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.catalog import load_catalog, load_shared_keys
from aiconfig_plugin.domain import Catalog, Policy, Repository
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys import Vault, load_keyring
from aiconfig_plugin.settings import Settings, variable
from aiconfig_plugin.store import MongoRepository


def open_vault(settings: Settings) -> Vault:
    """Return the vault with the keyring of the settings."""
    if not settings.keyring:
        raise ConfigurationError(
            f"{variable('keyring')} is not set: name the keyring file "
            "('aiconfig keyring create FILE' makes one)."
        )
    sealed_only = settings.api_key_policy == "sealed"
    return Vault(load_keyring(settings.keyring), sealed_only=sealed_only)


def open_repository(settings: Settings, database: Any = None) -> Repository:
    """Return the repository over the host's database, or over the one of the settings."""
    if database is not None:
        return MongoRepository(database)
    if not settings.mongodb_uri:
        raise ConfigurationError(
            f"{variable('mongodb_uri')} is not set: set it, or pass database= or repository=."
        )
    return MongoRepository.connect(
        settings.mongodb_uri, settings.mongodb_database, driver=settings.mongodb_driver
    )


def open_policy(settings: Settings, origins: Origins) -> Policy:
    """Return what the operator says: the catalogue, the base URLs and the shared keys."""
    return Policy(
        catalog=load_catalog(settings.catalog) if settings.catalog else Catalog(),
        base_urls=origins.given,
        allows_base_url=origins.allow,
        shared_keys=load_shared_keys(settings.shared_keys) if settings.shared_keys else {},
    )

"""Choose where a gateway keeps what it stores."""

from __future__ import annotations

from typing import Any

from aiconfig_plugin.domain import Repository, Stores
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings import Settings, variable
from aiconfig_plugin.store import Address, MongoStores
from aiconfig_plugin.testing import InMemoryStores


def open_stores(
    settings: Settings, *, database: Any = None, repository: Repository | None = None
) -> Stores:
    """Return what the gateway keeps: in the host's database or the one of the settings.

    Beside a host's own ``repository`` everything else is kept in the memory of the process.
    Raises TypeError where both are given, and for a database of the wrong type.
    """
    if database is not None and repository is not None:
        raise TypeError("AIConfigPlugin() takes either database= or repository=")
    if repository is not None:
        return InMemoryStores(repository)
    if database is not None:
        return MongoStores(database)
    return open_mongo_stores(settings)


def open_mongo_stores(settings: Settings) -> MongoStores:
    """Return what is kept in the database of the settings."""
    if not settings.mongodb_uri:
        raise ConfigurationError(
            f"{variable('mongodb_uri')} is not set: set it, or pass database= or repository=."
        )
    return MongoStores(
        Address(settings.mongodb_uri, settings.mongodb_database, settings.mongodb_driver)
    )

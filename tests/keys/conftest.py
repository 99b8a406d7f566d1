"""Fixtures of the tests about keys; a gateway is that of the journeys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from aiconfig_plugin.keys.keyring_file import create_keyring
from aiconfig_plugin.store.repository import COLLECTION


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """A new keyring file, the one that ``gateway`` uses too."""
    path = tmp_path / "keyring.json"
    if not path.exists():
        create_keyring(path)
    return path


@pytest.fixture
def documents(mongod: Any, database_name: str) -> Iterator[Any]:
    """The collection as a plain client with every right sees it."""
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        yield client[database_name][COLLECTION]

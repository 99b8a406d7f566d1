"""Whatever is done in whatever order to configurations in MongoDB: no key is lost or shown."""

from __future__ import annotations

from typing import Any

from aiconfig_plugin.store import MongoStores
from tests.domain.test_properties import check


def test_no_key_is_lost_swapped_or_shown_in_mongodb(mongod: Any, database_name: str) -> None:
    check(lambda: MongoStores.connect(mongod.uri, database_name).repository, examples=12, steps=20)

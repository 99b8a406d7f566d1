"""What the processes of a fleet tell each other: announcements, and the keys that hold for all.

``ai_model_gateways`` has a document for each live process, ``{_id, host, process, kids, uses,
since, seen}``, which MongoDB removes when it is no longer refreshed, and two for all: ``keyring``,
:class:`~aiconfig_plugin.domain.FleetKeys`, and for moments ``validator``, the lock of
:mod:`~aiconfig_plugin.store.validators`. Every time is the server's own (``$$NOW``).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timezone
from typing import Any, Final

from pymongo.errors import DuplicateKeyError, InvalidOperation

from aiconfig_plugin.domain import LIVE, FleetKeys, Gateway, Kids
from aiconfig_plugin.store.collections import CollectionSpec, Document, Index
from aiconfig_plugin.store.connection import Connection
from aiconfig_plugin.store.documents import CONFIGS, FENCE
from aiconfig_plugin.store.operation import measured, store_operation
from aiconfig_plugin.store.validators import LOCKS as COLLECTION
from aiconfig_plugin.store.validators import change_validator

_KEYRING: Final = "keyring"
_KEPT: Final = 600
"""Seconds for which the announcement of a process that is gone is kept, to be looked at."""
_TIMEOUT: Final = 3.0
"""Seconds for one operation: a write may wait for two of them."""

GATEWAYS: Final = CollectionSpec(
    COLLECTION, {}, indexes=(Index({"seen": 1}, {"expireAfterSeconds": _KEPT}),)
)


class MongoGateways:
    """:class:`~aiconfig_plugin.domain.ports.Gateways` over one MongoDB database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timeout = min(_TIMEOUT, connection.timeout)

    @measured("announce")
    async def announce(self, id: str, kids: Kids, uses: Kids) -> bool:
        told = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "kids": sorted(kids),
            "uses": sorted(uses),
        }
        since = {"$ifNull": ["$since", "$$NOW"]}
        update = [{"$set": {**_literal(told), "since": since, "seen": "$$NOW"}}]
        with store_operation(self._timeout):
            result = await self._collection.update_one({"_id": id}, update, upsert=True)
        return bool(result.matched_count)

    @measured("leave")
    async def leave(self, id: str) -> None:
        with suppress(InvalidOperation), store_operation(self._timeout):
            await self._collection.delete_one({"_id": id})  # unless the host has closed its client

    @measured("members")
    async def live(self) -> Sequence[Gateway]:
        query = {"$expr": {"$gte": ["$seen", {"$subtract": ["$$NOW", int(LIVE * 1000)]}]}}
        with store_operation(self._timeout):
            # Not those of a primary that was deposed meanwhile.
            found = self._current.find({"kids": {"$type": "array"}, **query}).sort("since", 1)
            documents: list[Document] = await found.to_list(None)
        return [
            Gateway(
                id=document["_id"],
                host=document["host"],
                process=document["process"],
                since=document["since"].replace(tzinfo=timezone.utc),
                kids=frozenset(document["kids"]),
                uses=frozenset(document["uses"]),
            )
            for document in documents
        ]

    @measured("fleet-keys")
    async def keys(self) -> FleetKeys:
        with store_operation(self._timeout):
            found: Document | None = await self._current.find_one({"_id": _KEYRING})
        return FleetKeys() if found is None else _to_keys(found)

    @measured("change-fleet-keys")
    async def change_keys(self, before: FleetKeys, after: FleetKeys) -> bool:
        query = {"_id": _KEYRING, "version": before.version}
        with store_operation(self._timeout, unanswered="unknown"):
            try:
                result = await self._collection.replace_one(
                    query, _to_document(after), upsert=before.version == 0
                )
            except DuplicateKeyError:
                return False
        return bool(result.matched_count or result.upserted_id)

    async def refuse_retired(self) -> None:
        async def with_fence(present: Mapping[str, Any]) -> Document:
            # Read while nobody else changes the validator, so that the last one has them all.
            retired = sorted((await self.keys()).retired)
            without = {name: value for name, value in present.items() if name != FENCE}
            return {**without, FENCE: {"$nin": retired}} if retired else without

        await change_validator(self._connection.database, CONFIGS.name, with_fence)

    @property
    def _collection(self) -> Any:
        return self._connection.collection(COLLECTION)

    @property
    def _current(self) -> Any:
        return self._connection.current(COLLECTION)


def _literal(values: Document) -> Document:
    """In a pipeline a string that begins with "$" is a field."""
    return {name: {"$literal": value} for name, value in values.items()}


def _to_keys(document: Document) -> FleetKeys:
    return FleetKeys(
        version=document["version"],
        pending=frozenset(document["pending"]),
        required=frozenset(document["required"]),
        retired=frozenset(document["retired"]),
        storage=document.get("storage"),
        sealing=document.get("sealing"),
    )


def _to_document(keys: FleetKeys) -> Document:
    primaries = {"storage": keys.storage, "sealing": keys.sealing}
    return {
        "_id": _KEYRING,
        "version": keys.version,
        "pending": sorted(keys.pending),
        "required": sorted(keys.required),
        "retired": sorted(keys.retired),
        **{use: kid for use, kid in primaries.items() if kid},
    }

"""What is known of the use of API keys, in a collection of its own: no key and no prompt.

``{_id, owner, updatedAt, lastUsedAt?, lastResult?, lastResultAt?}``, one for each key that was
used. ``_id`` is a digest of the owner and the id of the key, ``owner`` the ``_id`` of the
configuration. MongoDB removes a document that has not been updated for a long time: that of a key
which was replaced, or one that was written while its configuration was being deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from pymongo import UpdateOne

from aiconfig_plugin.domain import KEY_RESULTS, KeyIdentity, KeyUse, Owner
from aiconfig_plugin.store.collections import (
    CollectionSpec,
    Document,
    Index,
    object_of,
    string_of,
)
from aiconfig_plugin.store.connection import Connection
from aiconfig_plugin.store.documents import owner_id
from aiconfig_plugin.store.operation import measured, store_operation

COLLECTION: Final = "ai_model_key_use"
REMOVED_AFTER: Final = timedelta(days=400)
_TIMEOUT: Final = 2.0
"""Seconds for one operation: a request may wait for a read."""

_DATE: Final = {"bsonType": "date"}
KEY_USE: Final = CollectionSpec(
    COLLECTION,
    {
        "$jsonSchema": object_of(
            {"_id": string_of(43, 43), "owner": string_of(43, 43), "updatedAt": _DATE},
            lastUsedAt=_DATE,
            lastResult={"enum": list(KEY_RESULTS)},
            lastResultAt=_DATE,
        )
    },
    indexes=(
        Index({"owner": 1}),  # for deletions
        Index({"updatedAt": 1}, {"expireAfterSeconds": int(REMOVED_AFTER.total_seconds())}),
    ),
)


class MongoKeyUse:
    """A :class:`~aiconfig_plugin.domain.ports.KeyUseStore` over one MongoDB database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timeout = min(_TIMEOUT, connection.timeout)

    @measured("read-use")
    async def read(self, keys: Collection[KeyIdentity]) -> Mapping[KeyIdentity, KeyUse]:
        ids = {_id(key): key for key in keys}
        with store_operation(self._timeout):
            found = self._collection.find({"_id": {"$in": list(ids)}})
            documents: list[Document] = await found.to_list(len(ids))
        return {ids[document["_id"]]: _to_use(document) for document in documents}

    @measured("record-use")
    async def record(self, uses: Mapping[KeyIdentity, KeyUse]) -> None:
        updates = [
            UpdateOne({"_id": _id(key)}, [{"$set": _merged(key, use)}], upsert=True)
            for key, use in uses.items()
        ]
        with store_operation(self._timeout):
            await self._collection.bulk_write(updates, ordered=False)

    @measured("forget-use")
    async def forget(self, owners: Collection[Owner]) -> None:
        query = {"owner": {"$in": [owner_id(owner) for owner in owners]}}
        with store_operation(self._timeout):
            await self._collection.delete_many(query)

    @property
    def _collection(self) -> Any:
        return self._connection.collection(COLLECTION)


def _id(key: KeyIdentity) -> str:
    return key.owner.digest(key.id)


def _merged(key: KeyIdentity, use: KeyUse) -> Document:
    """Return the expressions that make a document of the one that is there, if any, and ``use``."""
    times = [time for time in (use.last_used_at, use.last_result_at) if time]
    merged: Document = {
        "owner": owner_id(key.owner),
        "updatedAt": {"$max": ["$updatedAt", *times]},
    }
    if use.last_used_at:
        merged["lastUsedAt"] = {"$max": ["$lastUsedAt", use.last_used_at]}
    if use.last_result_at:
        # What is missing is less than any date.
        newer = {"$gte": [use.last_result_at, "$lastResultAt"]}
        merged["lastResult"] = {"$cond": [newer, use.last_result, "$lastResult"]}
        merged["lastResultAt"] = {"$max": ["$lastResultAt", use.last_result_at]}
    return merged


def _to_use(document: Document) -> KeyUse:
    return KeyUse(
        last_used_at=_utc(document.get("lastUsedAt")),
        last_result=document.get("lastResult"),
        last_result_at=_utc(document.get("lastResultAt")),
    )


def _utc(time: datetime | None) -> datetime | None:
    """Return a time with its zone, which the drivers leave out."""
    return time and time.replace(tzinfo=timezone.utc)

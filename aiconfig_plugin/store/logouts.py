"""Log-outs in MongoDB: ``{_id, at, subject?, token?}``, removed after a day.

Change streams would be quicker, but a standalone ``mongod`` has none; a tailable cursor ends
without a word when nothing happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone
from typing import Any, Final

from bson import ObjectId

from aiconfig_plugin.domain import LOGOUTS_KEPT, Logout
from aiconfig_plugin.store.collections import CollectionSpec, Document, Index
from aiconfig_plugin.store.connection import Connection
from aiconfig_plugin.store.operation import measured, store_operation

COLLECTION: Final = "ai_model_logouts"
LOGOUTS: Final = CollectionSpec(
    COLLECTION, {}, indexes=(Index({"at": 1}, {"expireAfterSeconds": int(LOGOUTS_KEPT)}),)
)


class MongoLogouts:
    """:class:`~aiconfig_plugin.domain.ports.Logouts` over one MongoDB database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timeout = connection.timeout

    @measured("log-out")
    async def add(self, *, subject: str | None = None, token: str | None = None) -> None:
        given = {"subject": subject, "token": token}
        told = {name: {"$literal": value} for name, value in given.items() if value is not None}
        with store_operation(self._timeout, unanswered="unknown"):
            # An update, as only that can take the server's time.
            await self._connection.collection(COLLECTION).update_one(
                {"_id": ObjectId()}, [{"$set": {**told, "at": "$$NOW"}}], upsert=True
            )

    @measured("log-outs")
    async def recent(self, seconds: float) -> Sequence[Logout]:
        since = {"$subtract": ["$$NOW", int(seconds * 1000)]}
        with store_operation(self._timeout):
            # Not those of a primary that was deposed meanwhile.
            found = self._current.find({"$expr": {"$gte": ["$at", since]}}).sort("at", 1)
            documents: list[Document] = await found.to_list(None)
        return [
            Logout(
                id=str(document["_id"]),
                at=document["at"].replace(tzinfo=timezone.utc),
                subject=document.get("subject"),
                token=document.get("token"),
            )
            for document in documents
        ]

    @property
    def _current(self) -> Any:
        return self._connection.current(COLLECTION)

"""Configurations kept in MongoDB.

One document for each owner, so every write is one atomic operation on one document. Only calls
that Motor and PyMongo's own asynchronous API share are used; a host may bring either. With
:mod:`~aiconfig_plugin.store.connection` the only file that knows them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from aiconfig_plugin.domain import AIConfig, Owner, Replaced, Rewrapping, StoredConfig
from aiconfig_plugin.errors import (
    ConfigExists,
    ConfigNotFound,
    RevisionMismatch,
    StorageUnavailable,
)
from aiconfig_plugin.store.collections import Document
from aiconfig_plugin.store.connection import Connection
from aiconfig_plugin.store.documents import (
    COLLECTION,
    keeping_keys,
    owner_id,
    to_config,
    to_document,
    to_keys,
    to_owner,
)
from aiconfig_plugin.store.operation import (
    DOCUMENT_VALIDATION_FAILURE,
    MAX_READS,
    MAX_WRITES,
    SCAN_TIMEOUT,
    ConcurrencyLimit,
    measured,
    store_operation,
)
from aiconfig_plugin.store.point_reads import find_by_id
from aiconfig_plugin.store.shared_reads import SharedReads

# A write is tried again only where it changed nothing and by now would find something to change.
_MAX_ATTEMPTS: Final = 5


class MongoRepository:
    """A :class:`~aiconfig_plugin.domain.ports.Repository` over one MongoDB database.

    Writes wait for a majority, whatever the host's defaults are. How many operations run or wait
    at once is bounded, and so is the time of each; counting keys may take longer.

    On a replica set a read sees every write that was acknowledged before it ("linearizable"),
    which costs the store as much as a write does. Where the connection string or the database
    given says ``majority`` (``readConcernLevel``), reads are faster, and for some seconds after a
    failover one may see what has been replaced; a write is never decided on such a read.

    Every method but :meth:`close` raises :class:`~aiconfig_plugin.errors.StorageUnavailable` for
    an outage, also when the store refuses the credentials, and RuntimeError before :meth:`start`.
    """

    def __init__(self, connection: Connection) -> None:
        self._reads = ConcurrencyLimit(MAX_READS)
        self._writes = ConcurrencyLimit(MAX_WRITES, refused="nothing-changed")
        self._connection = connection
        self._find = partial(find_by_id, connection, COLLECTION)
        self._timeout = connection.timeout
        self._shared = SharedReads(self._find, self._timeout)

    async def start(self) -> None:
        """Open the connection, which all stores share, with its collections up to date.

        May be called again, and by many gateways at once. Raises
        :class:`~aiconfig_plugin.errors.ConfigurationError` for a connection string or a name that
        cannot be used, and for a right that the database's user lacks; it repeats nothing of the
        connection string.
        """
        await self._connection.open()

    async def close(self) -> None:
        """Answer the reads that wait, and close the connection."""
        await self._shared.close()
        await self._connection.close()

    @measured("read")
    async def read(self, owner: Owner) -> AIConfig:
        id = owner_id(owner)
        with self._reads:
            if self._connection.reads_may_be_shared:
                found = await self._shared.read(id)
            else:
                with store_operation(self._timeout):
                    found = (await self._find((id,))).get(id)
        if found is None:
            raise ConfigNotFound
        return to_config(found)

    @measured("create")
    async def create(self, owner: Owner, config: AIConfig) -> AIConfig:
        document = to_document(owner, config)
        with self._writes, store_operation(self._timeout):
            for _ in range(_MAX_ATTEMPTS):
                try:
                    with self._writing():
                        await self._collection.insert_one(document)
                    return config
                except DuplicateKeyError as err:
                    if await self._find_current(owner):
                        raise ConfigExists from err
            raise _overtaken()

    @measured("replace")
    async def replace(
        self,
        owner: Owner,
        config: AIConfig,
        *,
        keep: Collection[int] = (),
        if_match: Collection[str] | None = None,
    ) -> Replaced:
        document = to_document(owner, config)
        collection = self._collection
        if keep:
            pipeline = [{"$replaceWith": keeping_keys(document, keep)}]
            before = await self._change(
                lambda query: collection.find_one_and_update(query, pipeline), owner, if_match
            )
            config = config.with_keys(to_keys(before), keep)
        else:
            before = await self._change(
                lambda query: collection.find_one_and_replace(query, document), owner, if_match
            )
        return Replaced(config, lambda: to_config(before))

    @measured("delete")
    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> AIConfig:
        before = await self._change(self._collection.find_one_and_delete, owner, if_match)
        return to_config(before)

    async def _change(
        self,
        change: Callable[[Document], Awaitable[Document | None]],
        owner: Owner,
        if_match: Collection[str] | None,
    ) -> Document:
        """Return the document as it was before the change, or raise why there was none.

        A write that changes nothing is answered without asking the majority, so its word alone
        may be that of a primary that was deposed.
        """
        query = _matching(owner, if_match)
        with self._writes, store_operation(self._timeout):
            for _ in range(_MAX_ATTEMPTS):
                with self._writing():
                    before = await change(query)
                if before is not None:
                    return before
                found = await self._find_current(owner)
                if found is None:
                    raise ConfigNotFound
                if if_match is not None and found["revision"] not in if_match:
                    raise RevisionMismatch
            raise _overtaken()

    def _writing(self) -> AbstractContextManager[None]:
        return store_operation(self._timeout, unanswered="unknown")

    async def _find_current(self, owner: Owner) -> Document | None:
        """Return the revision of the owner's document, after a write that changed nothing."""
        with store_operation(self._timeout, unanswered="nothing-changed"):
            found: Document | None = await self._connection.current(COLLECTION).find_one(
                _matching(owner), {"revision": 1}
            )
        return found

    @measured("kids")
    async def kids(self) -> Collection[str]:
        """Return each ``kid`` that wraps a stored key, by a look at one document for each.

        ``distinct`` would need none, but is not in MongoDB's stable API.
        """
        found: set[str] = set()
        with store_operation(self._timeout):
            while document := await self._collection.find_one(
                {"models": {"$elemMatch": {"key.kid": {"$gt": "", "$nin": [*found]}}}},
                {"models.key.kid": 1},
            ):
                found.update(e["key"]["kid"] for e in document["models"] if "key" in e)
        return found

    @measured("count")
    async def count_owners(self, kid: str | None = None) -> int:
        query = {"models.key.kid": {"$gt": ""} if kid is None else kid}
        command = {"count": COLLECTION, "query": query}
        await self._connection.ping()
        with store_operation(SCAN_TIMEOUT):
            # Answered from the index, if with a look at each of its entries for the kid.
            reply = await self._connection.database.command(
                command, readConcern={"level": "majority"}
            )
        return int(reply["n"])

    @measured("count")
    async def count_by_kid(self) -> Mapping[str, int]:
        """Return how many stored keys each ``kid`` wraps. Reads the whole collection."""
        pipeline: list[Document] = [
            {"$match": {"models.key.kid": {"$type": "string"}}},
            {"$unwind": "$models"},
            {"$match": {"models.key.kid": {"$type": "string"}}},
            {"$group": {"_id": "$models.key.kid", "count": {"$sum": 1}}},
            # One document, so that no cursor is left: Motor and PyMongo differ in how to read one.
            {"$group": {"_id": None, "kids": {"$push": {"kid": "$_id", "count": "$count"}}}},
        ]
        await self._connection.ping()
        with store_operation(SCAN_TIMEOUT):
            reply = await self._connection.database.command(
                {"aggregate": COLLECTION, "pipeline": pipeline, "cursor": {}},
                readConcern={"level": "majority"},
            )
        groups = [group for row in reply["cursor"]["firstBatch"] for group in row["kids"]]
        return {group["kid"]: group["count"] for group in groups}

    @measured("page")
    async def wrapped_by(self, kid: str, *, after: str = "", limit: int) -> Sequence[StoredConfig]:
        await self._connection.ping()
        while documents := await self._page(kid, after, limit):
            # One that lies in another owner's place was put there by somebody else.
            found = [doc for doc in documents if doc["_id"] == owner_id(to_owner(doc))]
            if found:
                return [StoredConfig(doc["_id"], to_owner(doc), to_config(doc)) for doc in found]
            after = documents[-1]["_id"]
        return []

    async def _page(self, kid: str, after: str, limit: int) -> list[Document]:
        query = {"models.key.kid": kid, "_id": {"$gt": after}}
        with store_operation(SCAN_TIMEOUT):
            found = self._collection.find(query).sort("_id", 1).limit(limit)
            documents: list[Document] = await found.to_list(limit)
        return documents

    @measured("rewrap")
    async def rewrap(self, rewrappings: Sequence[Rewrapping]) -> int:
        if not rewrappings:
            return 0
        updates = [
            UpdateOne(
                {"_id": rewrapping.id, "revision": rewrapping.revision},
                {
                    "$set": {
                        f"models.{position}.key": {"kid": key.kid, "jwe": key.jwe}
                        for position, key in rewrapping.keys.items()
                    }
                },
            )
            for rewrapping in rewrappings
        ]
        with store_operation(SCAN_TIMEOUT):
            try:
                result = await self._collection.bulk_write(updates, ordered=False)
            except BulkWriteError as err:
                failed = [*err.details["writeErrors"], *err.details["writeConcernErrors"]]
                if any(error["code"] != DOCUMENT_VALIDATION_FAILURE for error in failed):
                    raise
                # What somebody wrote past the validator stays; it must not keep back the others.
                return int(err.details["nModified"])
        return int(result.modified_count)

    @property
    def _collection(self) -> Any:
        return self._connection.collection(COLLECTION)


def _overtaken() -> StorageUnavailable:
    return StorageUnavailable(
        f"Other writers were faster {_MAX_ATTEMPTS} times.",
        retry_after=1,
        outcome="nothing-changed",
    )


def _matching(owner: Owner, if_match: Collection[str] | None = None) -> Document:
    query: Document = {"_id": owner_id(owner)}
    if if_match is not None:
        query["revision"] = {"$in": list(if_match)}
    return query

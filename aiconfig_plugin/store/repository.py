"""Configurations kept in MongoDB.

One document for each owner, so every write is one atomic operation on one document. Only calls
that Motor and PyMongo's own asynchronous API share are used; a host may bring either. With
:mod:`~aiconfig_plugin.store.connection` the only file that knows them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from aiconfig_plugin.domain import AIConfig, Owner, Replaced, Rewrapping, StoredConfig
from aiconfig_plugin.errors import ConfigExists, ConfigNotFound, RevisionMismatch
from aiconfig_plugin.store.connection import (
    DOCUMENT_VALIDATION_FAILURE,
    MAX_READS,
    MAX_WRITES,
    TIMEOUT,
    Address,
    Connection,
    Database,
    Gate,
    bounded,
)
from aiconfig_plugin.store.documents import (
    COLLECTION,
    Document,
    owner_id,
    replacement,
    to_config,
    to_document,
    to_owner,
)
from aiconfig_plugin.store.migration import migrate
from aiconfig_plugin.store.shared_reads import SharedReads

# Seconds for what reads every document: a count by kid, or an index over a restored collection.
_SCAN_TIMEOUT: Final = 300.0


class MongoRepository:
    """A :class:`~aiconfig_plugin.domain.ports.Repository` over one MongoDB database.

    ``database`` belongs to the host, is a Motor ``AsyncIOMotorDatabase`` or a PyMongo
    ``AsyncDatabase``, and is never closed here; :meth:`connect` makes a client of its own. Writes
    wait for a majority, whatever the host's defaults are. ``timeout`` bounds each operation, in
    seconds; counting keys and building an index may take longer. How many run or wait at once is
    bounded too.

    On a replica set a read sees every write that was acknowledged before it ("linearizable"),
    which costs the store as much as a write does. Where the connection string or the database
    given says ``majority`` (``readConcernLevel``), reads are faster, and for some seconds after a
    failover one may see what has been replaced; a write is never decided on such a read.

    Every method but :meth:`close` raises :class:`~aiconfig_plugin.errors.StorageUnavailable` for
    an outage, also when the store refuses the credentials, and RuntimeError before :meth:`start`.
    """

    def __init__(self, database: Database | Address, *, timeout: float = TIMEOUT) -> None:
        if timeout <= 0:
            raise ValueError("timeout must be a positive number of seconds")
        self._reads, self._writes = Gate(MAX_READS), Gate(MAX_WRITES)
        self._connection = Connection(database, COLLECTION, timeout)
        self._shared = SharedReads(self._connection.find, timeout)
        self._timeout = timeout

    @classmethod
    def connect(cls, uri: str, name: str, *, timeout: float = TIMEOUT) -> MongoRepository:
        """Use the database ``name`` behind ``uri``. No client is made before :meth:`start`."""
        return cls(Address(uri, name), timeout=timeout)

    async def start(self) -> None:
        """Reach the store and bring collection, validator and index up to date.

        May be called again, and by many gateways at once. Raises
        :class:`~aiconfig_plugin.errors.ConfigurationError` for a connection string or a name that
        cannot be used; it repeats nothing of the connection string.
        """
        fresh = not self._connection.is_open
        try:
            await self._connection.open()
            with bounded(self._timeout):
                await migrate(self._connection.database)
            with bounded(_SCAN_TIMEOUT):
                # Finds what a key still wraps, in the order in which a rotation goes through it.
                await self._collection.create_index([("models.key.kid", 1), ("_id", 1)])
        except BaseException:
            if fresh:
                await self.close()
            raise

    async def close(self) -> None:
        """Answer the reads that wait; close the client that :meth:`start` made, if it made one."""
        await self._shared.close()
        await self._connection.close()

    async def read(self, owner: Owner) -> AIConfig:
        id = owner_id(owner)
        with self._reads:
            if self._connection.reads_may_be_shared:
                found = await self._shared.read(id)
            else:
                with bounded(self._timeout):
                    found = (await self._connection.find((id,))).get(id)
        if found is None:
            raise ConfigNotFound
        return to_config(found)

    async def create(self, owner: Owner, config: AIConfig) -> AIConfig:
        with self._writes, bounded(self._timeout):
            while True:
                try:
                    await self._collection.insert_one(to_document(owner, config))
                    return config
                except DuplicateKeyError as err:
                    if await self._connection.current.find_one(_matching(owner), {"_id": 1}):
                        raise ConfigExists from err

    async def replace(
        self,
        owner: Owner,
        config: AIConfig,
        *,
        keep: Collection[int] = (),
        if_match: Collection[str] | None = None,
    ) -> Replaced:
        update = [{"$replaceWith": replacement(to_document(owner, config), keep)}]
        query = _matching(owner, if_match)
        replace = self._collection.find_one_and_update
        with self._writes, bounded(self._timeout):
            while (before := await replace(query, update)) is None:
                await self._refuse(owner, if_match)
        found = to_config(before)
        return Replaced(found, config.keeping_keys_of(found, keep))

    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> AIConfig:
        query = _matching(owner, if_match)
        with self._writes, bounded(self._timeout):
            while (before := await self._collection.find_one_and_delete(query)) is None:
                await self._refuse(owner, if_match)
        return to_config(before)

    async def kids(self) -> Collection[str]:
        with bounded(self._timeout):
            # Answered from the index alone.
            reply = await self._connection.database.command(
                {"distinct": COLLECTION, "key": "models.key.kid"}, readConcern={"level": "majority"}
            )
        return [kid for kid in reply["values"] if isinstance(kid, str)]

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
        with bounded(_SCAN_TIMEOUT):
            reply = await self._connection.database.command(
                {"aggregate": COLLECTION, "pipeline": pipeline, "cursor": {}},
                readConcern={"level": "majority"},
            )
        groups = [group for row in reply["cursor"]["firstBatch"] for group in row["kids"]]
        return {group["kid"]: group["count"] for group in groups}

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
        with bounded(_SCAN_TIMEOUT):
            found = self._collection.find(query).sort("_id", 1).limit(limit)
            documents: list[Document] = await found.to_list(limit)
        return documents

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
        with bounded(_SCAN_TIMEOUT):
            try:
                result = await self._collection.bulk_write(updates, ordered=False)
            except BulkWriteError as err:
                refused = err.details["writeErrors"]
                if any(error["code"] != DOCUMENT_VALIDATION_FAILURE for error in refused):
                    raise
                # What somebody wrote past the validator stays; it must not keep back the others.
                return len(updates) - len(refused)
        matched: int = result.matched_count
        return matched

    @property
    def _collection(self) -> Any:
        return self._connection.collection

    async def _refuse(self, owner: Owner, if_match: Collection[str] | None) -> None:
        """Raise why a write found nothing, or return where it would find something now.

        A write that changes nothing is answered without asking the majority, so its word alone
        may be that of a primary that was deposed.
        """
        found = await self._connection.current.find_one(_matching(owner), {"revision": 1})
        if found is None:
            raise ConfigNotFound
        if if_match is not None and found["revision"] not in if_match:
            raise RevisionMismatch


def _matching(owner: Owner, if_match: Collection[str] | None = None) -> Document:
    query: Document = {"_id": owner_id(owner)}
    if if_match is not None:
        query["revision"] = {"$in": list(if_match)}
    return query

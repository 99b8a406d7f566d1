"""Configurations kept in MongoDB.

One document for each owner, so every write is one atomic operation on one document. Only calls
that Motor and PyMongo's own asynchronous API share are used; a host may bring either. With
:mod:`~aiconfig_plugin.mongodb` the only file that knows them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pymongo
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.errors import ConfigurationError as MongoConfigurationError
from pymongo.read_concern import ReadConcern

from aiconfig_plugin.documents import (
    COLLECTION,
    Document,
    owner_id,
    replacement,
    to_config,
    to_document,
    to_owner,
)
from aiconfig_plugin.errors import ConfigExists, ConfigNotFound, RevisionMismatch
from aiconfig_plugin.migration import migrate
from aiconfig_plugin.model import AIConfig, Owner
from aiconfig_plugin.mongodb import (
    DOCUMENT_VALIDATION_FAILURE,
    LIMIT,
    TIMEOUT,
    Address,
    Database,
    Gate,
    bounded,
    wrong_uri,
)
from aiconfig_plugin.ports import Rewrapping, StoredConfig

# Seconds for what reads every document: a count by kid, or an index over a restored collection.
_SCAN_TIMEOUT: Final = 300.0


@dataclass(frozen=True)
class _Opened:
    """What the database gives, made once: a handle costs as much as many an operation's share."""

    database: Database
    # The calls of the two drivers agree, their annotations do not.
    collection: Any
    current: Any
    """The collection, for a read that must see every write acknowledged before it."""
    reading: Any
    """The collection, for what the owners read."""


class MongoRepository:
    """A :class:`~aiconfig_plugin.ports.Repository` over one MongoDB database.

    ``database`` belongs to the host, is a Motor ``AsyncIOMotorDatabase`` or a PyMongo
    ``AsyncDatabase``, and is never closed here; :meth:`connect` makes a client of its own. Writes
    wait for a majority, whatever the host's defaults are. ``timeout`` bounds each operation, in
    seconds; counting keys and building an index may take longer. ``limit`` bounds how many
    operations on owners' configurations run or wait at once.

    On a replica set a read sees every write that was acknowledged before it ("linearizable"),
    which costs the store as much as a write does. Where the connection string or the database
    given says ``majority`` (``readConcernLevel``), reads are faster, and for some seconds after a
    failover one may see what has been replaced; a write is never decided on such a read.

    Every method but :meth:`close` raises :class:`~aiconfig_plugin.errors.StorageUnavailable` for
    an outage, also when the store refuses the credentials, and RuntimeError before :meth:`start`.
    """

    def __init__(
        self, database: Database | Address, *, timeout: float = TIMEOUT, limit: int = LIMIT
    ) -> None:
        self._operation = Gate(timeout, limit).operation
        self._source = database
        self._timeout = timeout
        self._client: AsyncIOMotorClient[Document] | None = None
        self._opened: _Opened | None = None
        self._unproven_reads = False

    @classmethod
    def connect(
        cls, uri: str, name: str, *, timeout: float = TIMEOUT, limit: int = LIMIT
    ) -> MongoRepository:
        """Use the database ``name`` behind ``uri``. No client is made before :meth:`start`."""
        return cls(Address(uri, name), timeout=timeout, limit=limit)

    async def start(self) -> None:
        """Reach the store and bring collection, validator and index up to date.

        May be called again, and by many gateways at once. Raises
        :class:`~aiconfig_plugin.errors.ConfigurationError` for a connection string or a name that
        cannot be used; it repeats nothing of the connection string.
        """
        fresh = self._opened is None
        if fresh:
            self._open()
        try:
            await self._ping()
            with bounded(self._timeout):
                await self._choose_read_concern()
                await migrate(self._database)
            with bounded(_SCAN_TIMEOUT):
                # Finds what a key still wraps, in the order in which a rotation goes through it.
                await self._collection.create_index([("models.key.kid", 1), ("_id", 1)])
        except BaseException:
            if fresh:
                await self.close()
            raise

    async def close(self) -> None:
        """Close the client that :meth:`start` made, if it made one."""
        client, self._client, self._opened = self._client, None, None
        if client is not None:
            # It says good-bye over the network, which must not hold up the loop.
            with pymongo.timeout(self._timeout):
                await asyncio.to_thread(client.close)

    async def read(self, owner: Owner) -> AIConfig:
        collection = self._started.reading
        with self._operation():
            found = await collection.find_one(_matching(owner))
        if found is None:
            raise ConfigNotFound
        return to_config(found)

    async def create(self, owner: Owner, config: AIConfig) -> None:
        with self._operation():
            while True:
                try:
                    await self._collection.insert_one(to_document(owner, config))
                    return
                except DuplicateKeyError as err:
                    if await self._current.find_one(_matching(owner), {"_id": 1}):
                        raise ConfigExists from err

    async def replace(
        self,
        owner: Owner,
        config: AIConfig,
        *,
        keep: Collection[int] = (),
        if_match: Collection[str] | None = None,
    ) -> AIConfig:
        update = [{"$replaceWith": replacement(to_document(owner, config), keep)}]
        query = _matching(owner, if_match)
        with self._operation():
            while (before := await self._collection.find_one_and_update(query, update)) is None:
                await self._refuse(owner, if_match)
        return to_config(before)

    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> AIConfig:
        query = _matching(owner, if_match)
        with self._operation():
            while (before := await self._collection.find_one_and_delete(query)) is None:
                await self._refuse(owner, if_match)
        return to_config(before)

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
        await self._ping()
        with bounded(_SCAN_TIMEOUT):
            reply = await self._database.command(
                {"aggregate": COLLECTION, "pipeline": pipeline, "cursor": {}},
                readConcern={"level": "majority"},
            )
        groups = [group for row in reply["cursor"]["firstBatch"] for group in row["kids"]]
        return {group["kid"]: group["count"] for group in groups}

    async def wrapped_by(self, kid: str, *, after: str = "", limit: int) -> Sequence[StoredConfig]:
        await self._ping()
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
    def _started(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError("The repository is not started: await start() first.")
        return self._opened

    @property
    def _database(self) -> Database:
        return self._started.database

    @property
    def _collection(self) -> Any:
        return self._started.collection

    @property
    def _current(self) -> Any:
        return self._started.current

    def _open(self) -> None:
        if isinstance(self._source, Address):
            self._client, database = self._source.open(self._timeout)
        else:
            database = self._source
        self._unproven_reads = database.read_concern.level == "majority"
        database = database.with_options(
            codec_options=CodecOptions(),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        )
        collection = database[COLLECTION]
        self._opened = _Opened(database, collection, current=collection, reading=collection)

    async def _ping(self) -> None:
        with bounded(self._timeout):
            try:
                await self._database.command("ping")
            except MongoConfigurationError:
                # A mongodb+srv name that does not resolve comes to light only here.
                if self._client is None:
                    raise
                raise wrong_uri() from None

    async def _choose_read_concern(self) -> None:
        """Where there can be another primary, let the one that is asked prove that it still is.

        A majority read may come from one that was deposed and has not noticed. A standalone
        ``mongod`` knows no such proof and needs none.
        """
        hello = await self._database.command("hello")
        several = "setName" in hello or hello.get("msg") == "isdbgrid"
        concern = ReadConcern("linearizable" if several else "majority")
        started, current = self._started, self._collection.with_options(read_concern=concern)
        reading = started.collection if self._unproven_reads else current
        self._opened = replace(started, current=current, reading=reading)

    async def _refuse(self, owner: Owner, if_match: Collection[str] | None) -> None:
        """Raise why a write found nothing, or return where it would find something now.

        A write that changes nothing is answered without asking the majority, so its word alone
        may be that of a primary that was deposed.
        """
        found = await self._current.find_one(_matching(owner), {"revision": 1})
        if found is None:
            raise ConfigNotFound
        if if_match is not None and found["revision"] not in if_match:
            raise RevisionMismatch


def _matching(owner: Owner, if_match: Collection[str] | None = None) -> Document:
    query: Document = {"_id": owner_id(owner)}
    if if_match is not None:
        query["revision"] = {"$in": list(if_match)}
    return query

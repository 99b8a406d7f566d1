"""Reaching MongoDB: a client of our own, and which of the driver's errors are an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import pymongo
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo import ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    InvalidName,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.errors import ConfigurationError as MongoConfigurationError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options

from aiconfig_plugin.errors import AIConfigError, ConfigurationError, StorageUnavailable
from aiconfig_plugin.settings import variable

Database: TypeAlias = "AsyncIOMotorDatabase[dict[str, Any]] | AsyncDatabase[dict[str, Any]]"

TIMEOUT: Final = 8.0
"""Seconds for one operation; with an introspection before it, a request stays under 12."""
MAX_WRITES: Final = 500
"""Writes at once, most of which only wait: a driver has some 100 connections."""
MAX_READS: Final = 4000
"""Reads at once; one that waits holds no body, so there may be more of them."""

# Numbers from https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
DOCUMENT_VALIDATION_FAILURE: Final = 121
# Unauthorized, AuthenticationFailed.
_REFUSALS: Final = frozenset({13, 18})
_OUTAGES: Final = frozenset({
    *(6, 7, 89, 202, 9001),  # host unreachable or not found, network timeouts, socket
    *(24, 262, 11601),  # lock timeout, time limit, interrupted
    *(64, 79, 100),  # write concern failed, unknown, not satisfiable
    *(91, 189, 10107, 11600, 11602, 13435, 13436),  # shutting down, stepping down, not primary
    *(133, 134),  # no host fits the read preference; no majority snapshot yet
    *(355, 371, 14031),  # storage changes, writes blocked, disk full
})  # fmt: skip


@dataclass(frozen=True)
class Address:
    uri: str = field(repr=False)
    name: str

    def open(self, timeout: float) -> tuple[AsyncIOMotorClient[dict[str, Any]], Database]:
        half = round(timeout * 500)
        try:
            if not self.uri.startswith(("mongodb://", "mongodb+srv://")):
                raise InvalidURI("no scheme")
            _, _, options = self.uri.partition("?")
            if options:
                # The client only warns of an option that it drops, "tls=ture" among them.
                split_options(options)
            client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
                self.uri, serverSelectionTimeoutMS=half, connectTimeoutMS=half
            )
        except (PyMongoError, ValueError, TypeError, OSError):
            # Neither the message nor the cause is passed on: the URI may hold a password.
            raise wrong_uri() from None
        try:
            return client, client[self.name]
        except InvalidName as err:
            client.close()
            raise ConfigurationError(
                f"{variable('mongodb_database')} is not a name that MongoDB takes."
            ) from err


def wrong_uri() -> ConfigurationError:
    return ConfigurationError(
        f"{variable('mongodb_uri')} is not a MongoDB connection string that can be used: "
        "check its form, its options and the files and DNS names it refers to."
    )


@dataclass(frozen=True)
class _Handles:
    """Made once: the driver takes a tenth of an operation's time to make one."""

    database: Database
    # The calls of the two drivers agree, their annotations do not.
    collection: Any
    current: Any
    reading: Any
    """The collection, for what is read without a write behind it."""


class Connection:
    """One collection of a database that belongs to the host, or of a client of our own.

    RuntimeError where it is used before :meth:`open`.
    """

    def __init__(self, source: Database | Address, collection: str, timeout: float) -> None:
        self._source = source
        self._name = collection
        self._timeout = timeout
        self._client: AsyncIOMotorClient[dict[str, Any]] | None = None
        self._handles: _Handles | None = None
        self._unproven_reads = False

    @property
    def is_open(self) -> bool:
        return self._handles is not None

    @property
    def database(self) -> Database:
        return self._opened.database

    @property
    def collection(self) -> Any:
        return self._opened.collection

    @property
    def current(self) -> Any:
        """The collection, for a read that must see every write acknowledged before it."""
        return self._opened.current

    @property
    def _opened(self) -> _Handles:
        if self._handles is None:
            raise RuntimeError("The repository is not started: await start() first.")
        return self._handles

    async def open(self) -> None:
        """Make the client, if none is given, reach the store and see what kind it is."""
        if self._handles is None:
            self._open()
        await self.ping()
        with bounded(self._timeout):
            await self._choose_read_concern()

    async def close(self) -> None:
        client, self._client, self._handles = self._client, None, None
        if client is not None:
            # It says good-bye over the network, which must not hold up the loop.
            with pymongo.timeout(self._timeout):
                await asyncio.to_thread(client.close)

    async def ping(self) -> None:
        with bounded(self._timeout):
            try:
                await self.database.command("ping")
            except MongoConfigurationError:
                # A mongodb+srv name that does not resolve comes to light only here.
                if self._client is None:
                    raise
                raise wrong_uri() from None

    @property
    def reads_may_be_shared(self) -> bool:
        """Whether one query may be for several documents.

        "Linearizable" is promised for a query that identifies a single one.
        """
        return bool(self._opened.reading.read_concern.level == "majority")

    async def find(self, ids: Collection[str]) -> Mapping[str, dict[str, Any]]:
        """Return those of the documents that there are, by their ``_id``."""
        if len(ids) == 1:
            [id] = ids
            found = await self._find_one({"_id": id})
        else:
            query = {"_id": {"$in": list(ids)}}
            found = await self._opened.reading.find(query).limit(len(ids)).to_list(len(ids))
        return {document["_id"]: document for document in found}

    async def _find_one(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Find by the command alone; a cursor costs a third as much again."""
        handles = self._opened
        command = {"find": self._name, "filter": query, "limit": 1, "singleBatch": True}
        concern = handles.reading.read_concern.document
        try:
            reply = await handles.database.command({**command, "readConcern": concern})
        except (ConnectionFailure, OperationFailure):
            # The driver asks a second time for a cursor, and never for a command.
            found = await handles.reading.find_one(query)
            return [] if found is None else [found]
        batch: list[dict[str, Any]] = reply["cursor"]["firstBatch"]
        return batch

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
        collection = database[self._name]
        self._handles = _Handles(database, collection, current=collection, reading=collection)

    async def _choose_read_concern(self) -> None:
        """Where there can be another primary, let the one that is asked prove that it still is.

        A majority read may come from one that was deposed and has not noticed. A standalone
        ``mongod`` knows no such proof and needs none.
        """
        hello = await self.database.command("hello")
        several = "setName" in hello or hello.get("msg") == "isdbgrid"
        concern = ReadConcern("linearizable" if several else "majority")
        current = self.collection.with_options(read_concern=concern)
        reading = self.collection if self._unproven_reads else current
        self._handles = replace(self._opened, current=current, reading=reading)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Bound what is awaited inside in time, and translate the driver's errors.

    An outage is what may heal while the request stays the same, or what only the operator can
    heal; anything else is a defect and stays what it is.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except (ConnectionFailure, WriteConcernError) as err:
        raise StorageUnavailable("The store gave no answer in time.") from err
    except BulkWriteError:
        # Its message quotes the documents. Each write of it may be asked for again.
        raise StorageUnavailable("The store did not take every write.") from None
    except OperationFailure as err:
        if err.code == DOCUMENT_VALIDATION_FAILURE:
            # The server's message quotes the value, which may be the key in plain text that the
            # validator is there to refuse; so it must not get into a traceback either.
            raise AIConfigError("The store's validator refused the document.") from None
        if err.code in _REFUSALS:
            raise StorageUnavailable("The store refuses this gateway.") from err
        if err.code in _OUTAGES or err.timeout or err.has_error_label("RetryableWriteError"):
            raise StorageUnavailable("The store gave no answer in time.") from err
        raise


class Gate:
    """Bounds in number what runs inside at once.

    Without it a store that is stuck would fill the memory with requests that wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0

    def __enter__(self) -> None:
        if self._running >= self._limit:
            raise StorageUnavailable("Too many requests wait for the store.", retry_after=1)
        self._running += 1

    def __exit__(self, *_raised: object) -> None:
        self._running -= 1

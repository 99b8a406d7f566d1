"""Connect to MongoDB through Motor or PyMongo, and read what a read concern promises."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pymongo
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.errors import ConfigurationError as MongoConfigurationError
from pymongo.errors import (
    ConnectionFailure,
    InvalidName,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings import MongoDBDriver, variable
from aiconfig_plugin.store.operation import store_operation

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase
    from pymongo.asynchronous.database import AsyncDatabase

    Database: TypeAlias = AsyncIOMotorDatabase[dict[str, Any]] | AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True)
class Address:
    uri: str = field(repr=False)
    name: str

    driver: MongoDBDriver = "motor"

    def open(self, timeout: float) -> Any:
        """Return a client. Raises ``ConfigurationError``."""
        half = round(timeout * 500)
        try:
            if not self.uri.startswith(("mongodb://", "mongodb+srv://")):
                raise InvalidURI("no scheme")
            _, _, options = self.uri.partition("?")
            if options:
                # The client only warns of an option that it drops, "tls=ture" among them.
                split_options(options)
            return _client_class(self.driver)(
                self.uri, serverSelectionTimeoutMS=half, connectTimeoutMS=half
            )
        except (PyMongoError, ValueError, TypeError, OSError):
            # Neither the message nor the cause is passed on: the URI may hold a password.
            raise _invalid_uri() from None


def _client_class(driver: MongoDBDriver) -> Any:
    if driver == "pymongo":
        return AsyncMongoClient
    from motor.motor_asyncio import AsyncIOMotorClient  # not loaded where it is not used

    return AsyncIOMotorClient


def _invalid_uri() -> ConfigurationError:
    return ConfigurationError(
        f"{variable('mongodb_uri')} is not a valid MongoDB connection string: check its form, its "
        "options, and the files and DNS names in it."
    )


@dataclass(frozen=True)
class _Handles:
    """Made once: the driver takes a tenth of an operation's time to make one."""

    database: Database
    # The calls of the two drivers agree, their annotations do not.
    collection: Any
    current: Any
    read_concern: ReadConcern
    reads_may_be_shared: bool


class Connection:
    """One collection of a database that belongs to the host, or of a client of our own.

    RuntimeError where it is used before :meth:`open`.
    """

    def __init__(self, source: Database | Address, collection: str, timeout: float) -> None:
        self._source = source
        self._name = collection
        self._timeout = timeout
        self._client: Any = None
        self._handles: _Handles | None = None

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
    def reads_may_be_shared(self) -> bool:
        """Whether one query may be for several documents; see :meth:`find`."""
        return self._opened.reads_may_be_shared

    @property
    def _opened(self) -> _Handles:
        if self._handles is None:
            raise RuntimeError("The repository is not started: await start() first.")
        return self._handles

    async def open(self) -> None:
        """Make the client, if none is given, reach the database and see what kind it is."""
        database = self._database()
        with store_operation(self._timeout):
            try:
                hello = await database.command("hello")
            except MongoConfigurationError:
                # A mongodb+srv name that does not resolve comes to light only here.
                if self._client is None:
                    raise
                raise _invalid_uri() from None
        self._handles = self._choose_read_concern(database, hello)

    async def close(self) -> None:
        client, self._client, self._handles = self._client, None, None
        if client is None:
            return
        with pymongo.timeout(self._timeout):
            if isinstance(client, AsyncMongoClient):
                await client.close()
            else:
                # It ends its sessions over the network, which must not hold up the loop.
                await asyncio.to_thread(client.close)

    async def ping(self) -> None:
        with store_operation(self._timeout):
            await self.database.command("ping")

    async def find(self, ids: Collection[str]) -> Mapping[str, dict[str, Any]]:
        """Return those of the documents that exist, by their ``_id``.

        By commands alone, for two reasons. A cursor costs a third as much again. And a primary
        confirms a linearizable read before it replies to ``find``, but to ``getMore`` only since
        MongoDB 4.2 and with a timeout of its own (SERVER-37948): what did not fit into the reply
        is asked for anew.
        """
        found: dict[str, dict[str, Any]] = {}
        while missing := [id for id in ids if id not in found]:
            cursor = await self._find(missing)
            found.update((document["_id"], document) for document in cursor["firstBatch"])
            if not cursor["id"]:
                break
            await self.database.command({"killCursors": self._name, "cursors": [cursor["id"]]})
        return found

    async def _find(self, ids: list[str]) -> Mapping[str, Any]:
        query = {"_id": {"$in": ids} if len(ids) > 1 else ids[0]}
        opened = self._opened
        command = {
            "find": self._name,
            "filter": query,
            "limit": len(ids),
            "readConcern": opened.read_concern.document,
        }
        try:
            reply = await opened.database.command(command)
        except (ConnectionFailure, OperationFailure) as err:
            if err.timeout:
                raise
            # The driver repeats its own reads once, but no command.
            reply = await opened.database.command(command)
        cursor: Mapping[str, Any] = reply["cursor"]
        return cursor

    def _database(self) -> Any:
        if not isinstance(self._source, Address):
            return self._source
        if self._client is None:
            self._client = self._source.open(self._timeout)
        try:
            return self._client[self._source.name]
        except InvalidName as err:
            raise ConfigurationError(
                f"{variable('mongodb_database')} is not a valid name of a MongoDB database."
            ) from err

    def _choose_read_concern(self, database: Any, hello: Mapping[str, Any]) -> _Handles:
        """Where there can be another primary, let the one that is asked prove that it still is.

        A majority read may come from one that was deposed and has not noticed. A standalone
        ``mongod`` knows no such proof and needs none. A ``mongos`` may put a reply together from
        replies to ``getMore``, so there the proof is good for a single document only.
        """
        mongos = hello.get("msg") == "isdbgrid"
        concern = ReadConcern("linearizable" if mongos or "setName" in hello else "majority")
        reading = database.read_concern if database.read_concern.level == "majority" else concern
        database = database.with_options(
            codec_options=CodecOptions(),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        )
        collection = database[self._name]
        return _Handles(
            database,
            collection,
            current=collection.with_options(read_concern=concern),
            read_concern=reading,
            reads_may_be_shared=not mongos or reading.level == "majority",
        )

"""Connect to MongoDB through Motor or PyMongo, and read what a read concern promises."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pymongo
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError as MongoConfigurationError
from pymongo.errors import InvalidName, InvalidURI, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings import MongoDBDriver, variable
from aiconfig_plugin.store.collections import CollectionSpec
from aiconfig_plugin.store.migration import Migration
from aiconfig_plugin.store.operation import store_operation

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

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


def check_database(database: object) -> None:
    """Raise TypeError for what is no database of Motor or of PyMongo's asynchronous API."""
    # Whoever has a database of Motor's has imported Motor, so it is not imported for this.
    motor = sys.modules.get("motor.core")
    kinds = (AsyncDatabase, motor.AgnosticDatabase) if motor else (AsyncDatabase,)
    if not isinstance(database, kinds):
        given = type(database)
        raise TypeError(
            "database must be a Motor AsyncIOMotorDatabase or a PyMongo AsyncDatabase, "
            f"not {given.__module__}.{given.__qualname__}"
        )


def _invalid_uri() -> ConfigurationError:
    return ConfigurationError(
        f"{variable('mongodb_uri')} is not a valid MongoDB connection string: check its form, its "
        "options, and the files and DNS names in it."
    )


@dataclass(frozen=True)
class _Opened:
    """What is made once: the driver takes a tenth of an operation's time to make a collection.

    The calls of the two drivers agree, their annotations do not.
    """

    database: Database
    # That of a read which must see every write acknowledged before it.
    current: ReadConcern
    reading: ReadConcern
    reads_may_be_shared: bool
    collections: dict[str, Any] = field(default_factory=dict)


class Connection:
    """A database that belongs to the host, or that of a client of our own, with ``collections``.

    All stores share one. RuntimeError where it is used before :meth:`open`.
    """

    def __init__(
        self, source: Database | Address, collections: Sequence[CollectionSpec], timeout: float
    ) -> None:
        if timeout <= 0:
            raise ValueError("timeout must be a positive number of seconds")
        if not isinstance(source, Address):
            check_database(source)
        self.timeout = timeout
        self._source = source
        self._collections = collections
        self._client: Any = None
        self._handles: _Opened | None = None

    @property
    def database(self) -> Database:
        return self._opened.database

    def collection(self, name: str) -> Any:
        opened = self._opened
        if name not in opened.collections:
            opened.collections[name] = opened.database[name]
        return opened.collections[name]

    def current(self, name: str) -> Any:
        """Return the collection, for a read that must see every write acknowledged before it."""
        return self.collection(name).with_options(read_concern=self._opened.current)

    @property
    def reading(self) -> ReadConcern:
        """How a configuration is read: as :meth:`current`, unless the operator said otherwise."""
        return self._opened.reading

    @property
    def reads_may_be_shared(self) -> bool:
        """Whether one query may be for several documents; see :func:`find_by_id`."""
        return self._opened.reads_may_be_shared

    @property
    def _opened(self) -> _Opened:
        if self._handles is None:
            raise RuntimeError("The repository is not started: await start() first.")
        return self._handles

    async def open(self, *, inspect: bool = False) -> list[str]:
        """Reach the database, bring the collections up to date, and return what was changed.

        Makes the client where none is given. May be called again. ``inspect`` is that of
        :meth:`Migration.run`.
        """
        fresh = self._handles is None
        try:
            self._handles = await self._reach()
            migration = Migration(self.database, self._collections, timeout=self.timeout)
            return await migration.run(inspect=inspect)
        except BaseException:
            if fresh:
                await self.close()
            raise

    async def close(self) -> None:
        client, self._client, self._handles = self._client, None, None
        if client is None:
            return
        with pymongo.timeout(self.timeout):
            if isinstance(client, AsyncMongoClient):
                await client.close()
            else:
                # It ends its sessions over the network, which must not hold up the loop.
                await asyncio.to_thread(client.close)

    async def ping(self) -> None:
        with store_operation(self.timeout):
            await self.database.command("ping")

    async def _reach(self) -> _Opened:
        database = self._database()
        with store_operation(self.timeout):
            try:
                hello = await database.command("hello")
            except MongoConfigurationError:
                # A mongodb+srv name that does not resolve comes to light only here.
                if self._client is None:
                    raise
                raise _invalid_uri() from None
        return _choose_read_concern(database, hello)

    def _database(self) -> Any:
        if not isinstance(self._source, Address):
            return self._source
        if self._client is None:
            self._client = self._source.open(self.timeout)
        try:
            return self._client[self._source.name]
        except InvalidName as err:
            raise ConfigurationError(
                f"{variable('mongodb_database')} is not a valid name of a MongoDB database."
            ) from err


def _choose_read_concern(database: Any, hello: Mapping[str, Any]) -> _Opened:
    """Where there can be another primary, let the one that is asked prove that it still is.

    A majority read may come from one that was deposed and has not noticed. A standalone
    ``mongod`` knows no such proof and needs none. A ``mongos`` may put a reply together from
    replies to ``getMore``, so there the proof is good for a single document only.
    """
    mongos = hello.get("msg") == "isdbgrid"
    concern = ReadConcern("linearizable" if mongos or "setName" in hello else "majority")
    reading = database.read_concern if database.read_concern.level == "majority" else concern
    return _Opened(
        database.with_options(
            codec_options=CodecOptions(),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        ),
        current=concern,
        reading=reading,
        reads_may_be_shared=not mongos or reading.level == "majority",
    )

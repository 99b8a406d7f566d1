"""Configurations as documents in MongoDB, and the only file that knows Motor and PyMongo.

One document for each owner, so every write is one atomic operation on one document. Only calls
that Motor and PyMongo's own asynchronous API share are used; a host may bring either.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pymongo
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo import ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConfigurationError as MongoConfigurationError,
)
from pymongo.errors import (
    ConnectionFailure,
    DuplicateKeyError,
    InvalidName,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options

from aiconfig_plugin.errors import (
    AIConfigError,
    ConfigExists,
    ConfigNotFound,
    ConfigurationError,
    RevisionMismatch,
    StorageUnavailable,
)
from aiconfig_plugin.model import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.settings import variable

Document: TypeAlias = dict[str, Any]
Database: TypeAlias = "AsyncIOMotorDatabase[Document] | AsyncDatabase[Document]"

COLLECTION: Final = "ai_model_configs"
# Seconds for what reads every document: a count by kid, or an index over a restored collection.
_SCAN_TIMEOUT: Final = 300.0

# Numbers from https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_NAMESPACE_EXISTS: Final = 48
_DOCUMENT_VALIDATION_FAILURE: Final = 121
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


def _object(required: Mapping[str, Any], **optional: Any) -> Document:
    return {
        "bsonType": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def _string(low: int = 0, high: int | None = None, **more: str) -> Document:
    bounds = {"minLength": low} if high is None else {"minLength": low, "maxLength": high}
    return {"bsonType": "string", **bounds, **more}


# RFC 7516 section 7.1: five parts, so no API key in plain text fits. MongoDB takes PCRE, whose
# "$" would let a line feed follow.
_JWE: Final = r"^" + r"\.".join([r"[A-Za-z0-9_-]+"] * 5) + r"\z"
_ENTRY: Final = _object(
    {
        "provider": _string(1, 64),
        "type": _string(1, 32, pattern=r"^[a-z][a-z0-9_-]*\z"),
        "model": _string(1, 200),
        "isPaid": {"bsonType": "bool"},
    },
    key=_object({"kid": _string(1), "jwe": _string(pattern=_JWE)}),
)
VALIDATOR: Final[Document] = {
    "$jsonSchema": _object(
        {
            "_id": _string(43, 43),
            "issuer": _string(),
            "subject": _string(),
            "models": {"bsonType": "array", "minItems": 1, "maxItems": 100, "items": _ENTRY},
            "system_prompt": _string(0, 32_768),
            "revision": _string(1),
        }
    )
}
_OPTIONS: Final[Document] = {
    "validator": VALIDATOR,
    "validationLevel": "strict",
    "validationAction": "error",
}


@dataclass(frozen=True)
class _Address:
    uri: str = field(repr=False)
    name: str

    def open(self, timeout: float) -> tuple[AsyncIOMotorClient[Document], Database]:
        half = round(timeout * 500)
        try:
            if not self.uri.startswith(("mongodb://", "mongodb+srv://")):
                raise InvalidURI("no scheme")
            _, _, options = self.uri.partition("?")
            if options:
                # The client only warns of an option that it drops, "tls=ture" among them.
                split_options(options)
            client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
                self.uri, serverSelectionTimeoutMS=half, connectTimeoutMS=half
            )
        except (PyMongoError, ValueError, TypeError, OSError):
            # Neither the message nor the cause is passed on: the URI may hold a password.
            raise _wrong_uri() from None
        try:
            return client, client[self.name]
        except InvalidName as err:
            client.close()
            raise ConfigurationError(
                f"{variable('mongodb_database')} is not a name that MongoDB takes."
            ) from err


def _wrong_uri() -> ConfigurationError:
    return ConfigurationError(
        f"{variable('mongodb_uri')} is not a MongoDB connection string that can be used: "
        "check its form, its options and the files and DNS names it refers to."
    )


class MongoRepository:
    """A :class:`~aiconfig_plugin.ports.Repository` over one MongoDB database.

    ``database`` belongs to the host, is a Motor ``AsyncIOMotorDatabase`` or a PyMongo
    ``AsyncDatabase``, and is never closed here; :meth:`connect` makes a client of its own. Writes
    wait for a majority, whatever the host's defaults are. ``timeout`` bounds each operation, in
    seconds; counting keys and building an index may take longer.

    Every method but :meth:`close` raises :class:`~aiconfig_plugin.errors.StorageUnavailable` for
    an outage, also when the store refuses the credentials, and RuntimeError before :meth:`start`.
    """

    def __init__(self, database: Database | _Address, *, timeout: float = 10.0) -> None:
        if timeout <= 0:
            raise ValueError("timeout must be a positive number of seconds")
        self._source = database
        self._timeout = timeout
        self._client: AsyncIOMotorClient[Document] | None = None
        self._opened: Database | None = None

    @classmethod
    def connect(cls, uri: str, name: str, *, timeout: float = 10.0) -> MongoRepository:
        """Use the database ``name`` behind ``uri``. No client is made before :meth:`start`."""
        return cls(_Address(uri, name), timeout=timeout)

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
            with _bounded(_SCAN_TIMEOUT):
                await self._migrate()
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
        with _bounded(self._timeout):
            found = await self._collection.find_one(_matching(owner))
        if found is None:
            raise ConfigNotFound
        return _to_config(found)

    async def create(self, owner: Owner, config: AIConfig) -> None:
        with _bounded(self._timeout):
            try:
                await self._collection.insert_one(_to_document(owner, config))
            except DuplicateKeyError as err:
                raise ConfigExists from err

    async def replace(
        self,
        owner: Owner,
        config: AIConfig,
        *,
        keep: Collection[int] = (),
        if_match: Collection[str] | None = None,
    ) -> AIConfig:
        update = [{"$replaceWith": _replacement(_to_document(owner, config), keep)}]
        with _bounded(self._timeout):
            before = await self._collection.find_one_and_update(_matching(owner, if_match), update)
            return await self._before(owner, before, if_match)

    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> AIConfig:
        with _bounded(self._timeout):
            before = await self._collection.find_one_and_delete(_matching(owner, if_match))
            return await self._before(owner, before, if_match)

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
        with _bounded(_SCAN_TIMEOUT):
            reply = await self._database.command(
                {"aggregate": COLLECTION, "pipeline": pipeline, "cursor": {}},
                readConcern={"level": "majority"},
            )
        groups = [group for row in reply["cursor"]["firstBatch"] for group in row["kids"]]
        return {group["kid"]: group["count"] for group in groups}

    @property
    def _database(self) -> Database:
        if self._opened is None:
            raise RuntimeError("The repository is not started: await start() first.")
        return self._opened

    @property
    def _collection(self) -> Any:
        # The calls of the two drivers agree, their annotations do not.
        return self._database[COLLECTION]

    def _open(self) -> None:
        if isinstance(self._source, _Address):
            self._client, database = self._source.open(self._timeout)
        else:
            database = self._source
        self._opened = database.with_options(
            codec_options=CodecOptions(),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        )

    async def _ping(self) -> None:
        with _bounded(self._timeout):
            try:
                await self._database.command("ping")
            except MongoConfigurationError:
                # A mongodb+srv name that does not resolve comes to light only here.
                if self._client is None:
                    raise
                raise _wrong_uri() from None

    async def _migrate(self) -> None:
        if await self._options() is None:
            try:
                await self._alter("create")
            except OperationFailure as err:
                if err.code != _NAMESPACE_EXISTS:  # another gateway was faster
                    raise
        options = await self._options() or {}
        # A host's user may lack the right to collMod, so it is not asked for without need.
        if any(options.get(name) != value for name, value in _OPTIONS.items()):
            await self._alter("collMod")
        await self._collection.create_index("models.key.kid")

    async def _options(self) -> Document | None:
        """Return the collection's options, or None where there is no collection."""
        reply = await self._database.command("listCollections", filter={"name": COLLECTION})
        for found in reply["cursor"]["firstBatch"]:
            return dict(found["options"])
        return None

    async def _alter(self, command: str) -> None:
        await self._database.command(
            {command: COLLECTION, **_OPTIONS, "writeConcern": {"w": "majority"}}
        )

    async def _before(
        self, owner: Owner, before: Document | None, if_match: Collection[str] | None
    ) -> AIConfig:
        """Map the document that a write found, or raise why it found none."""
        if before is not None:
            return _to_config(before)
        if if_match is not None and await self._collection.find_one(_matching(owner), {"_id": 1}):
            raise RevisionMismatch
        raise ConfigNotFound


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Bound what is awaited inside in time, and translate the driver's errors.

    An outage is what may heal while the request stays the same, or what only the operator can
    heal; anything else is a defect and stays what it is.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except (ConnectionFailure, WriteConcernError) as err:
        raise StorageUnavailable("The store gave no answer in time.") from err
    except OperationFailure as err:
        if err.code == _DOCUMENT_VALIDATION_FAILURE:
            # The server's message quotes the value, which may be the key in plain text that the
            # validator is there to refuse; so it must not get into a traceback either.
            raise AIConfigError("The store's validator refused the document.") from None
        if err.code in _REFUSALS:
            raise StorageUnavailable("The store refuses this gateway.") from err
        if err.code in _OUTAGES or err.timeout or err.has_error_label("RetryableWriteError"):
            raise StorageUnavailable("The store gave no answer in time.") from err
        raise


def _matching(owner: Owner, if_match: Collection[str] | None = None) -> Document:
    query: Document = {"_id": _id(owner)}
    if if_match is not None:
        query["revision"] = {"$in": list(if_match)}
    return query


def _id(owner: Owner) -> str:
    # JSON keeps the two apart, whatever characters they hold.
    pair = json.dumps([owner.issuer, owner.subject], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(pair.encode()).digest()).rstrip(b"=").decode()


def _to_document(owner: Owner, config: AIConfig) -> Document:
    return {
        "_id": _id(owner),
        "issuer": owner.issuer,
        "subject": owner.subject,
        "models": [
            {
                "provider": entry.provider,
                "type": entry.type,
                "model": entry.model,
                "isPaid": entry.is_paid,
                **({"key": {"kid": entry.key.kid, "jwe": entry.key.jwe}} if entry.key else {}),
            }
            for entry in config.models
        ],
        "system_prompt": config.system_prompt,
        "revision": config.revision,
    }


def _to_config(document: Document) -> AIConfig:
    return AIConfig(
        models=tuple(
            ModelEntry(
                provider=entry["provider"],
                type=entry["type"],
                model=entry["model"],
                is_paid=entry["isPaid"],
                key=StoredKey(**entry["key"]) if "key" in entry else None,
            )
            for entry in document["models"]
        ),
        system_prompt=document["system_prompt"],
        revision=document["revision"],
    )


def _replacement(document: Document, keep: Collection[int]) -> Document:
    """Return the expression that makes ``document``, with the kept keys out of the old one.

    All that a user wrote is inside ``$literal``; elsewhere "$models" would be read as a field.
    """
    if not keep:
        return {"$literal": document}
    models: list[Document] = []
    for position, entry in enumerate(document["models"]):
        expression: Document = {"$literal": entry}
        if position in keep:
            identity = {"$literal": [entry["provider"], entry["type"], entry["model"]]}
            where = {"$indexOfArray": ["$$identities", identity]}
            expression = {"$mergeObjects": [expression, {"$arrayElemAt": ["$$keys", where]}]}
        models.append(expression)
    identities = _each_model(["$$this.provider", "$$this.type", "$$this.model"])
    # Where nothing is found the index is -1: the last element, which holds no key.
    keys = {"$concatArrays": [_each_model({"key": "$$this.key"}), [{}]]}
    variables = {"identities": identities, "keys": keys}
    merged = {"$let": {"vars": variables, "in": models}}
    return {"$mergeObjects": [{"$literal": document}, {"models": merged}]}


def _each_model(expression: Any) -> Document:
    return {"$map": {"input": "$models", "in": expression}}

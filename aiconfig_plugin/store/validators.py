"""Changes of a collection's validator, one at a time among all processes.

MongoDB replaces a validator whole, so a process that began with an older one would undo what
another has put there meanwhile: the fence against a retired key. Who changes one holds a lock
while it reads and writes. It lasts, by the server's clock, six times as long as the holder takes at
the most, so that one who has died keeps others waiting for a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Any, Final

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import OperationFailure

from aiconfig_plugin.errors import ConfigurationError, StorageUnavailable
from aiconfig_plugin.store.collections import Document
from aiconfig_plugin.store.operation import store_operation

LOCKS: Final = "ai_model_gateways"
_LOCK: Final = "validator"
_HELD: Final = 60.0
_CHANGE_TIMEOUT: Final = 10.0
_INTERVAL: Final = 0.2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
UNAUTHORIZED: Final = 13

STRICT: Final = {"validationLevel": "strict", "validationAction": "error"}
MAJORITY: Final = {"w": "majority"}


async def change_validator(
    database: Any,
    collection: str,
    change: Callable[[Mapping[str, Any]], Awaitable[Document]],
) -> bool:
    """Let ``change`` make a validator out of the present one; tell whether it is another one.

    Raises ``StorageUnavailable`` also where another process does not end its change, and
    ``ConfigurationError`` where the database's user lacks a right.
    """
    async with _lock(database):
        present = await _options(database, collection)
        wanted = {"validator": await change(present.get("validator", {})), **STRICT}
        if all(present.get(name) == value for name, value in wanted.items()):
            return False
        try:
            await database.command({"collMod": collection, **wanted, "writeConcern": MAJORITY})
        except OperationFailure as err:
            if err.code != UNAUTHORIZED:
                raise
            raise ConfigurationError(
                f"{refused(database, collection, 'collMod')} It is not up to date."
            ) from err
        return True


def refused(database: Any, collection: str, command: str) -> str:
    """Say which right is missing."""
    return (
        f"MongoDB does not let this user run {command} on {database.name}.{collection}. "
        "Run 'aiconfig migrate' as a user with the role dbAdmin."
    )


async def _options(database: Any, collection: str) -> Document:
    reply = await database.command({"listCollections": 1, "filter": {"name": collection}})
    return next((dict(found["options"]) for found in reply["cursor"]["firstBatch"]), {})


@asynccontextmanager
async def _lock(database: Any) -> AsyncIterator[None]:
    locks, holder = database[LOCKS], ObjectId()
    deadline = time.monotonic() + _HELD + _CHANGE_TIMEOUT
    while True:
        with store_operation(_CHANGE_TIMEOUT):
            if await _may_change(locks, holder):
                try:
                    yield
                finally:
                    await _unlock(locks, holder)
                return
        if time.monotonic() > deadline:
            raise StorageUnavailable("Other processes are changing the validator.")
        await asyncio.sleep(_INTERVAL)


async def _may_change(locks: Any, holder: ObjectId) -> bool:
    is_free = {"$lt": [{"$ifNull": ["$until", _EPOCH]}, "$$NOW"]}
    until = {"$add": ["$$NOW", int(_HELD * 1000)]}
    taken = {
        "holder": {"$cond": [is_free, holder, "$holder"]},
        "until": {"$cond": [is_free, until, "$until"]},
    }
    try:
        found = await locks.find_one_and_update(
            {"_id": _LOCK}, [{"$set": taken}], upsert=True, return_document=ReturnDocument.AFTER
        )
    except OperationFailure as err:
        if err.code != UNAUTHORIZED:
            raise
        return True  # One with dbAdmin alone is the operator's, who does one thing at a time.
    return bool(found["holder"] == holder)


async def _unlock(locks: Any, holder: ObjectId) -> None:
    try:
        await locks.delete_one({"_id": _LOCK, "holder": holder})
    except OperationFailure as err:
        if err.code != UNAUTHORIZED:
            raise

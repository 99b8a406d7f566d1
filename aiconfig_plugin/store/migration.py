"""Brings the collection of the configurations up to date: its validator."""

from __future__ import annotations

from typing import Any, Final

from pymongo.errors import OperationFailure

from aiconfig_plugin.store.documents import COLLECTION, COLLECTION_OPTIONS, Document

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_NAMESPACE_EXISTS: Final = 48


async def migrate(database: Any) -> None:
    """Create the collection with its validator, or give an existing one the present validator.

    Raises the driver's errors.
    """
    if await _options(database) is None:
        try:
            await _alter(database, "create")
        except OperationFailure as err:
            if err.code != _NAMESPACE_EXISTS:  # another gateway was faster
                raise
    options = await _options(database) or {}
    # A host's user may lack the right to collMod, so it is not asked for without need.
    if any(options.get(name) != value for name, value in COLLECTION_OPTIONS.items()):
        await _alter(database, "collMod")


async def _options(database: Any) -> Document | None:
    """Return the collection's options, or None where there is no collection."""
    reply = await database.command("listCollections", filter={"name": COLLECTION})
    for found in reply["cursor"]["firstBatch"]:
        return dict(found["options"])
    return None


async def _alter(database: Any, command: str) -> None:
    await database.command(
        {command: COLLECTION, **COLLECTION_OPTIONS, "writeConcern": {"w": "majority"}}
    )

"""Read documents by their ``_id``, with the read concern of the connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure

from aiconfig_plugin.store.collections import Document
from aiconfig_plugin.store.connection import Connection


async def find_by_id(
    connection: Connection, name: str, ids: Collection[str]
) -> Mapping[str, Document]:
    """Return those of the documents of the collection ``name`` that exist, by their ``_id``.

    By commands alone, for two reasons. A cursor costs a third as much again. And a primary
    confirms a linearizable read before it replies to ``find``, but to ``getMore`` only since
    MongoDB 4.2 and with a timeout of its own (SERVER-37948): what did not fit into the reply
    is asked for anew.
    """
    found: dict[str, Document] = {}
    while missing := [id for id in ids if id not in found]:
        cursor = await _find(connection, name, missing)
        found.update((document["_id"], document) for document in cursor["firstBatch"])
        if not cursor["id"]:
            break
        await connection.database.command({"killCursors": name, "cursors": [cursor["id"]]})
    return found


async def _find(connection: Connection, name: str, ids: list[str]) -> Mapping[str, Any]:
    command = {
        "find": name,
        "filter": {"_id": {"$in": ids} if len(ids) > 1 else ids[0]},
        "limit": len(ids),
        "readConcern": connection.reading.document,
    }
    try:
        reply = await connection.database.command(command)
    except (ConnectionFailure, OperationFailure) as err:
        if err.timeout:
            raise
        # The driver repeats its own reads once, but no command.
        reply = await connection.database.command(command)
    cursor: Mapping[str, Any] = reply["cursor"]
    return cursor

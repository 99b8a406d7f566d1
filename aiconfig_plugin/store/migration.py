"""Brings collections up to date with what is declared of them, and changes only what differs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo.errors import OperationFailure

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.store.collections import CollectionSpec, Document
from aiconfig_plugin.store.operation import SCAN_TIMEOUT, store_operation
from aiconfig_plugin.store.validators import (
    MAJORITY,
    STRICT,
    UNAUTHORIZED,
    change_validator,
    refused,
)

logger = logging.getLogger("aiconfig_plugin")

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_NAMESPACE_EXISTS: Final = 48


class MayNotInspect(ConfigurationError):
    """The database's user may not see what is there."""


class Migration:
    """What is declared, against what one database has. ``timeout`` bounds an operation, in seconds.

    ``readWrite`` is enough where the validators are there, ``find``, ``insert``, ``update`` and
    ``remove`` where the indexes are there too.
    """

    def __init__(self, database: Any, specs: Sequence[CollectionSpec], *, timeout: float) -> None:
        self._database = database
        self._specs = specs
        self._timeout = timeout

    async def run(self, *, inspect: bool = True) -> list[str]:
        """Return what was changed, a line for each.

        Many may run at once. Raises ``StorageUnavailable``, and ``ConfigurationError`` where the
        database's user lacks a right that is needed. Those to see what is there are needed with
        ``inspect``; without it, a collection that cannot be seen is left as it is.
        """
        changes: list[str] = []
        for spec in self._specs:
            try:
                changes += await self._bring_up_to_date(spec)
            except MayNotInspect as err:
                if inspect:
                    raise
                logger.warning("Not checked: %s", err.detail)
        for change in changes:
            logger.info("Migration: %s", change)
        return changes

    async def _bring_up_to_date(self, spec: CollectionSpec) -> list[str]:
        changes = []
        options = await self._options(spec)
        if options is None:
            if await self._create(spec):
                changes.append(f"created the collection {self._full_name(spec)}")
            options = await self._options(spec) or {}
        if await self._change_validator(spec, options):
            changes.append(f"changed the validator of {self._full_name(spec)}")
        present = await self._index_keys(spec)
        for index in spec.indexes:
            # Their order matters, which a comparison of mappings leaves out.
            if list(index.keys.items()) not in present:
                made = {"key": dict(index.keys), "name": index.name, **index.options}
                await self._change(spec, {"createIndexes": spec.name, "indexes": [made]})
                changes.append(f"created the index {index.name} of {self._full_name(spec)}")
        return changes

    async def _change_validator(self, spec: CollectionSpec, options: Document) -> bool:
        async def merged(present: Mapping[str, Any]) -> Document:
            return {**present, **spec.validator}

        validator = await merged(options.get("validator", {}))
        wanted = {"validator": validator, **STRICT} if validator else {}
        if all(options.get(name) == value for name, value in wanted.items()):
            return False
        return await change_validator(self._database, spec.name, merged)

    async def _options(self, spec: CollectionSpec) -> Document | None:
        """Return the collection's options, or None where there is no collection."""
        reply = await self._inspect(spec, {"listCollections": 1, "filter": {"name": spec.name}})
        for found in reply["cursor"]["firstBatch"]:
            return dict(found["options"])
        return None

    async def _index_keys(self, spec: CollectionSpec) -> list[list[tuple[str, Any]]]:
        reply = await self._inspect(spec, {"listIndexes": spec.name})
        return [list(index["key"].items()) for index in reply["cursor"]["firstBatch"]]

    async def _inspect(self, spec: CollectionSpec, command: Document) -> Mapping[str, Any]:
        with store_operation(self._timeout):
            try:
                reply: Mapping[str, Any] = await self._database.command(command)
            except OperationFailure as err:
                if err.code != UNAUTHORIZED:
                    raise
                raise MayNotInspect(self._refused(spec, command)) from err
        return reply

    async def _create(self, spec: CollectionSpec) -> bool:
        """Return whether it was this gateway that created the collection."""
        options = {"validator": dict(spec.validator), **STRICT}
        try:
            await self._change(spec, {"create": spec.name, **options})
        except OperationFailure as err:
            if err.code != _NAMESPACE_EXISTS:
                raise
            return False
        return True

    async def _change(self, spec: CollectionSpec, command: Document) -> None:
        with store_operation(SCAN_TIMEOUT):  # an index over a restored collection takes a while
            try:
                await self._database.command({**command, "writeConcern": MAJORITY})
            except OperationFailure as err:
                if err.code != UNAUTHORIZED:
                    raise
                raise ConfigurationError(
                    f"{self._refused(spec, command)} It is not up to date."
                ) from err

    def _refused(self, spec: CollectionSpec, command: Document) -> str:
        return refused(self._database, spec.name, next(iter(command)))

    def _full_name(self, spec: CollectionSpec) -> str:
        return f"{self._database.name}.{spec.name}"

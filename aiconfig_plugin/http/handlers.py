"""The handlers. HTTP only: parse, call the service, write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import TypeVar

from aiconfig_plugin.domain import AIConfig, Filters
from aiconfig_plugin.errors import InvalidParameter
from aiconfig_plugin.http.base import BaseHandler
from aiconfig_plugin.http.body import KIB
from aiconfig_plugin.http.entity_tags import if_match, if_none_match
from aiconfig_plugin.http.representation import (
    INCLUDES,
    Include,
    represent,
    represent_catalog,
    represent_decision,
)
from aiconfig_plugin.http.validation import parse_submission, parse_verification

_Parsed = TypeVar("_Parsed")

MAX_PARSED_ON_THE_LOOP = 64 * KIB
MAX_UNICODE_PARSED_ON_THE_LOOP = 8 * KIB
"""Host names outside ASCII take a while each."""

READ_PATH = "/get/ai-model-config"
FILTERS = ("provider", "type", "model", "label")


class _BodyHandler(BaseHandler):
    async def read_parsed(self, parse: Callable[[bytearray], _Parsed]) -> _Parsed:
        body = self.read_body()
        plain = body.isascii() and b"\\u" not in body
        if len(body) <= (MAX_PARSED_ON_THE_LOOP if plain else MAX_UNICODE_PARSED_ON_THE_LOOP):
            return parse(body)
        async with self.aiconfig.parsing:
            return await asyncio.to_thread(parse, body)


class _ConfigHandler(_BodyHandler):
    def write_config(self, config: AIConfig, include: Include | None = None) -> None:
        self.write_head(config, include)
        self.write_json(represent(config, include or {}))

    def write_head(self, config: AIConfig, include: Collection[str] | None = None) -> None:
        if not include:
            self.set_header("Cache-Control", "private, no-cache")
        self.set_header("ETag", f'"{config.revision}"')


class CreateHandler(_ConfigHandler):
    async def post(self) -> None:
        submission = await self.read_parsed(parse_submission)
        config = await self.aiconfig.service.create(
            self.owner, submission, client_id=self.client_id
        )
        self.set_status(201)
        # Relative, so that it holds behind whatever changes the beginning of the path.
        self.set_header("Location", f"..{READ_PATH}")
        self.write_config(config)


class ReadHandler(_ConfigHandler):
    async def get(self) -> None:
        names = self._included()
        config = await self.aiconfig.service.read(
            self.owner, with_keys="apiKeyEncrypted" in names, client_id=self.client_id
        )
        if if_none_match(self.request.headers.get("If-None-Match"), config.revision):
            self.write_head(config, names)
            self.set_status(304)
        else:
            self.write_config(config, await self._include(names, config))

    head = get

    def _included(self) -> Collection[str]:
        """Return what ``?include=`` asks for: names of INCLUDES, comma-separated."""
        if not self.request.query:
            return ()
        given = self.query_values("include")
        names = {name.strip() for value in given for name in value.split(",")}
        if not names.issubset(INCLUDES):
            raise InvalidParameter(f"include must be any of: {', '.join(INCLUDES)}.")
        return names

    async def _include(self, names: Collection[str], config: AIConfig) -> Include:
        service = self.aiconfig.service
        uses = await service.key_use(self.owner, config) if "keyUse" in names else {}
        return {name: INCLUDES[name](service, uses) for name in INCLUDES if name in names}


class UpdateHandler(_ConfigHandler):
    async def put(self) -> None:
        submission = await self.read_parsed(parse_submission)
        config = await self.aiconfig.service.update(
            self.owner,
            submission,
            if_match=if_match(self.request.headers.get("If-Match")),
            client_id=self.client_id,
        )
        self.write_config(config)


class VerifyHandler(_BodyHandler):
    async def post(self) -> None:
        identity = await self.read_parsed(parse_verification)
        verification = await self.aiconfig.verification.verify(
            self.owner, identity, client_id=self.client_id
        )
        self.write_json(asdict(verification))


class DeleteHandler(BaseHandler):
    async def delete(self) -> None:
        await self.aiconfig.service.delete(
            self.owner,
            if_match=if_match(self.request.headers.get("If-Match")),
            client_id=self.client_id,
        )
        self.set_status(204)


class CatalogHandler(BaseHandler):
    async def get(self) -> None:
        self.write_json(represent_catalog(self.aiconfig.service.policy))

    head = get


class ResolutionHandler(BaseHandler):
    async def get(self) -> None:
        service = self.aiconfig.service
        decision = await service.decide(self.owner, Filters(**self._filters()))
        self.write_json(represent_decision(decision, service.policy.catalog))

    head = get

    def _filters(self) -> dict[str, str]:
        given = {name: self.query_values(name) for name in FILTERS}
        repeated = [name for name, values in given.items() if len(values) > 1]
        if repeated:
            raise InvalidParameter(f"{repeated[0]} must be given once.")
        return {name: values[0] for name, values in given.items() if values}


class EncryptionKeyHandler(BaseHandler):
    async def get(self) -> None:
        self.write_json(self.aiconfig.service.recipient(self.owner))

    head = get

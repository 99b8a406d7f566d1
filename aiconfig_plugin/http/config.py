"""The routes. HTTP only: authenticate, parse, call the service, write."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from aiconfig_plugin.domain import ModelEntry, Submission
from aiconfig_plugin.errors import InvalidParameter, UnsupportedMediaType
from aiconfig_plugin.http.base import Access, BaseHandler

INCLUDES = ("apiKeyEncrypted", "keyState")

# One element of a list of entity tags (RFC 9110 sections 8.8.3 and 5.6.1), which may be empty.
# A weak tag never matches in If-Match (section 13.1.1).
_LISTED_TAG = re.compile(r'\s*(?:W/"[^"]*"|"([^"]*)")?\s*(?:,|$)')


class _ConfigHandler(BaseHandler):
    def read_submission(self) -> Submission:
        media_type, _, _ = self.request.headers.get("Content-Type", "").partition(";")
        if media_type.strip().lower() != "application/json":
            raise UnsupportedMediaType("Send the body as application/json.")
        if self.request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("Send the body without a content coding.")
        return self.parts.parse(self.read_body())

    def write_config(
        self,
        revision: str,
        models: Iterable[ModelEntry],
        system_prompt: str,
        extras: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Write the standard representation; ``extras`` are added to the entries in turn."""
        entries: list[dict[str, Any]] = [
            {
                "provider": entry.provider,
                "type": entry.type,
                "model": entry.model,
                "isPaid": entry.is_paid,
            }
            for entry in models
        ]
        for entry, extra in zip(entries, extras, strict=False):
            entry.update(extra)
        self.set_header("ETag", f'"{revision}"')
        self.write_json({"models": entries, "system_prompt": system_prompt})


class CreateHandler(_ConfigHandler):
    access = {"POST": Access.WRITE}

    async def post(self) -> None:
        submission = self.read_submission()
        config = await self.parts.service.create(self.owner, submission, client_id=self.client_id)
        self.set_status(201)
        self.set_header("Location", f"{self.parts.prefix}{ReadHandler.path}")
        self.set_header("Cache-Control", "private, no-cache")
        self.write_config(config.revision, config.models, config.system_prompt)


class ReadHandler(_ConfigHandler):
    access = {"GET": Access.READ, "HEAD": Access.READ}
    path = "/get/ai-model-config"

    async def get(self) -> None:
        include = self._include()
        with_keys = "apiKeyEncrypted" in include
        config = await self.parts.service.read(
            self.owner, with_keys=with_keys, client_id=self.client_id
        )
        if not include:
            self.set_header("Cache-Control", "private, no-cache")
        self.set_header("ETag", f'"{config.revision}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        extras = [self._extra(entry, include) for entry in config.models] if include else ()
        self.write_config(config.revision, config.models, config.system_prompt, extras)

    head = get

    def _include(self) -> Collection[str]:
        """Return what ``?include=`` asks for: names of INCLUDES, comma-separated."""
        given = self.get_query_arguments("include")
        include = {name.strip() for value in given for name in value.split(",")}
        if not include.issubset(INCLUDES):
            raise InvalidParameter(f"include: these may be asked for: {', '.join(INCLUDES)}.")
        return include

    def _extra(self, entry: ModelEntry, include: Collection[str]) -> Mapping[str, Any]:
        extra: dict[str, Any] = {}
        if "apiKeyEncrypted" in include:
            extra["apiKeyEncrypted"] = entry.key and entry.key.jwe
        if "keyState" in include:
            extra["keyState"] = self.parts.service.key_state(entry).value
        return extra


class UpdateHandler(_ConfigHandler):
    access = {"PUT": Access.WRITE}

    async def put(self) -> None:
        submission = self.read_submission()
        if_match = entity_tags(self.request.headers.get("If-Match"))
        config = await self.parts.service.update(
            self.owner, submission, if_match=if_match, client_id=self.client_id
        )
        self.set_header("Cache-Control", "private, no-cache")
        self.write_config(config.revision, config.models, config.system_prompt)


class DeleteHandler(BaseHandler):
    access = {"DELETE": Access.WRITE}

    async def delete(self) -> None:
        if_match = entity_tags(self.request.headers.get("If-Match"))
        await self.parts.service.delete(self.owner, if_match=if_match, client_id=self.client_id)
        self.set_status(204)


class EncryptionKeyHandler(BaseHandler):
    access = {"GET": Access.READ, "HEAD": Access.READ}

    async def get(self) -> None:
        self.write_json(self.parts.service.recipient(self.owner))

    head = get


class OpenAPIHandler(BaseHandler):
    access = {"GET": Access.PUBLIC, "HEAD": Access.PUBLIC}

    async def get(self) -> None:
        self.set_header("Cache-Control", "public, max-age=300")
        self.set_header("Content-Type", "application/json")
        self.write(self.parts.openapi)

    head = get


class ResourceMetadataHandler(BaseHandler):
    """The protected resource metadata (RFC 9728), outside the prefix; see ``Settings.resource``."""

    access = {"GET": Access.PUBLIC, "HEAD": Access.PUBLIC}

    async def get(self) -> None:
        self.set_header("Cache-Control", "public, max-age=300")
        self.write_json(self.parts.resource_metadata)

    head = get


ROUTES: Mapping[str, type[BaseHandler]] = {
    "/create/ai-model-config": CreateHandler,
    ReadHandler.path: ReadHandler,
    "/update/ai-model-config": UpdateHandler,
    "/delete/ai-model-config": DeleteHandler,
    "/get/ai-model-config/encryption-key": EncryptionKeyHandler,
    "/get/ai-model-config/openapi.json": OpenAPIHandler,
}
"""The handler of each path under the prefix."""


def entity_tags(if_match: str | None) -> frozenset[str] | None:
    """Return the strong entity tags of an ``If-Match`` header (RFC 9110 section 13.1.1).

    None stands for "any": no header, or ``*``. A header that is malformed matches nothing.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags, end = set(), 0
    while end < len(if_match):
        found = _LISTED_TAG.match(if_match, end)
        if found is None:
            return frozenset()
        if found[1] is not None:
            tags.add(found[1])
        end = found.end()
    return frozenset(tags)

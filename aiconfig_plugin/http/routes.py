"""The one table of routes: from it come the handlers, the OpenAPI document and the reference."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from tornado.routing import URLSpec

from aiconfig_plugin.http import handlers
from aiconfig_plugin.http.backchannel_logout import FORM, BackChannelLogoutHandler, LogOut
from aiconfig_plugin.http.base import HTTPConfig
from aiconfig_plugin.http.browser_files import StaticHandler, web_routes
from aiconfig_plugin.http.challenge import WELL_KNOWN, metadata_url
from aiconfig_plugin.http.operations import Access, Operation, Route
from aiconfig_plugin.http.validation import compile_schemas

OPENAPI_PATH = "/get/ai-model-config/openapi.json"

ROUTES: tuple[Route, ...] = (
    Route(
        "/create/ai-model-config",
        handlers.CreateHandler,
        {
            "POST": Operation(
                Access.WRITE,
                id="createAIModelConfig",
                action="create",
                summary="Store the caller's first configuration",
                status=201,
                answer="It is stored.",
                schema="StoredConfig",
                headers=("ETag", "Location"),
                reads_body=True,
                problems=(409,),
            )
        },
    ),
    Route(
        handlers.READ_PATH,
        handlers.ReadHandler,
        {
            "GET": Operation(
                Access.READ,
                id="getAIModelConfig",
                summary="Read the caller's configuration",
                answer="The caller's configuration.",
                schema="StoredConfig",
                headers=("ETag",),
                parameters=("include", "If-None-Match"),
                problems=(400, 404),
            )
        },
    ),
    Route(
        "/update/ai-model-config",
        handlers.UpdateHandler,
        {
            "PUT": Operation(
                Access.WRITE,
                id="updateAIModelConfig",
                action="update",
                summary="Replace the caller's configuration",
                description="An entry without apiKeyEncrypted keeps the key that is stored for the "
                "same provider, type, model and label; null removes it.",
                answer="It is replaced.",
                schema="StoredConfig",
                headers=("ETag",),
                parameters=("If-Match",),
                reads_body=True,
                problems=(404, 412),
            )
        },
    ),
    Route(
        "/delete/ai-model-config",
        handlers.DeleteHandler,
        {
            "DELETE": Operation(
                Access.WRITE,
                id="deleteAIModelConfig",
                action="delete",
                summary="Delete the caller's configuration",
                status=204,
                answer="It is deleted.",
                parameters=("If-Match",),
                problems=(404, 412),
            )
        },
    ),
    Route(
        "/get/ai-model-config/encryption-key",
        handlers.EncryptionKeyHandler,
        {
            "GET": Operation(
                Access.READ,
                id="getEncryptionKey",
                summary="Read what a client needs to seal an API key",
                answer="What seals an API key to this gateway for the caller.",
                schema="Recipient",
            )
        },
    ),
    Route(
        "/get/ai-model-config/catalog",
        handlers.CatalogHandler,
        {
            "GET": Operation(
                Access.READ,
                id="getCatalog",
                summary="Read what the operator offers",
                answer="What may be configured.",
                schema="Catalog",
            )
        },
    ),
    Route(
        "/get/ai-model-config/resolution",
        handlers.ResolutionHandler,
        {
            "GET": Operation(
                Access.READ,
                id="getResolution",
                summary="Read which entry a call of the gateway would use, and why",
                answer="The decision; no API key was opened for it.",
                schema="Resolution",
                parameters=handlers.FILTERS,
                problems=(400, 404),
            )
        },
    ),
    Route(
        OPENAPI_PATH,
        StaticHandler,
        {
            "GET": Operation(
                Access.PUBLIC,
                id="getOpenAPI",
                summary="Read this document",
                answer="This document.",
                schema="OpenAPI",
            )
        },
    ),
)

# Outside the prefix, where RFC 9728 section 3.1 puts it.
RESOURCE_METADATA = Route(WELL_KNOWN, StaticHandler, {"GET": Operation(Access.PUBLIC)})


# The authorization server calls it, so it is no part of what OpenAPI tells clients.
BACKCHANNEL_LOGOUT = Route(
    "/backchannel-logout",
    BackChannelLogoutHandler,
    {"POST": Operation(Access.PUBLIC, reads_body=True, media_type=FORM)},
)


def url_specs(
    config: HTTPConfig, *, openapi: bytes, resource_metadata: bytes, log_out: LogOut | None = None
) -> list[URLSpec]:
    """Return the routes for an application; the two documents are JSON.

    ``log_out`` gets the logout tokens of the authorization server, where it may send any.
    """
    compile_schemas()
    given = {OPENAPI_PATH: {"content": openapi}}
    specs = [
        _url_spec(config, config.prefix + route.path, route, **given.get(route.path, {}))
        for route in (*ROUTES, *web_routes())
    ]
    if log_out is not None:
        path = config.prefix + BACKCHANNEL_LOGOUT.path
        specs.append(_url_spec(config, path, BACKCHANNEL_LOGOUT, log_out=log_out))
    resource = config.schemes.resource
    if resource is not None:
        # Where RFC 9728 puts it, and where it would be without a proxy that changes the path.
        public = urlsplit(metadata_url(resource)).path
        for path in dict.fromkeys((public, WELL_KNOWN + config.prefix)):
            specs.append(_url_spec(config, path, RESOURCE_METADATA, content=resource_metadata))
    return specs


def _url_spec(config: HTTPConfig, path: str, route: Route, **own: Any) -> URLSpec:
    kwargs = {"config": config, "route": route, **route.arguments, **own}
    pattern = re.escape(path).replace(re.escape("{digest}"), "([0-9a-f]{16})")
    return URLSpec(pattern, route.handler, kwargs)

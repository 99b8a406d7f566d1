"""The one table of routes: from it come the handlers, the OpenAPI document and the reference."""

from __future__ import annotations

import inspect
import re
from typing import Any
from urllib.parse import urlsplit

from tornado.routing import URLSpec
from tornado.web import RequestHandler

from aiconfig_plugin.http import handlers
from aiconfig_plugin.http.backchannel_logout import FORM, BackChannelLogoutHandler, LogOut
from aiconfig_plugin.http.browser_files import StaticHandler, web_routes
from aiconfig_plugin.http.challenge import WELL_KNOWN, metadata_url
from aiconfig_plugin.http.config import HTTPConfig
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
        "/verify/ai-model-config",
        handlers.VerifyHandler,
        {
            "POST": Operation(
                Access.WRITE,
                id="verifyAPIKey",
                action="verify",
                summary="Ask a provider whether it accepts the caller's stored API key",
                description="The provider is asked for its list of models. At most 10 times a "
                "minute.",
                answer="What came of it, whatever the provider said.",
                schema="VerificationResult",
                reads_body=True,
                body="Verification",
                problems=(404, 409, 429),
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
    config: HTTPConfig,
    *,
    openapi: bytes,
    resource_metadata: bytes,
    log_out: LogOut | None = None,
    base: type[RequestHandler] | None = None,
) -> list[URLSpec]:
    """Return the routes for an application; the two documents are JSON.

    ``log_out`` gets the logout tokens of the authorization server, where it may send any. With
    ``base`` the handlers are subclasses of it as well. Raises ``TypeError`` for a ``base`` that
    cannot be one.
    """
    compile_schemas()
    given: dict[str, dict[str, Any]] = {
        OPENAPI_PATH: {"content": openapi},
        BACKCHANNEL_LOGOUT.path: {"log_out": log_out},
        WELL_KNOWN: {"content": resource_metadata},
    }
    routes = (*ROUTES, *web_routes(), *([BACKCHANNEL_LOGOUT] if log_out else []))
    paths = [(config.prefix + route.path, route) for route in routes]
    resource = config.schemes.resource
    if resource is not None:
        # Where RFC 9728 puts it, and where it would be without a proxy that changes the path.
        public = urlsplit(metadata_url(resource)).path
        for path in dict.fromkeys((public, WELL_KNOWN + config.prefix)):
            paths.append((path, RESOURCE_METADATA))
    classes = {route.handler: _with_base(route.handler, base) for _, route in paths}
    return [
        URLSpec(
            re.escape(path).replace(re.escape("{digest}"), "([0-9a-f]{16})"),
            classes[route.handler],
            {"config": config, "route": route, **route.arguments, **given.get(route.path, {})},
        )
        for path, route in paths
    ]


def _with_base(
    own: type[RequestHandler], base: type[RequestHandler] | None
) -> type[RequestHandler]:
    """Return a handler with the host's behind it."""
    if base is None:
        return own
    if not (isinstance(base, type) and issubclass(base, RequestHandler)):
        raise TypeError("base= takes a subclass of tornado.web.RequestHandler")
    try:
        inspect.signature(base.initialize).bind(None)
    except TypeError:
        raise TypeError("base= takes a handler whose initialize() needs no arguments") from None
    return type(own.__name__, (own, base), {})

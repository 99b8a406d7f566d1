"""The routes, with what the settings say of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

from tornado.routing import URLSpec
from tornado.web import RequestHandler

from aiconfig_plugin.access import ALGORITHMS
from aiconfig_plugin.domain import AIConfigService, KeyVerification, Principal
from aiconfig_plugin.http import (
    Access,
    HTTPConfig,
    LogOut,
    Schemes,
    openapi_json,
    resource_metadata,
    url_specs,
)
from aiconfig_plugin.settings import Settings


def open_routes(
    settings: Settings,
    service: AIConfigService,
    verification: KeyVerification,
    *,
    ensure_started: Callable[[], Awaitable[None]],
    identify: Callable[[RequestHandler], Awaitable[Principal]],
    log_out: LogOut | None,
    base: type[RequestHandler] | None,
    prefix: str | None,
) -> list[URLSpec]:
    """Return the routes below ``prefix``, or else that of the settings.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` for a prefix that cannot be one.
    """
    if prefix is not None:
        settings = dataclasses.replace(settings, prefix=prefix)
    config = HTTPConfig(
        service=service,
        verification=verification,
        ensure_started=ensure_started,
        identify=identify,
        prefix=settings.prefix,
        scopes={Access.READ: settings.read_scope, Access.WRITE: settings.write_scope},
        cors_origins=settings.cors_origins,
        schemes=Schemes(settings.resource, settings.dpop, ALGORITHMS),
    )
    scopes = (settings.read_scope, settings.write_scope)
    return url_specs(
        config,
        openapi=openapi_json(settings),
        resource_metadata=resource_metadata(config.schemes, settings.issuer, scopes),
        log_out=log_out if settings.backchannel_logout else None,
        base=base,
    )

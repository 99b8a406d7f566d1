"""The composition root: builds the parts, and is what a gateway holds on to."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tornado.routing import URLSpec
from tornado.web import Application

from aiconfig_plugin.base_handler import Access, Parts
from aiconfig_plugin.challenge import WELL_KNOWN, metadata_url, resource_metadata
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.handlers import ROUTES, ResourceMetadataHandler
from aiconfig_plugin.introspection import IntrospectionAuthenticator
from aiconfig_plugin.keyring import load_keyring
from aiconfig_plugin.openapi import openapi_json
from aiconfig_plugin.ports import Authenticator, Repository
from aiconfig_plugin.repository import MongoRepository
from aiconfig_plugin.service import AIConfigService
from aiconfig_plugin.settings import Settings, variable
from aiconfig_plugin.validation import parse_submission
from aiconfig_plugin.vault import Vault

logger = logging.getLogger("aiconfig_plugin")


class AIConfigPlugin:
    """User-owned AI model configuration, to be mounted in a Tornado application.

    ``database`` is a database that the gateway already has, Motor's or PyMongo's asynchronous
    one; the plugin does not close it. ``authenticate`` is for gateways that have authenticated
    the request already: an async callable that takes the ``HTTPServerRequest`` and returns a
    :class:`~aiconfig_plugin.Principal` (None where there is nobody), or raises ``MissingToken``,
    ``InvalidToken`` or ``AuthorizationServerUnavailable``. The default is OAuth 2.0 token
    introspection (RFC 7662).

    Makes no connection and needs no event loop before :meth:`start`, so the host may fork.
    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` for settings or a keyring that
    cannot work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: Any = None,
        authenticate: Authenticator | None = None,
    ) -> None:
        self.settings = settings
        self._vault = open_vault(settings)
        self._repository = open_repository(settings, database)
        self._introspection: IntrospectionAuthenticator | None = None
        if authenticate is None:
            authenticate = self._introspection = IntrospectionAuthenticator(settings)
        service = AIConfigService(self._repository, self._vault)
        self._parts = Parts(
            service=service,
            authenticate=authenticate,
            parse=parse_submission,
            openapi=openapi_json(settings),
            prefix=settings.prefix,
            scopes={Access.READ: settings.read_scope, Access.WRITE: settings.write_scope},
            cors_origins=settings.cors_origins,
            resource=settings.resource,
            resource_metadata=_resource_metadata(settings),
        )

    def handlers(self) -> list[URLSpec]:
        """Return the routes, for ``Application([*routes, *plugin.handlers()])``."""
        prefix = re.escape(self.settings.prefix)
        routes = [
            URLSpec(prefix + re.escape(path), handler, {"parts": self._parts, "route": path})
            for path, handler in ROUTES.items()
        ]
        if self.settings.resource is not None:
            # Where RFC 9728 puts it, and where it would be without a proxy that changes the path.
            public = urlsplit(metadata_url(self.settings.resource)).path
            for path in dict.fromkeys((public, WELL_KNOWN + self.settings.prefix)):
                given = {"parts": self._parts, "route": WELL_KNOWN}
                routes.append(URLSpec(re.escape(path), ResourceMetadataHandler, given))
        return routes

    def mount(self, app: Application) -> None:
        """Add the routes to an application, ahead of the rules it was made with."""
        app.add_handlers(r".*", self.handlers())

    async def start(self) -> None:
        """Connect to the store, bring its schema up to date, check the keyring against it.

        Raises :class:`~aiconfig_plugin.errors.StorageUnavailable` when the store is not there.
        """
        await self._repository.start()
        if self._introspection is not None:
            await self._introspection.start()
        for kid, count in (await self.unreadable_keys()).items():
            logger.warning(
                "%d stored API keys are wrapped by key %s, which is not on the keyring.", count, kid
            )

    async def unreadable_keys(self) -> dict[str, int]:
        """Return how many stored keys each ``kid`` wraps that is not on the keyring."""
        counts = await self._repository.count_by_kid()
        return {kid: count for kid, count in counts.items() if not self._vault.holds(kid)}

    def forget(self, *, token: str | None = None, subject: str | None = None) -> None:
        """Log out: drop what is remembered of a token, or of all tokens of a subject, at once."""
        if (token is None) == (subject is None):
            raise TypeError("forget() takes either token= or subject=")
        if self._introspection is not None:
            self._introspection.forget(token=token, subject=subject)

    async def close(self) -> None:
        """Close what :meth:`start` opened."""
        if self._introspection is not None:
            await self._introspection.close()
        await self._repository.close()


def _resource_metadata(settings: Settings) -> Mapping[str, Any]:
    if settings.resource is None:
        return {}
    scopes = (settings.read_scope, settings.write_scope)
    return resource_metadata(settings.resource, settings.issuer, scopes)


def open_vault(settings: Settings) -> Vault:
    """Return the vault with the keyring of the settings."""
    if not settings.keyring:
        raise ConfigurationError(
            f"{variable('keyring')} is not set: name the keyring file "
            "('aiconfig keyring create FILE' makes one)."
        )
    return Vault(load_keyring(settings.keyring))


def open_repository(settings: Settings, database: Any = None) -> Repository:
    """Return the repository over the host's database, or over the one of the settings."""
    if database is not None:
        return MongoRepository(database)
    if not settings.mongodb_uri:
        raise ConfigurationError(
            f"{variable('mongodb_uri')} is not set: say where the store is, or give database=."
        )
    return MongoRepository.connect(settings.mongodb_uri, settings.mongodb_database)

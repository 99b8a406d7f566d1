"""The plugin: puts the rooms together, and is what a gateway holds on to."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
from tornado.httputil import HTTPServerRequest
from tornado.routing import URLSpec
from tornado.web import Application, RequestHandler

from aiconfig_plugin.access import TokenAuthenticator
from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.composition import (
    Reloader,
    as_member,
    checking,
    open_client,
    open_routes,
    open_service,
    open_stores,
    open_tokens,
    open_verification,
    recording,
    verify_stored_keys,
)
from aiconfig_plugin.domain import (
    Authenticator,
    Filters,
    HostVerify,
    KeyResult,
    KeyUseRecorder,
    Owner,
    Principal,
    Repository,
    ResolvedModel,
    Rotation,
    rotate,
    token_digest,
)
from aiconfig_plugin.errors import KeyUnreadable
from aiconfig_plugin.http import HandlerAuthenticator, HealthHandler, check_principal
from aiconfig_plugin.lifecycle import Lifecycle
from aiconfig_plugin.metrics import process_metrics
from aiconfig_plugin.settings import Settings


class AIConfigPlugin:
    """User-owned AI model configuration, to be mounted in a Tornado application.

    ``settings`` are those of the environment unless given, so that a host which has found the
    plugin by its entry point can make one without knowing them.

    ``database`` is a database that the gateway already has, Motor's or PyMongo's asynchronous
    one; the plugin does not close it. ``repository`` takes its place: any
    :class:`~aiconfig_plugin.Repository`, such as
    :class:`~aiconfig_plugin.testing.InMemoryRepository` in the tests of a host. ``authenticate``
    is for gateways that have authenticated the request already: a callable, async or not, that
    takes the ``HTTPServerRequest`` and returns a :class:`~aiconfig_plugin.Principal` (None where
    there is nobody), or raises ``MissingToken``, ``InvalidToken``,
    ``AuthorizationServerUnavailable`` or Tornado's ``HTTPError``. The default is OAuth 2.0 token
    introspection (RFC 7662), or JWT access tokens (RFC 9068).
    ``verify`` is for hosts that ask providers about API keys by their own means: an async callable
    that takes a :class:`~aiconfig_plugin.ResolvedModel` and returns ``"accepted"``,
    ``"rejected"``, ``"quota-exceeded"``, ``"unreachable"`` or ``"unknown"``.

    Makes no connection and needs no event loop before :meth:`start`, so the host may fork.
    Without a call of it, the first request starts the plugin. ``async with`` starts and closes it.
    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` for settings or a keyring that
    cannot work, and TypeError for a ``database`` of another type.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        database: Any = None,
        repository: Repository | None = None,
        authenticate: Authenticator | None = None,
        verify: HostVerify | None = None,
    ) -> None:
        self.settings = settings = settings or Settings.from_env()
        self._stores = open_stores(settings, database=database, repository=repository)
        self._repository = self._stores.repository
        self._reloader = Reloader()
        self._tokens: TokenAuthenticator | None = None
        if authenticate is None:
            self._tokens, self._feed = open_tokens(settings, self._reloader, self._stores.logouts)
            authenticate = self._tokens
        self._authenticate = authenticate
        self._lifecycle = Lifecycle(self._open)
        self._origins = Origins(settings.base_urls)
        self._key_use = KeyUseRecorder(self._stores.key_use)
        self._service, self._vault, self._membership = open_service(
            settings, self._stores, self._origins, self._reloader, self._key_use
        )
        self._verification = open_verification(self._service, self.client, verify)

    def handlers(
        self,
        *,
        base: type[RequestHandler] | None = None,
        principal: HandlerAuthenticator | None = None,
        prefix: str | None = None,
        as_tuples: bool = False,
    ) -> list[Any]:
        """Return the routes, for ``Application([*routes, *plugin.handlers()])``.

        With ``base`` they are subclasses of the host's own handler, whose ``prepare``, headers and
        checks come first. ``principal`` takes the place of ``authenticate`` for hosts whose log-in
        needs the handler: it gets the ``RequestHandler``. ``prefix`` takes the place of the
        setting. The list holds ``URLSpec``; with ``as_tuples``, for hosts that take nothing else,
        tuples of pattern, handler and arguments.
        """
        specs = open_routes(
            self.settings,
            self._service,
            self._verification,
            ensure_started=self._lifecycle.ensure_started,
            identify=lambda handler: self._check(
                principal(handler) if principal else self._authenticate(handler.request)
            ),
            log_out=self._log_out if self._tokens else None,
            base=base,
            prefix=prefix,
        )
        tuples = [(spec.regex.pattern, spec.handler_class, spec.kwargs) for spec in specs]
        return tuples if as_tuples else specs

    def health_handlers(self) -> list[URLSpec]:
        """Return ``/healthz`` and ``/readyz``, which answer probes without a token.

        Ready is a plugin that was started, and so has checked its keyring, was not closed, and has
        every key that the gateways of its database need. An outage of the database or the
        authorization server makes no difference: it would take out all gateways at once.
        """
        lifecycle, membership = self._lifecycle, self._membership
        is_ready = {"is_healthy": lambda: lifecycle.is_started and membership.is_ready}
        return [
            URLSpec("/healthz", HealthHandler, {"is_healthy": lambda: True}),
            URLSpec("/readyz", HealthHandler, is_ready),
        ]

    def mount(
        self,
        app: Application,
        *,
        base: type[RequestHandler] | None = None,
        principal: HandlerAuthenticator | None = None,
        prefix: str | None = None,
    ) -> None:
        """Add the routes to an application, ahead of the rules it was made with.

        The further arguments are those of :meth:`handlers`.
        """
        routes = self.handlers(base=base, principal=principal, prefix=prefix)
        app.add_handlers(r".*", routes)

    async def start(self) -> None:
        """Connect to the database, bring its schema up to date, check the keyring against it.

        Does nothing where the first request has done so. Raises
        :class:`~aiconfig_plugin.errors.StorageUnavailable` when the database does not respond, and
        :class:`~aiconfig_plugin.errors.ConfigurationError` for the keyring of another database.
        What was opened is closed then.
        """
        await self._lifecycle.start()

    async def _open(self, opened: AsyncExitStack) -> None:
        opened.push_async_callback(self._stores.close)
        await self._stores.start()
        await opened.enter_async_context(as_member(self._membership))
        await verify_stored_keys(self._repository, self._vault)
        if self._tokens is not None:
            await opened.enter_async_context(checking(self._tokens, self._feed))
        await opened.enter_async_context(self._reloader.running())
        await opened.enter_async_context(recording(self._key_use))

    async def authenticate(self, request: HTTPServerRequest) -> Principal:
        """Return who makes a request of the gateway's own routes, by the plugin's rules.

        Raises as the ``authenticate`` that the plugin was made with does,
        :class:`~aiconfig_plugin.errors.MissingToken` where that returns None, and
        :class:`~aiconfig_plugin.errors.InvalidToken` for a principal that has expired. The scope
        is for the route to check.
        """
        await self._lifecycle.ensure_started()
        return await self._check(self._authenticate(request))

    async def _check(self, answer: Principal | None | Awaitable[Principal | None]) -> Principal:
        return await check_principal(answer, now=time.time() - self.settings.clock_leeway)

    async def resolve(
        self,
        subject: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        type: str | None = None,
        label: str | None = None,
        issuer: str | None = None,
    ) -> ResolvedModel:
        """Return what the gateway needs for a call of its own in the name of a user.

        It is the first entry, in the owner's order, that fits what is given, is enabled, offered
        and allowed; ``issuer`` is the configured one unless given. Raises
        :class:`~aiconfig_plugin.errors.ConfigNotFound`,
        :class:`~aiconfig_plugin.errors.ModelNotConfigured`,
        :class:`~aiconfig_plugin.errors.KeyUnreadable`, or
        :class:`~aiconfig_plugin.errors.StorageUnavailable`.
        """
        issuer = issuer or self.settings.issuer
        if not issuer:
            raise ValueError("without AICONFIG_ISSUER, resolve() takes issuer=")
        await self._lifecycle.ensure_started()
        owner = Owner(issuer, subject)
        filters = Filters(provider=provider, type=type, model=model, label=label)
        try:
            return await self._service.resolve(owner, filters)
        except KeyUnreadable:
            process_metrics().unreadable_use()
            raise

    def client(self, chosen: ResolvedModel) -> httpx2.AsyncClient:
        """Return an HTTP client for the calls of a resolved entry, to be closed by the caller.

        Its ``base_url`` is the entry's, and it reaches that origin alone: no redirect is followed
        and no proxy of the environment is used. It connects within 5 seconds; the total is for the
        caller to bound. For an origin that the operator did not name (``public``) every address
        that the name resolves to must be a global one, and the connection goes to a checked one.
        Raises :class:`~aiconfig_plugin.errors.BaseURLRefused`, as the client does, for an entry
        without a base URL and for one that is not allowed (any more).
        """
        return open_client(chosen, self._service.policy.catalog, self._origins)

    async def report(self, chosen: ResolvedModel, result: KeyResult) -> None:
        """Tell what the provider said of the API key of a resolved entry.

        ``result`` is ``"accepted"``, ``"rejected"`` or ``"quota-exceeded"``; anything else raises
        ValueError. The user sees it (``?include=keyUse``). It is written later, and nothing is kept
        of a shared key.
        """
        self._service.report(chosen, result)

    async def rotate(self, *, progress: Callable[[int], None] = lambda _keys: None) -> Rotation:
        """Re-encrypt every stored key with the primary storage key, beside live gateways.

        ``progress`` receives the number of stored keys of each page. Revisions stay the same, and
        keys that cannot be decrypted are left as they are. May be run again after it was
        interrupted or raised :class:`~aiconfig_plugin.errors.StorageUnavailable`.
        """
        return await rotate(self._repository, self._vault, progress=progress)

    def forget(self, *, token: str | None = None, subject: str | None = None) -> None:
        """Drop what this process remembers of a token, or of all tokens of a subject, at once."""
        if (token is None) == (subject is None):
            raise TypeError("forget() takes either token= or subject=")
        if self._tokens is not None:
            self._tokens.forget(token=token, subject=subject)

    async def logout(self, *, token: str | None = None, subject: str | None = None) -> None:
        """Log a subject, or one token, out of every process that shares the database.

        Here at once, elsewhere within 2 seconds. Raises
        :class:`~aiconfig_plugin.errors.StorageUnavailable`: then others may not know of it.
        """
        self.forget(token=token, subject=subject)
        await self._lifecycle.ensure_started()
        digest = None if token is None else token_digest(token)
        await self._stores.logouts.add(subject=subject, token=digest)

    async def _log_out(self, logout_token: str) -> None:
        assert self._tokens is not None
        await self._lifecycle.ensure_started()
        await self.logout(subject=await self._tokens.logged_out(logout_token))

    async def reload(self) -> None:
        """Read the files of the settings again at once, as happens every 10 seconds.

        They are the keyring, the catalogue, the shared keys, and the credentials and certificates
        for the authorization server. What cannot be used is logged, and what was read before stays
        in use. To be called after :meth:`start`.
        """
        await self._reloader.reload()

    async def close(self) -> None:
        """Close what :meth:`start` opened. Requests are answered by 503 from then on."""
        await self._lifecycle.close()

    async def __aenter__(self) -> AIConfigPlugin:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

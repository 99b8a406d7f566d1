"""Bokeh and Panel: routes for ``extra_patterns`` or ``--plugins``, with the auth module's user."""

from __future__ import annotations

import inspect
import re
from typing import Any

from tornado.web import HTTPError, RequestHandler

from aiconfig_plugin import AIConfigPlugin, Principal, ResolvedModel, Settings
from aiconfig_plugin.hosts.page import settings_page

ISSUER = "urn:aiconfig:bokeh"
"""The issuer of owners, unless the settings have one."""
READ, WRITE = "ai-config:read", "ai-config:write"


class BokehHost:
    """The plugin in a Bokeh or Panel server.

    ``settings`` are those of the environment unless given. Makes no connection, so that it may be
    made by a module that the server imports before it forks. Raises
    :class:`~aiconfig_plugin.ConfigurationError`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings.from_env()
        self.plugin = AIConfigPlugin(settings, authenticate=lambda _request: None)
        self.issuer = settings.issuer or ISSUER

    def routes(self, page: str = "/ai-config") -> list[Any]:
        """Return the routes as tuples, with the settings page at ``page``.

        The server adds its own prefix to them.
        """
        prefix = self.plugin.settings.prefix
        up = "./" + "../" * (page.count("/") - 1)
        html = settings_page(up + prefix.removeprefix("/"), xsrf_cookie="_xsrf")
        return [
            *self.plugin.handlers(principal=self.principal, as_tuples=True),
            (re.escape(page), _PageHandler, {"page": html}),
        ]

    async def principal(self, handler: RequestHandler) -> Principal | None:
        """Return the user of the server's auth provider, or None."""
        user = await _user(handler)
        if user is None:
            return None
        scopes = (self.plugin.settings.read_scope, self.plugin.settings.write_scope)
        return Principal(self.issuer, user, scopes, ambient=True)

    async def resolve(self, handler: RequestHandler, **filters: str) -> ResolvedModel:
        """Return as :meth:`AIConfigPlugin.resolve` for the user of another handler.

        Raises ``HTTPError`` 401 where nobody is logged in.
        """
        user = await _user(handler)
        if user is None:
            raise HTTPError(401)
        return await self.plugin.resolve(user, issuer=self.issuer, **filters)


async def _user(handler: RequestHandler) -> str | None:
    """Return the name of the logged-in user; a server without a log-in has none."""
    provider = handler.application.auth_provider  # type: ignore[attr-defined]  # Bokeh's
    find = provider.get_user_async or provider.get_user
    user = find(handler) if find else None
    if inspect.isawaitable(user):
        user = await user
    if isinstance(user, bytes):  # as a secure cookie is read
        user = user.decode()
    return user if isinstance(user, str) and user else None


class _PageHandler(RequestHandler):
    def initialize(self, page: str) -> None:
        self._page = page

    async def get(self) -> None:
        if self.settings.get("xsrf_cookies"):
            self.xsrf_token  # noqa: B018  # sets the cookie
        self.finish(self._page)

"""JupyterHub: a managed service behind HubOAuth, with the hub's scopes.

The hub runs it with ``python -m aiconfig_plugin.hosts.jupyterhub``; the settings are
``AICONFIG_…`` in the environment that the hub gives it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import secrets
import signal
from typing import Any
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler, authenticated

from aiconfig_plugin import AIConfigPlugin, Principal, ResolvedModel, Settings
from aiconfig_plugin.hosts.page import settings_page

ISSUER = "urn:aiconfig:jupyterhub"
"""The issuer of owners, unless the settings have one."""
READ, WRITE = "ai-config:read", "ai-config:write"
SCOPES = {"custom:aiconfig:read": READ, "custom:aiconfig:write": WRITE}
"""The hub's scopes, and what each means here."""


class HubService:
    """The plugin as a service of JupyterHub, configured by the hub's environment.

    ``settings`` are those of the environment unless given. Raises
    :class:`~aiconfig_plugin.ConfigurationError`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        from jupyterhub.services.auth import HubOAuth

        settings = dataclasses.replace(
            settings or Settings.from_env(), read_scope=READ, write_scope=WRITE
        )
        self.plugin = AIConfigPlugin(settings, authenticate=lambda _request: None)
        self.issuer = settings.issuer or ISSUER
        self._hub = HubOAuth.instance()

    def application(self, routes: Any = ()) -> Application:
        """Return the service with further ``routes``, each below the service's prefix."""
        from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated

        class Base(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
            """Asks for the hub's XSRF token."""

        class SettingsPageHandler(Base):
            @authenticated
            def get(self) -> None:
                self.xsrf_token  # noqa: B018  # sets the cookie
                self.finish(page)

        root = self._hub.base_url.rstrip("/")
        prefix = root + self.plugin.settings.prefix
        page = settings_page(prefix, xsrf_cookie="_xsrf")
        own = [("/?", SettingsPageHandler), ("/oauth_callback", HubOAuthCallbackHandler), *routes]
        app = Application(
            [(re.escape(root) + pattern, *rest) for pattern, *rest in own],
            cookie_secret=secrets.token_bytes(32),
        )
        self.plugin.mount(app, base=Base, principal=self.principal, prefix=prefix)
        return app

    async def principal(self, handler: RequestHandler) -> Principal | None:
        """Return the hub's user, or None. Raises ``HTTPError`` 403 without access to the service.

        A service of the hub is no user.
        """
        model = await self._hub.get_user(handler, sync=False)
        if model is None:
            return None
        if not self._hub.check_scopes(self._hub.access_scopes, model):
            raise HTTPError(403)
        return Principal(
            self.issuer,
            model["name"] if model["kind"] == "user" else None,
            granted(model["scopes"], model["name"]),
            # As the hub's own XSRF check: a token in vain does not count.
            ambient=not getattr(handler, "_token_authenticated", False),
        )

    async def resolve(self, handler: RequestHandler, **filters: str) -> ResolvedModel:
        """Return as :meth:`AIConfigPlugin.resolve` for the user of another handler.

        Raises ``HTTPError`` 401 or 403 for one who may not.
        """
        principal = await self.principal(handler)
        if principal is None:
            raise HTTPError(401)
        if principal.subject is None or READ not in principal.scopes:
            raise HTTPError(403)
        return await self.plugin.resolve(principal.subject, issuer=self.issuer, **filters)


def granted(scopes: list[str], name: str) -> list[str]:
    """Return what a user's scopes at the hub mean here.

    A scope counts without a filter, and for the user alone; one that was shared with a group or a
    server says nothing of a user's own configuration.
    """
    return [own for hubs, own in SCOPES.items() if {hubs, f"{hubs}!user={name}"} & set(scopes)]


async def serve(app: Application, plugin: AIConfigPlugin) -> None:
    """Listen where the hub expects the service, until it sends SIGTERM or SIGINT."""
    place = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = HTTPServer(app, xheaders=True)
    server.add_sockets(bind_sockets(place.port or 80, place.hostname))
    await stop.wait()
    server.stop()
    await server.close_all_connections()
    await plugin.close()


if __name__ == "__main__":
    service = HubService()
    asyncio.run(serve(service.application(), service.plugin))

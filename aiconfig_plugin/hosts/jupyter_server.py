"""Jupyter Server: an extension with traitlets configuration, its log-in, authorizer and logger.

``jupyter server extension enable aiconfig_plugin`` enables it; the settings are ``c.AIConfig.…`` in
Jupyter's configuration, or ``AICONFIG_…`` in the environment. Other extensions find an
:class:`Extension` under ``aiconfig`` in the settings of the web application.
"""

from __future__ import annotations

import dataclasses
import getpass
import inspect
import logging
import os
import re
from typing import Any

from tornado.web import HTTPError, RequestHandler

from aiconfig_plugin import AIConfigPlugin, Principal, ResolvedModel, Settings
from aiconfig_plugin.hosts.page import settings_page

RESOURCE = "ai-config"
"""What Jupyter's authorizer is asked about; the actions are ``read`` and ``write``."""
ISSUER = "urn:aiconfig:jupyter-server"
"""The issuer of owners, unless the settings have one."""
PAGE = "ai-config"
"""Where the settings page is, below the server's base URL."""
READ, WRITE = "ai-config:read", "ai-config:write"


@dataclasses.dataclass(frozen=True)
class Extension:
    """The plugin in a Jupyter server.

    ``subject`` is who owns the configuration, whoever is logged in. None takes the name of the
    logged-in user.
    """

    plugin: AIConfigPlugin
    issuer: str
    subject: str | None

    async def principal(self, handler: Any) -> Principal | None:
        """Return who makes a request, or None. Raises ``HTTPError`` 403 as the authorizer says."""
        user = handler.current_user
        if user is None:
            return None
        action = "read" if handler.request.method in ("GET", "HEAD") else "write"
        allowed = handler.authorizer.is_authorized(handler, user, action, RESOURCE)
        if not (await allowed if inspect.isawaitable(allowed) else allowed):
            raise HTTPError(403)
        return Principal(
            self.issuer,
            self.subject or user.username,
            (READ, WRITE),
            ambient=not handler.token_authenticated,
        )

    async def resolve(self, handler: Any, **filters: str) -> ResolvedModel:
        """Return as :meth:`AIConfigPlugin.resolve` for the user of another extension's handler.

        Raises ``HTTPError`` 401 or 403 for one who may not.
        """
        principal = await self.principal(handler)
        if principal is None or principal.subject is None:
            raise HTTPError(401)
        return await self.plugin.resolve(principal.subject, issuer=self.issuer, **filters)


def load(serverapp: Any) -> None:
    """Mount the plugin in a server.

    Raises :class:`~aiconfig_plugin.ConfigurationError`, which the server logs.
    """
    from jupyter_server.base.handlers import APIHandler

    configured = _configuration(serverapp)
    settings = dataclasses.replace(
        Settings.from_env(), **_given(configured), read_scope=READ, write_scope=WRITE
    )
    logger = logging.getLogger("aiconfig_plugin")
    logger.parent = serverapp.log
    logger.setLevel(serverapp.log.level)
    plugin = AIConfigPlugin(settings, authenticate=lambda _request: None)
    subject = configured.subject or _fixed_subject(serverapp.identity_provider)
    extension = Extension(plugin, settings.issuer or ISSUER, subject)
    app = serverapp.web_app
    app.settings["aiconfig"] = extension
    base_url = app.settings["base_url"].rstrip("/")
    prefix = base_url + settings.prefix
    plugin.mount(app, base=APIHandler, principal=extension.principal, prefix=prefix)
    page = _page_handler(settings_page(prefix, xsrf_cookie="_xsrf"))
    app.add_handlers(".*", [(re.escape(f"{base_url}/{PAGE}"), page)])
    logger.info("AI model configuration at %s/%s, owner: %s", base_url, PAGE, subject or "the user")


def _configuration(serverapp: Any) -> Any:
    """Return ``c.AIConfig`` of the server: a trait for each setting, and ``subject``."""
    from traitlets import Any as AnyTrait
    from traitlets import Unicode
    from traitlets.config import LoggingConfigurable

    traits: dict[str, Any] = {
        declared.name: AnyTrait(None, allow_none=True, help=declared.metadata["doc"]).tag(
            config=True
        )
        for declared in dataclasses.fields(Settings)
    }
    traits["subject"] = Unicode(
        "",
        help="Who owns the configuration, whoever is logged in. Empty takes the name of the "
        "logged-in user; where the server makes up a user for each session, it is JUPYTERHUB_USER "
        "or the user of the operating system.",
    ).tag(config=True)
    return type("AIConfig", (LoggingConfigurable,), traits)(parent=serverapp)


def _given(configured: Any) -> dict[str, Any]:
    """Return the settings that the configuration has; the command line gives strings."""
    given = {}
    for declared in dataclasses.fields(Settings):
        value = getattr(configured, declared.name)
        if value is not None:
            parse = declared.metadata["check"].parse
            given[declared.name] = parse(value) if isinstance(value, str) else value
    return given


def _fixed_subject(provider: Any) -> str | None:
    """Return the one owner for a server whose own provider makes up a user for each session.

    With a token or a password there is one person behind all of them.
    """
    from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider

    own = (IdentityProvider.get_user, LegacyIdentityProvider.get_user)
    if type(provider).get_user not in own:
        return None
    return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()


def _page_handler(page: str) -> type[RequestHandler]:
    from jupyter_server.base.handlers import JupyterHandler
    from tornado.web import authenticated

    class SettingsPageHandler(JupyterHandler):  # type: ignore[misc]
        @authenticated
        def get(self) -> None:
            self.xsrf_token  # noqa: B018  # sets the cookie
            self.finish(page)

    return SettingsPageHandler


_load_jupyter_server_extension = load

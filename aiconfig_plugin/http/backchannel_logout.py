"""Where the authorization server says that a user has logged out of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeAlias, TypeGuard
from urllib.parse import parse_qs

from aiconfig_plugin.errors import (
    AIConfigError,
    InternalError,
    InvalidLogoutToken,
    MethodNotAllowed,
)
from aiconfig_plugin.http.base import BaseHandler
from aiconfig_plugin.http.config import HTTPConfig
from aiconfig_plugin.http.operations import Route
from aiconfig_plugin.http.problems import Problem

FORM = "application/x-www-form-urlencoded"

LogOut: TypeAlias = Callable[[str], Awaitable[None]]
"""Takes a logout token and logs its subject out, or raises ``InvalidLogoutToken``."""

logger = logging.getLogger("aiconfig_plugin")


class BackChannelLogoutHandler(BaseHandler):
    """OpenID Connect Back-Channel Logout 1.0 section 2.5: 200, or 400 whatever is wrong."""

    def initialize(  # type: ignore[override]  # as the base's own, which takes less
        self, config: HTTPConfig, route: Route, log_out: LogOut
    ) -> None:
        super().initialize(config, route)
        self._log_out = log_out

    async def post(self) -> None:
        await self._log_out(_logout_token(bytes(self.read_body())))
        logger.info("%s: a subject was logged out", self._request_summary())

    def _problem(self, error: BaseException | None) -> Problem:
        if _is_refusal(error):
            error = InvalidLogoutToken(error.detail)
        return super()._problem(error)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if _is_refusal(value):
            logger.warning("%s: log-out refused: %s", self._request_summary(), value)
        else:
            super().log_exception(typ, value, tb)


def _is_refusal(error: BaseException | None) -> TypeGuard[AIConfigError]:
    return isinstance(error, AIConfigError) and not isinstance(
        error, (InternalError, MethodNotAllowed)
    )


def _logout_token(body: bytes) -> str:
    try:
        found = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=16)
    except ValueError:
        found = {}
    tokens = found.get("logout_token", [])
    if len(tokens) != 1:
        raise InvalidLogoutToken("The form must have one logout_token.")
    return tokens[0]

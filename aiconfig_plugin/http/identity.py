"""Who makes a request, as the plugin's own authentication or the host's vouches for it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tornado.web import HTTPError, RequestHandler

from aiconfig_plugin.domain import Principal
from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    InsufficientScope,
    InvalidToken,
    MissingToken,
)

HandlerAuthenticator: TypeAlias = Callable[
    [RequestHandler], "Principal | None | Awaitable[Principal | None]"
]
"""As :class:`~aiconfig_plugin.Authenticator`, for hosts whose log-in needs the handler."""


async def check_principal(
    answer: Principal | None | Awaitable[Principal | None], *, now: float
) -> Principal:
    """Return the principal that a plain function or a coroutine answers with.

    Raises what the coroutine does, ``MissingToken`` for None, and ``InvalidToken`` for a principal
    whose end is before ``now``, in seconds since the epoch.
    """
    principal = await answer if inspect.isawaitable(answer) else answer
    if principal is None:
        raise MissingToken("This request is not authenticated.")
    if principal.expires_at is not None and principal.expires_at <= now:
        raise InvalidToken("The authentication has expired.", reason="time")
    return principal


def of_host(error: HTTPError, scope: str) -> Exception:
    """Return what an ``HTTPError`` of a host's authentication means here.

    401 and 403 become the plugin's own errors, so that they carry a challenge; 5xx is an outage
    of whatever the host asks. Any other status stays as it is.
    """
    match error.status_code:
        case 401:
            return InvalidToken("The host rejected the credentials of this request.")
        case 403:
            return InsufficientScope(scope)
        case status if status >= 500:
            return AuthorizationServerUnavailable("The host could not authenticate the request.")
    return error

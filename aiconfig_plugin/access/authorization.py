"""Read the access token of a request: RFC 6750 section 2.1 and RFC 9449 section 7.1."""

from __future__ import annotations

import re
from typing import NamedTuple

from tornado.httputil import HTTPHeaders

from aiconfig_plugin.errors import InvalidToken, MissingToken

# One b64token, as both schemes have it.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


class Presented(NamedTuple):
    """An access token, and whether it came with the scheme ``DPoP`` instead of ``Bearer``."""

    token: str
    is_dpop: bool


def presented_token(headers: HTTPHeaders, *, dpop: bool = False) -> Presented:
    """Return the token of an ``Authorization`` header; ``dpop`` lets the scheme DPoP count.

    The scheme is in any case (RFC 9110 section 11.1). Raises
    :class:`~aiconfig_plugin.errors.MissingToken` when there is none, and
    :class:`~aiconfig_plugin.errors.InvalidToken` for what cannot be a token at all.
    """
    scheme, _, rest = headers.get("Authorization", "").strip().partition(" ")
    is_dpop = dpop and scheme.lower() == "dpop"
    token = rest.strip()
    if not (is_dpop or scheme.lower() == "bearer") or not token:
        schemes = "Bearer or DPoP" if dpop else "Bearer"
        raise MissingToken(f"Send an access token: Authorization: {schemes} …")
    if not _TOKEN.fullmatch(token):
        raise InvalidToken(
            "The Authorization header does not hold one access token.", reason="malformed"
        )
    return Presented(token, is_dpop)

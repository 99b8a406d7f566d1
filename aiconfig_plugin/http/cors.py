"""Cross-origin requests (the Fetch standard's CORS protocol), for listed origins alone.

Never with credentials: a bearer token is no cookie. No header is sent to an origin that is not
listed, and none at all while no origin is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

EXPOSED = "ETag, Location, Retry-After, WWW-Authenticate"
ALLOWED = "Authorization, Content-Type, DPoP, If-Match, If-None-Match"
MAX_AGE = 600
"""Seconds for which a browser may remember a preflight."""


def response_headers(origin: str | None, origins: Collection[str]) -> Mapping[str, str]:
    """Return what every response to ``origin`` carries, errors included."""
    if origin not in origins or origin is None:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def preflight_headers(
    origin: str | None, origins: Collection[str], methods: Collection[str]
) -> Mapping[str, str]:
    """Return what the answer to a preflight carries besides."""
    if origin not in origins or origin is None:
        return {}
    return {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ALLOWED,
        "Access-Control-Max-Age": str(MAX_AGE),
    }

"""Whether a browser sent a request from a page of the same origin (Fetch Metadata, RFC 6454)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_same_origin(headers: Mapping[str, str], protocol: str, host: str) -> bool:
    """Tell whether ``Sec-Fetch-Site``, or else ``Origin``, names the origin that is requested.

    ``protocol`` and ``host`` are those of the request. What names neither is no such request.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    try:
        origin, requested = _origin(headers.get("Origin", "")), _origin(f"{protocol}://{host}")
    except ValueError:
        return False
    return origin is not None and origin == requested


def _origin(url: str) -> tuple[str, str, int | None] | None:
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)

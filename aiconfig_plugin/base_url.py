"""Where a provider is reached: base URLs, their origins, and which of them may be used.

Origins are compared as browsers compare them (the URL standard's host parser, RFC 6454). The
standard library knows IDNA 2003 alone, in which ``faß.example`` is another host than it is for a
browser, so the host goes through ``idna`` (UTS 46, non-transitional).
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

import idna

PUBLIC = "public"
"""In ``AICONFIG_BASE_URLS``: any origin with the scheme ``https``."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986 section 3, less what a base URL has no use for (user info, query, fragment) and what
# browsers read in another way (backslashes, percent signs in a host). Each part excludes the
# character that ends it, so matching takes linear time.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\x00-\x20\x7f/?#@\\%:\[\]<>^|\"`{}]+)"
    r"(?::(?P<port>[0-9]{0,5}))?(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?)",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOTS = re.compile(r"[.\u3002\uff0e\uff61]")  # RFC 3490 section 3.1
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# The URL standard takes a host whose last label is one of these for an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True)
class BaseURL:
    """An absolute URL in its one spelling: ``url`` to call, ``origin`` to compare."""

    origin: str
    url: str

    @staticmethod
    @functools.lru_cache(maxsize=1024)
    def parse(text: str) -> BaseURL:
        """Raises ValueError, which repeats nothing of ``text``, for what is no base URL."""
        found = _URL.fullmatch(text)
        if found is None or _PERCENT.search(found["path"]):
            raise ValueError(
                "must be an absolute http or https URL without user info, query or fragment"
            )
        scheme = found["scheme"].lower()
        origin = f"{scheme}://{_host(found['host'])}"
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        if not 0 < port <= 65535:
            raise ValueError("must have a port from 1 to 65535")
        if port != _DEFAULT_PORTS[scheme]:
            origin += f":{port}"
        return BaseURL(origin, origin + found["path"])


def _host(text: str) -> str:
    """Return the host as browsers write it; raise ValueError for what they would reinterpret."""
    if text.startswith("["):
        address = ipaddress.IPv6Address(text[1:-1])
        mapped = address.ipv4_mapped
        if mapped is not None:  # Python 3.13 writes these with dots, browsers do not.
            return f"[::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}]"
        return f"[{address.compressed}]"
    host = text.lower()
    # Checked before IDNA, whose work grows with the square of a label's length.
    if len(host) > 253 or max(map(len, _DOTS.split(host))) > 63:
        raise ValueError("must have a host name that can be looked up")
    if not host.isascii() or "xn--" in host:
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise ValueError("must have a host name that can be looked up") from None
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            canonical = str(ipaddress.IPv4Address(text)) == text
        except ValueError:
            canonical = False
        if not canonical:
            raise ValueError("must spell an IPv4 address as four decimal numbers")
        return text
    if not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("must have a host name that can be looked up")
    return host


class Origins:
    """The origins that the operator allows: exact ones, and with ``public`` any ``https`` one.

    Raises ValueError for what is neither.
    """

    def __init__(self, given: Iterable[str] = ()) -> None:
        self.given = tuple(given)
        self._public = PUBLIC in self.given
        self._exact = frozenset(_exact(text) for text in self.given if text != PUBLIC)

    def origin(self, base_url: str) -> str:
        """Return the origin of a base URL; raises ValueError for what is none."""
        return BaseURL.parse(base_url).origin

    def allow(self, base_url: str) -> bool:
        try:
            origin = self.origin(base_url)
        except ValueError:
            return False
        return origin in self._exact or (self._public and origin.startswith("https://"))

    def is_exact(self, base_url: str) -> bool:
        """Tell whether the operator named this very origin, which may be a private one then."""
        return self.origin(base_url) in self._exact


def _exact(text: str) -> str:
    parsed = BaseURL.parse(text)
    if parsed.url.removesuffix("/") != parsed.origin:
        raise ValueError("must be an origin, without a path")
    return parsed.origin

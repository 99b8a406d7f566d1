"""How a setting is declared: its default, its line in the documentation, and its check."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from ipaddress import ip_address
from typing import Any, NamedTuple, get_args
from urllib.parse import urlsplit

from aiconfig_plugin.base_url import Origins

PREFIX = "AICONFIG_"


def variable(name: str) -> str:
    """Return the environment variable of the setting ``name``."""
    return PREFIX + name.upper()


class Check(NamedTuple):
    """What a value must be."""

    rule: str
    """Completes "AICONFIG_NAME …" in an error and "It …" in the reference."""
    accepts: Callable[[Any], bool]
    parse: Callable[[str], Any] = str
    """Makes the value of a variable's text; raises ValueError where it cannot."""
    convert: Callable[[Any], Any] = lambda value: value
    """Makes what is kept of the value, also of one that is given in Python."""


def setting(
    default: Any, doc: str, check: Check | None = None, *, secret: bool = False, empty: bool = False
) -> Any:
    """Declare a setting.

    ``doc`` is its line in README and in the reference (Markdown). None as default makes it
    optional. A ``secret`` is left out of ``repr()``. An empty variable is one that is not set,
    except where ``empty`` makes it a value.
    """
    metadata = {"doc": doc, "check": check or Check("", lambda _value: True), "empty": empty}
    return field(default=default, repr=not secret, metadata=metadata)


def _matches(pattern: str, rule: str) -> Check:
    compiled = re.compile(pattern)
    return Check(rule, lambda value: isinstance(value, str) and bool(compiled.fullmatch(value)))


def _list(accepts: Callable[[Collection[str]], bool], rule: str) -> Check:
    """Return the check of a list, which the environment and a string separate by commas."""

    def convert(given: Collection[str]) -> tuple[str, ...]:
        items = given.split(",") if isinstance(given, str) else given
        return tuple(item.strip() for item in items)

    return Check(rule, accepts, convert=convert)


def _words(given: str | Sequence[str]) -> tuple[str, ...]:
    """Split a string as a shell does, without any of its expansions."""
    try:
        return tuple(shlex.split(given) if isinstance(given, str) else given)
    except ValueError:  # no closing quotation
        return ()


def _each_matches(pattern: str, rule: str) -> Check:
    each = _matches(pattern, rule)
    return _list(lambda items: all(map(each.accepts, items)), rule)


def _are_origins(items: Collection[str]) -> bool:
    try:
        return bool(Origins(items))
    except ValueError:
        return False


def one_of(choices: Any) -> Check:
    names = get_args(choices)
    return Check(f"must be one of: {', '.join(names)}", names.__contains__)


def number(kind: type[int] | type[float], low: float, high: float) -> Check:
    return Check(
        f"must be a number from {low} to {high}",
        lambda value: type(value) in (int, kind) and low <= value <= high,
        parse=kind,
    )


def _is_url(value: Any) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port or address
        return False


NOT_EMPTY = Check("must not be empty", bool)
URL = Check("must be an http or https URL", _is_url)
RESOURCE_URL = Check(
    "must be an http or https URL without query and fragment",
    lambda value: _is_url(value) and not set("?#") & set(value),
)
BOOLEAN = Check(
    "must be true or false",
    lambda value: isinstance(value, bool),
    parse={"true": True, "false": False}.get,
)
# RFC 6749 section 3.3.
SCOPE = _matches(r"[\x21\x23-\x5b\x5d-\x7e]*", "must be one scope token, or empty")
PATH = _matches(
    r"(/([A-Za-z0-9._~@+-]|%[0-9A-Fa-f]{2})+)*",
    "must be path segments such as /api/v1, without a slash at the end",
)
# RFC 6454 section 6.2, as browsers send it.
ORIGINS = _each_matches(
    r"(?!http://[^/]*:80$|https://[^/]*:443$)"
    r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?",
    "must be exact origins such as https://app.example, in lower case, without a path, "
    "a default port or *",
)
COMMAND = Check(
    "must be a command and its arguments, quoted as in a shell",
    lambda words: bool(words) and all(isinstance(word, str) for word in words),
    convert=_words,
)
CLIENTS = _each_matches(r"[^,\s](.*[^,\s])?", "must be client ids, comma-separated")
BASE_URLS = _list(
    _are_origins, "must be exact origins such as http://127.0.0.1:11434, without a path, or public"
)


def is_exposed(url: str) -> bool:
    """Whether what is sent there leaves this machine without TLS."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True

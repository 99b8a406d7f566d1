"""The settings, as one frozen value that cannot be wrong once it exists.

A setting is declared once, by :func:`setting`; the environment, the checks, README and the
reference derive from the declaration. Arguments are checked here and nowhere else, and
:meth:`Settings.from_env` is the only reader of the environment. An error names the setting as
the operator writes it and never repeats a value, which may be a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from typing import Any, Literal, NamedTuple, TypeAlias, get_args
from urllib.parse import urlsplit

from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.errors import ConfigurationError

ClientAuthMethod: TypeAlias = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt"
]
APIKeyPolicy: TypeAlias = Literal["opaque", "sealed"]
MongoDBDriver: TypeAlias = Literal["motor", "pymongo"]

_PREFIX_ENV = "AICONFIG_"


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


def _each_matches(pattern: str, rule: str) -> Check:
    each = _matches(pattern, rule)
    return _list(lambda items: all(map(each.accepts, items)), rule)


def _are_origins(items: Collection[str]) -> bool:
    try:
        return bool(Origins(items))
    except ValueError:
        return False


def _one_of(choices: Any) -> Check:
    names = get_args(choices)
    return Check(f"must be one of: {', '.join(names)}", names.__contains__)


def _number(kind: type[int] | type[float], low: float, high: float) -> Check:
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


_NOT_EMPTY = Check("must not be empty", bool)
_URL = Check("must be an http or https URL", _is_url)
_RESOURCE_URL = Check(
    "must be an http or https URL without query and fragment",
    lambda value: _is_url(value) and not set("?#") & set(value),
)
_BOOLEAN = Check(
    "must be true or false",
    lambda value: isinstance(value, bool),
    parse={"true": True, "false": False}.get,
)
# RFC 6749 section 3.3.
_SCOPE = _matches(r"[\x21\x23-\x5b\x5d-\x7e]*", "must be one scope token, or empty")
_PATH = _matches(
    r"(/[A-Za-z0-9._~-]+)*", "must be path segments such as /api/v1, without a slash at the end"
)
# RFC 6454 section 6.2, as browsers send it.
_ORIGINS = _each_matches(
    r"(?!http://[^/]*:80$|https://[^/]*:443$)"
    r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?",
    "must be exact origins such as https://app.example, in lower case, without a path, "
    "a default port or *",
)
_BASE_URLS = _list(
    _are_origins, "must be exact origins such as http://127.0.0.1:11434, without a path, or public"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator decides. Each field ``name`` is ``AICONFIG_NAME`` in the environment.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which names the setting, for a
    value out of range.
    """

    mongodb_uri: str | None = setting(
        None, "MongoDB connection string; not needed with `database=`.", secret=True
    )
    mongodb_database: str = setting("aiconfig", "Name of the database.", _NOT_EMPTY)
    mongodb_driver: MongoDBDriver = setting(
        "motor",
        "`motor`, or `pymongo` for the asynchronous API of PyMongo, which needs no threads; not "
        "used with `database=`.",
        _one_of(MongoDBDriver),
    )
    keyring: str | os.PathLike[str] | None = setting(
        None, "Path of the keyring, a JWK Set file of mode 0600 or stricter."
    )
    issuer: str | None = setting(
        None, "Issuer identifier of the authorization server (RFC 8414 section 2).", _URL
    )
    introspection_endpoint: str | None = setting(
        None,
        "URL of the introspection endpoint (RFC 7662); without it, the metadata of the issuer "
        "(RFC 8414 or OpenID) name it.",
        _URL,
    )
    client_id: str | None = setting(
        None, "Client identifier of this gateway at the authorization server."
    )
    client_secret: str | None = setting(
        None, "Client secret, for `client_secret_basic` and `client_secret_post`.", secret=True
    )
    client_auth_method: ClientAuthMethod = setting(
        "client_secret_basic",
        "How the gateway authenticates when it introspects (RFC 6749 section 2.3, RFC 7523): "
        "`client_secret_basic`, `client_secret_post` or `private_key_jwt`.",
        _one_of(ClientAuthMethod),
    )
    client_key: str | os.PathLike[str] | None = setting(
        None, "Path of the private key for `private_key_jwt`: a JWK or PEM, mode 0600 or stricter."
    )
    ca_file: str | os.PathLike[str] | None = setting(
        None,
        "Path of the CA certificates (PEM) that the authorization server is verified against; "
        "without it, those of the system. Verification cannot be switched off.",
    )
    allow_http: bool = setting(
        False,
        "`true` allows a plain `http` issuer or introspection endpoint that is not loopback: "
        "tokens and credentials can be read on the way.",
        _BOOLEAN,
    )
    audience: str | None = setting(
        None, "What the `aud` of a token must contain; without it, `aud` is not checked."
    )
    subject_claim: str = setting(
        "sub", "Member of the introspection response that names the user.", _NOT_EMPTY
    )
    read_scope: str = setting(
        "ai-config:read", "Scope required for reading; empty requires none.", _SCOPE, empty=True
    )
    write_scope: str = setting(
        "ai-config:write", "Scope required for writing; empty requires none.", _SCOPE, empty=True
    )
    introspection_ttl: float = setting(
        30.0, "Seconds for which an active token is cached; 0 disables it.", _number(float, 0, 3600)
    )
    introspection_cache_size: int = setting(
        10_000, "Maximum number of cached introspections.", _number(int, 1, 1_000_000)
    )
    clock_leeway: float = setting(
        0.0, "Seconds by which clocks may differ, for `exp` and `nbf`.", _number(float, 0, 60)
    )
    api_key_policy: APIKeyPolicy = setting(
        "opaque",
        "`opaque` accepts any ciphertext as an API key, `sealed` only sealed keys.",
        _one_of(APIKeyPolicy),
    )
    base_urls: Collection[str] = setting(
        (),
        "Where users' entries may reach a provider (`baseUrl`), comma-separated: exact origins, "
        "and `public` for any `https` origin.",
        _BASE_URLS,
    )
    catalog: str | os.PathLike[str] | None = setting(
        None, "Path of the catalogue, a JSON file of what users may configure."
    )
    shared_keys: str | os.PathLike[str] | None = setting(
        None,
        "Path of the operator's own API keys by provider, a JSON file of mode 0600 or stricter.",
    )
    prefix: str = setting("/api/v1", "Path prefix of all routes.", _PATH, empty=True)
    cors_origins: Collection[str] = setting(
        (), "Origins whose pages may call the routes (CORS), comma-separated.", _ORIGINS
    )
    resource: str | None = setting(
        None,
        "Public URL of the routes as a protected resource; publishes metadata (RFC 9728), and "
        "401 responses name them.",
        _RESOURCE_URL,
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            check: Check = each.metadata["check"]
            value = getattr(self, each.name)
            if value is None and each.default is None:
                continue
            value = check.convert(value)
            if not check.accepts(value):
                raise ConfigurationError(f"{variable(each.name)} {check.rule}.")
            object.__setattr__(self, each.name, value)
        for name in ("issuer", "introspection_endpoint"):
            if not self.allow_http and is_exposed(getattr(self, name) or ""):
                raise ConfigurationError(
                    f"{variable(name)} must be an https URL; http is for loopback addresses, "
                    f"unless {variable('allow_http')}=true."
                )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from ``AICONFIG_…`` variables, by default those of this process.

        Raises :class:`~aiconfig_plugin.errors.ConfigurationError` for an unknown name or a value
        out of range. What is missing is named by the part that needs it.
        """
        environ = os.environ if environ is None else environ
        known = {variable(each.name): each for each in fields(cls)}
        given = {name: text for name, text in environ.items() if name.startswith(_PREFIX_ENV)}
        if unknown := sorted(given.keys() - known):
            raise ConfigurationError(f"{unknown[0]} is not a setting of aiconfig.")
        values = {}
        for name, text in given.items():
            declared = known[name]
            if text or declared.metadata["empty"]:
                check: Check = declared.metadata["check"]
                try:
                    values[declared.name] = check.parse(text)
                except ValueError:
                    raise ConfigurationError(f"{name} {check.rule}.") from None
        return cls(**values)


def variable(name: str) -> str:
    """Return the environment variable of the setting ``name``."""
    return _PREFIX_ENV + name.upper()


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

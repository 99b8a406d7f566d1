"""The settings, as one frozen value that cannot be wrong once it exists.

Arguments are checked here and nowhere else, and :meth:`Settings.from_env` is the only reader of
the environment. A message names the setting as the operator writes it and never its value where
that may be a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from aiconfig_plugin.errors import ConfigurationError

ClientAuthMethod: TypeAlias = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt"
]
APIKeyPolicy: TypeAlias = Literal["opaque", "sealed"]

# What may stand before the routes: whole path segments, no slash at the end.
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
# RFC 6749 section 3.3: one scope token.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]*")
# RFC 6454 section 6.2, as browsers send it: no path, no capitals, no port that is the default.
_ORIGIN = re.compile(
    r"(?!http://[^/]*:80$|https://[^/]*:443$)"
    r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator decides. Each field ``name`` is ``AICONFIG_NAME`` in the environment.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which names the setting, for a
    value out of range.
    """

    mongodb_uri: str | None = field(default=None, repr=False)
    """Where the store is; not needed by a host that gives ``database=``."""
    mongodb_database: str = "aiconfig"
    """Name of the database in it."""
    keyring: str | os.PathLike[str] | None = None
    """Path of the keyring, a JWK Set file of mode 0600 or stricter."""
    issuer: str | None = None
    """Issuer identifier of the authorization server (RFC 8414 section 2)."""
    introspection_endpoint: str | None = None
    """URL of the introspection endpoint (RFC 7662 section 2); None discovers it from the issuer."""
    client_id: str | None = None
    """This gateway's own client identifier at the authorization server."""
    client_secret: str | None = field(default=None, repr=False)
    """The secret that goes with it, for ``client_secret_basic`` and ``client_secret_post``."""
    client_key: str | os.PathLike[str] | None = None
    """Path of the private key for ``private_key_jwt``: a JWK or PEM, of mode 0600 or stricter."""
    client_auth_method: ClientAuthMethod = "client_secret_basic"
    """How the gateway authenticates when it introspects (RFC 6749 section 2.3, RFC 7523)."""
    ca_file: str | os.PathLike[str] | None = None
    """Path of the certificates (PEM) that the authorization server's is checked against; None
    takes the system's. Nothing switches the check off."""
    audience: str | None = None
    """What a token's ``aud`` must contain; None asks for nothing."""
    subject_claim: str = "sub"
    """The member of the introspection reply that names the user."""
    read_scope: str = "ai-config:read"
    """The scope that reading asks for; empty asks for none."""
    write_scope: str = "ai-config:write"
    """The scope that writing asks for; empty asks for none."""
    introspection_ttl: float = 30.0
    """Seconds for which a token that is active is believed without asking again; 0 is never."""
    introspection_cache_size: int = 10_000
    """How many introspected tokens are remembered at the most."""
    api_key_policy: APIKeyPolicy = "opaque"
    """Whether any ciphertext is taken as an API key, or sealed keys alone."""
    prefix: str = "/api/v1"
    """The path under which all routes hang."""
    cors_origins: Collection[str] = ()
    """The origins whose pages may call the routes (CORS); a string is taken as comma-separated."""
    resource: str | None = None
    """Public URL of the routes as a protected resource (RFC 9728); None publishes no metadata."""

    def __post_init__(self) -> None:
        _require_text(self, "mongodb_database", "subject_claim")
        _require_url(self, "issuer", "introspection_endpoint", "resource")
        object.__setattr__(self, "cors_origins", _origins(self.cors_origins))
        if self.resource is not None and set("?#") & set(self.resource):
            raise _wrong("resource", "must have neither a query nor a fragment")
        _require_choice(self, "client_auth_method", get_args(ClientAuthMethod))
        _require_choice(self, "api_key_policy", get_args(APIKeyPolicy))
        _require_range(self, "introspection_ttl", 0, 3600)
        _require_range(self, "introspection_cache_size", 1, 1_000_000)
        for name in ("read_scope", "write_scope"):
            if not _SCOPE.fullmatch(getattr(self, name)):
                raise _wrong(name, "must be one scope token, or empty")
        if not _PREFIX.fullmatch(self.prefix):
            raise _wrong(
                "prefix", "must be path segments such as /api/v1, without a slash at the end"
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from ``AICONFIG_…`` variables, by default those of this process.

        Raises :class:`~aiconfig_plugin.errors.ConfigurationError` for an unknown name or a value
        out of range. What is missing is named by the part that needs it.
        """
        environ = os.environ if environ is None else environ
        given = {name: value for name, value in environ.items() if name.startswith(_PREFIX_ENV)}
        known = {variable(f.name): f for f in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ConfigurationError(f"{unknown[0]} is not a setting of aiconfig.")
        values: dict[str, Any] = {
            known[name].name: _read(name, value)
            for name, value in given.items()
            if value or name in _MAY_BE_EMPTY
        }
        return cls(**values)


_PREFIX_ENV = "AICONFIG_"
_NUMBERS: Mapping[str, type] = {
    "AICONFIG_INTROSPECTION_TTL": float,
    "AICONFIG_INTROSPECTION_CACHE_SIZE": int,
}
# Elsewhere an empty variable is one that is not set.
_MAY_BE_EMPTY = ("AICONFIG_READ_SCOPE", "AICONFIG_WRITE_SCOPE", "AICONFIG_PREFIX")


def variable(name: str) -> str:
    """Return the environment variable of the setting ``name``."""
    return _PREFIX_ENV + name.upper()


def _read(name: str, value: str) -> str | float | int:
    if name not in _NUMBERS:
        return value
    try:
        number: float | int = _NUMBERS[name](value)
    except ValueError:
        raise ConfigurationError(f"{name} must be a number.") from None
    return number


def _wrong(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{variable(name)} {why}.")


def _origins(given: Collection[str]) -> tuple[str, ...]:
    origins = given.split(",") if isinstance(given, str) else given
    stripped = tuple(origin.strip() for origin in origins)
    if not all(_ORIGIN.fullmatch(origin) for origin in stripped):
        raise _wrong(
            "cors_origins",
            "must be exact origins such as https://app.example, in small letters, without a path, "
            "a default port or *",
        )
    return stripped


def _require_text(settings: Settings, *names: str) -> None:
    for name in names:
        if not getattr(settings, name):
            raise _wrong(name, "must not be empty")


def _require_url(settings: Settings, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value is None:
            continue
        try:
            parts = urlsplit(value)
            fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port or an address that is none
            fits = False
        if not fits:
            raise _wrong(name, "must be an http or https URL")


def _require_choice(settings: Settings, name: str, choices: Iterable[str]) -> None:
    if getattr(settings, name) not in choices:
        raise _wrong(name, f"must be one of: {', '.join(choices)}")


def _require_range(settings: Settings, name: str, low: float, high: float) -> None:
    value = getattr(settings, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise _wrong(name, f"must be a number from {low} to {high}")

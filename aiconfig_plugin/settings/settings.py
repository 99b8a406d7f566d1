"""The settings, as one frozen value that cannot be wrong once it exists.

A setting is declared once, by :func:`setting`; the environment, the checks, README and the
reference derive from the declaration. Arguments are checked here and nowhere else, and
:meth:`Settings.from_env` is the only reader of the environment. An error names the setting as
the operator writes it and never repeats a value, which may be a secret.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings.declaration import (
    BASE_URLS,
    BOOLEAN,
    CLIENTS,
    COMMAND,
    NOT_EMPTY,
    ORIGINS,
    PATH,
    PREFIX,
    RESOURCE_URL,
    SCOPE,
    URL,
    Check,
    is_exposed,
    number,
    one_of,
    setting,
    variable,
)

ClientAuthMethod: TypeAlias = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt"
]
TokenKind: TypeAlias = Literal["introspection", "jwt"]
JWTType: TypeAlias = Literal["at+jwt", "any"]
DPoPMode: TypeAlias = Literal["off", "on", "required"]
APIKeyPolicy: TypeAlias = Literal["opaque", "sealed"]
MongoDBDriver: TypeAlias = Literal["motor", "pymongo"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator decides. Each field ``name`` is ``AICONFIG_NAME`` in the environment.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which names the setting, for a
    value out of range.
    """

    mongodb_uri: str | None = setting(
        None, "MongoDB connection string; not needed with `database=`.", secret=True
    )
    mongodb_database: str = setting("aiconfig", "Name of the database.", NOT_EMPTY)
    mongodb_driver: MongoDBDriver = setting(
        "motor",
        "`motor`, or `pymongo` for the asynchronous API of PyMongo, which needs no threads; not "
        "used with `database=`.",
        one_of(MongoDBDriver),
    )
    keyring: str | os.PathLike[str] | None = setting(
        None, "Path of the keyring, a JWK Set in a private file."
    )
    keyring_command: Sequence[str] | None = setting(
        None,
        "Command that prints the keyring, in place of `AICONFIG_KEYRING`: words as a shell splits "
        "them, run without one, every 10 seconds.",
        COMMAND,
    )
    issuer: str | None = setting(
        None, "Issuer identifier of the authorization server (RFC 8414 section 2).", URL
    )
    tokens: TokenKind = setting(
        "introspection",
        "How access tokens are checked: `introspection` asks the authorization server (RFC 7662), "
        "`jwt` verifies RFC 9068 tokens with the issuer's keys.",
        one_of(TokenKind),
    )
    jwks_uri: str | None = setting(
        None,
        "URL of the issuer's JWK Set, for `jwt` and for back-channel log-out; without it, the "
        "`jwks_uri` of its metadata.",
        URL,
    )
    jwt_typ: JWTType = setting(
        "at+jwt",
        "`typ` that a JWT access token must have: `at+jwt` (RFC 9068), or `any`, which also takes "
        "`JWT` and none.",
        one_of(JWTType),
    )
    introspection_endpoint: str | None = setting(
        None,
        "URL of the introspection endpoint (RFC 7662); without it, the metadata of the issuer "
        "(RFC 8414 or OpenID) name it.",
        URL,
    )
    client_id: str | None = setting(
        None, "Client identifier of this gateway at the authorization server."
    )
    client_secret: str | None = setting(
        None, "Client secret, for `client_secret_basic` and `client_secret_post`.", secret=True
    )
    client_secret_file: str | os.PathLike[str] | None = setting(
        None,
        "Path of a private file with the client secret, in place of `AICONFIG_CLIENT_SECRET`; read "
        "again when it changes.",
    )
    client_auth_method: ClientAuthMethod = setting(
        "client_secret_basic",
        "How the gateway authenticates when it introspects (RFC 6749 section 2.3, RFC 7523): "
        "`client_secret_basic`, `client_secret_post` or `private_key_jwt`.",
        one_of(ClientAuthMethod),
    )
    client_key: str | os.PathLike[str] | None = setting(
        None, "Path of the private key for `private_key_jwt`: a JWK or PEM in a private file."
    )
    assertion_audience: str | None = setting(
        None,
        "`aud` of the assertion for `private_key_jwt`; without it, the issuer.",
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
        BOOLEAN,
    )
    audience: str | None = setting(
        None, "What the `aud` of a token must contain; without it, `aud` is not checked."
    )
    subject_claim: str = setting(
        "sub", "Member of the introspection response that names the user.", NOT_EMPTY
    )
    clients: Collection[str] = setting(
        (),
        "Client ids whose access tokens are accepted, comma-separated; without it, any client's.",
        CLIENTS,
    )
    require_token_type: bool = setting(
        False,
        "`true` refuses a token that is introspected without a `token_type`: for servers that "
        "report refresh tokens as active.",
        BOOLEAN,
    )
    read_scope: str = setting(
        "ai-config:read", "Scope required for reading; empty requires none.", SCOPE, empty=True
    )
    write_scope: str = setting(
        "ai-config:write", "Scope required for writing; empty requires none.", SCOPE, empty=True
    )
    introspection_ttl: float = setting(
        30.0, "Seconds for which an active token is cached; 0 disables it.", number(float, 0, 3600)
    )
    introspection_cache_size: int = setting(
        10_000, "Maximum number of cached introspections.", number(int, 1, 1_000_000)
    )
    introspection_rate: int | None = setting(
        None,
        "Introspections a minute that the authorization server allows; at most half of them are "
        "for tokens that were never active here. Without it, no limit.",
        number(int, 1, 1_000_000),
    )
    dpop: DPoPMode = setting(
        "off",
        "Tokens bound to a key (DPoP, RFC 9449): `off` refuses them, `on` accepts them beside "
        "bearer tokens, `required` accepts no others. Needs `AICONFIG_RESOURCE`.",
        one_of(DPoPMode),
    )
    backchannel_logout: bool = setting(
        False,
        "`true` adds `POST {prefix}/backchannel-logout` (OpenID Connect Back-Channel Logout 1.0) "
        "for the authorization server to call.",
        BOOLEAN,
    )
    clock_leeway: float = setting(
        0.0, "Seconds by which clocks may differ, for `exp` and `nbf`.", number(float, 0, 60)
    )
    api_key_policy: APIKeyPolicy = setting(
        "opaque",
        "`opaque` accepts any ciphertext as an API key, `sealed` only sealed keys.",
        one_of(APIKeyPolicy),
    )
    base_urls: Collection[str] = setting(
        (),
        "Where users' entries may reach a provider (`baseUrl`), comma-separated: exact origins, "
        "and `public` for any `https` origin.",
        BASE_URLS,
    )
    catalog: str | os.PathLike[str] | None = setting(
        None, "Path of the catalogue, a JSON file of what users may configure."
    )
    shared_keys: str | os.PathLike[str] | None = setting(
        None, "Path of the operator's own API keys by provider, a private JSON file."
    )
    prefix: str = setting("/api/v1", "Path prefix of all routes.", PATH, empty=True)
    cors_origins: Collection[str] = setting(
        (), "Origins whose pages may call the routes (CORS), comma-separated.", ORIGINS
    )
    resource: str | None = setting(
        None,
        "Public URL of the routes as a protected resource; publishes metadata (RFC 9728), and "
        "401 responses name them.",
        RESOURCE_URL,
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
        if self.keyring and self.keyring_command:
            raise ConfigurationError(
                f"{variable('keyring')} and {variable('keyring_command')} are both set; set one."
            )
        for name in ("issuer", "introspection_endpoint", "jwks_uri"):
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
        given = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
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

"""Domain value types. Nothing here does I/O or knows a library."""

from __future__ import annotations

import enum
import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias, TypeVar

from aiconfig_plugin.domain.secret import SecretStr
from aiconfig_plugin.errors import KeyRequired, Violation

Identity: TypeAlias = "tuple[str, str, str, str | None]"
_M = TypeVar("_M", bound="Model")
_Class: TypeAlias = type[_M]  # Inside of Model "type" is its field.

_FOR_ANOTHER_ORIGIN: Final = (
    "The API key of this entry is stored for another origin; send the key again, or null."
)

MAX_API_KEY_BYTES: Final = 4096
"""Of an API key in plain text, as UTF-8."""


@dataclass(frozen=True)
class Owner:
    """Whose configuration it is: the issuer and the subject of the access token."""

    issuer: str
    subject: str

    def digest(self, *more: str, ascii_only: bool = True) -> str:
        """Return a digest that no other owner shares, nor this one together with other ``more``.

        It is the SHA-256, in base64url, of a JSON array, which has only one reading.
        ``ascii_only`` escapes what is not ASCII: stores hold digests of either spelling.
        """
        return _digest((self.issuer, self.subject, *more), ascii_only)


@lru_cache(maxsize=1024)  # One owner has many keys, and often makes several requests in a row.
def _digest(names: tuple[str, ...], ascii_only: bool) -> str:
    array = json.dumps(names, ensure_ascii=ascii_only, separators=(",", ":"))
    return urlsafe_b64encode(sha256(array.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Principal:
    """Who makes a request, as the authorization server (or the host) vouches for it.

    ``subject`` is None for a token that stands for no user. ``scopes`` may be given as any
    iterable, or as the space-separated string of RFC 6749 section 3.3. ``expires_at`` is in
    seconds since the epoch; None means that no end was given. ``ambient`` says that the browser
    sends the credential by itself, as it does with a cookie or a client certificate: a write is
    then refused unless it comes from this site.
    """

    issuer: str
    subject: str | None
    scopes: Iterable[str] = frozenset()
    client_id: str | None = None
    expires_at: float | None = None
    ambient: bool = False

    def __post_init__(self) -> None:
        scopes = self.scopes.split() if isinstance(self.scopes, str) else self.scopes
        object.__setattr__(self, "scopes", frozenset(scopes))


KeySource: TypeAlias = Literal["user", "shared"]
"""Whose API key a call uses."""

KeyForm: TypeAlias = Literal["plain", "opaque"]
"""What a stored key opens to: the provider's API key, or ciphertext that the client brought."""


@dataclass(frozen=True)
class Destination:
    """Where an API key goes: to a provider, at an ``origin`` where the owner has given one."""

    provider: str
    origin: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.provider,) if self.origin is None else (self.provider, self.origin)


@dataclass(frozen=True)
class StoredKey:
    """An API key at rest: a compact JWE (RFC 7516) and the ``kid`` of the key that wraps it."""

    kid: str
    jwe: str = field(repr=False)


@dataclass(frozen=True)
class KeyIdentity:
    """One API key of an owner. It stays the same however often the key is wrapped anew."""

    owner: Owner
    id: str


KeyWithOrigin: TypeAlias = tuple[StoredKey, str | None]
"""A stored key, and the origin that it was stored for."""


@dataclass(frozen=True)
class Model:
    """One model of a provider, as its user describes it."""

    provider: str
    type: str
    model: str
    is_paid: bool
    label: str | None = field(default=None, kw_only=True)
    enabled: bool | None = field(default=None, kw_only=True)
    base_url: str | None = field(default=None, kw_only=True)
    """As it was given; ``origin`` is what is compared."""
    origin: str | None = field(default=None, kw_only=True)
    options: Mapping[str, str | float | bool] | None = field(default=None, kw_only=True, hash=False)

    @property
    def identity(self) -> Identity:
        """What no two entries of a configuration share."""
        return self.provider, self.type, self.model, self.label

    @property
    def destination(self) -> Destination:
        return Destination(self.provider, self.origin)

    @property
    def optional_members(self) -> Mapping[str, Any]:
        """Those of the JSON's optional members that were given, by their names there."""
        members = {
            "label": self.label,
            "enabled": self.enabled,
            "baseUrl": self.base_url,
            "options": self.options,
        }
        return {name: value for name, value in members.items() if value is not None}

    @property
    def members(self) -> dict[str, Any]:
        """The members of the JSON that were given, by their names there."""
        return {
            "provider": self.provider,
            "type": self.type,
            "model": self.model,
            "isPaid": self.is_paid,
            **self.optional_members,
        }

    @classmethod
    def of(cls: _Class[_M], members: Mapping[str, Any], origin: str | None, **own: Any) -> _M:
        """Return what the members of the JSON say; ``own`` is what a subclass has beyond them."""
        return cls(
            provider=members["provider"],
            type=members["type"],
            model=members["model"],
            is_paid=members["isPaid"],
            label=members.get("label"),
            enabled=members.get("enabled"),
            base_url=members.get("baseUrl"),
            origin=origin,
            options=members.get("options"),
            **own,
        )

    @classmethod
    def like(cls: _Class[_M], model: Model, **own: Any) -> _M:
        """Return what ``model`` says; ``own`` is beyond it, or in its place."""
        return cls(**{**{name: getattr(model, name) for name in _COMMON}, **own})


_COMMON: Final = tuple(each.name for each in fields(Model))


@dataclass(frozen=True)
class ModelEntry(Model):
    """One entry of a configuration; ``key`` is None where no API key is stored."""

    key: StoredKey | None = None


@dataclass(frozen=True)
class AIConfig:
    """One owner's configuration. ``revision`` is opaque and new after every write."""

    models: tuple[ModelEntry, ...]
    system_prompt: str = field(repr=False)
    revision: str

    def with_keys(
        self, stored: Mapping[Identity, KeyWithOrigin], positions: Collection[int]
    ) -> AIConfig:
        """Return this with the keys of the entries at ``positions`` out of ``stored``.

        Raises ``KeyRequired`` where such a key is for another origin than the entry's.
        """
        models, violations = list(self.models), []
        for position in positions:
            entry = models[position]
            key, origin = stored.get(entry.identity, (None, None))
            if key is None:
                continue
            if origin != entry.origin:
                pointer = f"/models/{position}/apiKeyEncrypted"
                violations.append(Violation(pointer, KeyRequired.code, _FOR_ANOTHER_ORIGIN))
            # A third of the time that dataclasses.replace() takes.
            models[position] = ModelEntry(**{**vars(entry), "key": key})
        if violations:
            raise KeyRequired(_FOR_ANOTHER_ORIGIN, violations)
        return AIConfig(tuple(models), self.system_prompt, self.revision)


@dataclass(frozen=True)
class ResolvedModel(Model):
    """What the gateway needs for a call of its own. ``api_key`` is None where none is stored.

    Where ``key_form`` is ``"opaque"``, ``api_key`` is what the client sent as ciphertext of its
    own: no provider takes it. Ciphertext that was stored before forms were remembered counts as
    ``"plain"``. ``base_url`` is the entry's own, or the one of the catalogue for its provider;
    ``key_source`` says whose key it is, and ``position`` which entry of the configuration.
    ``key_identity`` is that of the user's own key, and None where that is not used.
    """

    api_key: SecretStr | None
    system_prompt: str = field(repr=False)
    key_form: KeyForm | None = None
    key_source: KeySource | None = None
    position: int = 0
    key_identity: KeyIdentity | None = field(default=None, repr=False)


class Absent(enum.Enum):
    """The type of :data:`ABSENT`, which is neither a value nor null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True)
class SubmittedEntry(Model):
    """One entry of a request body. ``api_key_encrypted`` tells absent, null and a value apart."""

    api_key_encrypted: str | Absent | None = field(default=ABSENT, repr=False)

    @property
    def keeps_key(self) -> bool:
        return self.api_key_encrypted is ABSENT


@dataclass(frozen=True)
class Submission:
    """A request body that fits its schema."""

    models: tuple[SubmittedEntry, ...]
    system_prompt: str = field(repr=False)


class KeyState(str, enum.Enum):
    """What a user may know of a stored key without reading it."""

    SET = "set"
    UNSET = "unset"
    UNREADABLE = "unreadable"

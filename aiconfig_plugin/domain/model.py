"""Domain value types. Nothing here does I/O or knows a library."""

from __future__ import annotations

import enum
import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

Identity: TypeAlias = tuple[str, str, str]

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
    seconds since the epoch; None means that no end was given.
    """

    issuer: str
    subject: str | None
    scopes: Iterable[str] = frozenset()
    client_id: str | None = None
    expires_at: float | None = None

    def __post_init__(self) -> None:
        scopes = self.scopes.split() if isinstance(self.scopes, str) else self.scopes
        object.__setattr__(self, "scopes", frozenset(scopes))


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
class Model:
    """One model of a provider, as its user describes it."""

    provider: str
    type: str
    model: str
    is_paid: bool

    @property
    def identity(self) -> Identity:
        """What no two entries of a configuration share."""
        return self.provider, self.type, self.model

    @property
    def destination(self) -> Destination:
        return Destination(self.provider)


@dataclass(frozen=True)
class ModelEntry(Model):
    """One entry of a configuration; ``key`` is None where no API key is stored."""

    key: StoredKey | None = None
    label: str | None = None
    enabled: bool | None = None
    base_url: str | None = None
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AIConfig:
    """One owner's configuration. ``revision`` is opaque and new after every write."""

    models: tuple[ModelEntry, ...]
    system_prompt: str = field(repr=False)
    revision: str

    def with_keys(
        self, keys: Mapping[Identity, StoredKey | None], positions: Collection[int]
    ) -> AIConfig:
        """Return this with the keys of the entries at ``positions`` out of ``keys``."""
        models = list(self.models)
        for position in positions:
            entry = models[position]
            key = keys.get(entry.identity)
            if key is not None:
                # A third of the time that dataclasses.replace() takes.
                models[position] = ModelEntry(**{**vars(entry), "key": key})
        return AIConfig(tuple(models), self.system_prompt, self.revision)


class SecretStr:
    """A string that has to be asked for: ``repr``, ``str`` and logging show none of it.

    It cannot be pickled, so it does not end up in a cache or a queue by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "SecretStr('**********')"

    def __str__(self) -> str:
        return "**********"

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled or copied")


@dataclass(frozen=True)
class ResolvedModel(Model):
    """What the gateway needs for a call of its own. ``api_key`` is None where none is stored.

    Where ``key_form`` is ``"opaque"``, ``api_key`` is what the client sent as ciphertext of its
    own: no provider takes it. Ciphertext that was stored before forms were remembered counts as
    ``"plain"``.
    """

    api_key: SecretStr | None
    system_prompt: str = field(repr=False)
    key_form: KeyForm | None = None


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

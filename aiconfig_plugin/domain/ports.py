"""What the service asks of the outside world: one Protocol for each system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from aiconfig_plugin.domain.fleet import FleetKeys, Gateway, Kids
from aiconfig_plugin.domain.key_use import KeyUse, Verification
from aiconfig_plugin.domain.model import (
    AIConfig,
    Destination,
    KeyForm,
    KeyIdentity,
    KeyState,
    Owner,
    Principal,
    ResolvedModel,
    StoredKey,
)
from aiconfig_plugin.domain.secret import SecretStr

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest


@dataclass(frozen=True)
class StoredConfig:
    """A configuration where it lies. ``id`` is the store's own, and orders it."""

    id: str
    owner: Owner
    config: AIConfig


@dataclass(frozen=True)
class Rewrapping:
    """The keys of one configuration, wrapped anew, by the position of their entry."""

    id: str
    revision: str
    keys: Mapping[int, StoredKey]


@dataclass(frozen=True)
class Replaced:
    """What one atomic write stored, kept keys included, and what it replaced."""

    after: AIConfig
    decode_before: Callable[[], AIConfig]
    """Only the audit trail asks for it: a large one takes as long as the rest of the write."""

    @property
    def before(self) -> AIConfig:
        return self.decode_before()


class Repository(Protocol):
    """Keeps one configuration for each owner. Every write is atomic and durable when it returns.

    ``if_match`` is None for an unconditional write; otherwise the write happens only while the
    current revision is among those given. Every method raises
    :class:`~aiconfig_plugin.errors.StorageUnavailable` when the store gives no answer.
    """

    async def start(self) -> None:
        """Reach the store and bring its schema and indexes up to date. May be called again."""

    async def close(self) -> None:
        """Let go of what :meth:`start` opened, and of nothing that the host owns."""

    async def read(self, owner: Owner) -> AIConfig:
        """Return the owner's configuration, or raise ``ConfigNotFound``."""

    async def create(self, owner: Owner, config: AIConfig) -> AIConfig:
        """Store the first configuration of an owner and return it, or raise ``ConfigExists``."""

    async def replace(
        self,
        owner: Owner,
        config: AIConfig,
        *,
        keep: Collection[int] = (),
        if_match: Collection[str] | None = None,
    ) -> Replaced:
        """Replace the owner's configuration.

        ``keep`` holds the positions of those entries of ``config`` (their ``key`` is None) that
        keep the key now stored for the same (provider, type, model), if there is one. Raises
        ``ConfigNotFound`` or ``RevisionMismatch``; nothing is changed then.
        """

    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> AIConfig:
        """Delete the owner's configuration and return it; raises as :meth:`replace` does."""

    async def kids(self) -> Collection[str]:
        """Return each ``kid`` that wraps a stored key. Cheap, whatever the number of owners."""

    async def count_owners(self, kid: str | None = None) -> int:
        """Return how many configurations have a key that ``kid`` wraps, or any. Cheap as well."""

    async def count_by_kid(self) -> Mapping[str, int]:
        """Return how many stored keys each ``kid`` wraps. May read every configuration."""

    async def wrapped_by(self, kid: str, *, after: str = "", limit: int) -> Sequence[StoredConfig]:
        """Return up to ``limit`` configurations with a key that ``kid`` wraps, by their ``id``.

        ``after`` goes on behind that one.
        """

    async def rewrap(self, rewrappings: Sequence[Rewrapping]) -> int:
        """Put re-wrapped keys in place of the old ones, and return in how many configurations.

        One whose revision has changed meanwhile is left as it is. The revision stays.
        """


class Stores(Protocol):
    """All that a gateway keeps, which is opened and closed together."""

    @property
    def repository(self) -> Repository:
        """The configurations; its own ``start`` and ``close`` are those of all."""

    @property
    def key_use(self) -> KeyUseStore:
        """What is known of the use of keys."""

    @property
    def gateways(self) -> Gateways:
        """What the processes of the fleet tell each other."""

    @property
    def logouts(self) -> Logouts:
        """Log-outs on their way to every process."""

    async def start(self) -> None:
        """Reach the store, as :meth:`Repository.start` does."""

    async def close(self) -> None:
        """Let go of what :meth:`start` opened, and of nothing that the host owns."""


class KeyUseStore(Protocol):
    """Keeps what is known of the use of keys, to the millisecond, apart from the configurations.

    Every method raises :class:`~aiconfig_plugin.errors.StorageUnavailable` when the store gives no
    answer.
    """

    async def read(self, keys: Collection[KeyIdentity]) -> Mapping[KeyIdentity, KeyUse]:
        """Return what is known of those of the keys of which anything is."""

    async def record(self, uses: Mapping[KeyIdentity, KeyUse]) -> None:
        """Add to what is known, whatever others add meanwhile: the later time counts."""

    async def forget(self, owners: Collection[Owner]) -> None:
        """Drop all that is known of the keys of these owners."""


class Gateways(Protocol):
    """What the processes of a fleet tell each other; :mod:`~aiconfig_plugin.domain.fleet` says why.

    Every method raises :class:`~aiconfig_plugin.errors.StorageUnavailable`, and sees what was
    written before it, by whomever. Times are those of the store's clock.
    """

    async def announce(self, id: str, kids: Kids, uses: Kids) -> bool:
        """Announce this process, and return whether it was announced already."""

    async def leave(self, id: str) -> None:
        """Take the announcement back."""

    async def live(self) -> Sequence[Gateway]:
        """Return the processes that announced themselves within the last ``LIVE`` seconds."""

    async def keys(self) -> FleetKeys:
        """Return what holds for all processes."""

    async def change_keys(self, before: FleetKeys, after: FleetKeys) -> bool:
        """Put ``after`` in its place, unless it is no longer ``before``; tell whether it was."""

    async def refuse_retired(self) -> None:
        """Let the store refuse every write with a key that is retired now, and with no other.

        A write that is under way ends before or is refused. Raises
        :class:`~aiconfig_plugin.errors.ConfigurationError` where the right to do so is missing.
        """


@dataclass(frozen=True)
class Logout:
    """A subject that logged out, or one token by its SHA-256 in hexadecimal."""

    id: str
    at: datetime
    subject: str | None = None
    token: str | None = None


class Logouts(Protocol):
    """Log-outs on their way to every process. Times are those of the store's clock.

    Every method raises :class:`~aiconfig_plugin.errors.StorageUnavailable`.
    """

    async def add(self, *, subject: str | None = None, token: str | None = None) -> None:
        """Record the log-out of a subject, or of one token, by its SHA-256 in hexadecimal."""

    async def recent(self, seconds: float) -> Sequence[Logout]:
        """Return the log-outs of the last ``seconds``."""


class TurnableKeys(Protocol):
    """The keyring of a process, as far as a fleet turns it."""

    @property
    def kids(self) -> Kids:
        """Every key on it, of each kind."""

    @property
    def primaries(self) -> Kids:
        """The primary of each kind."""

    def use(self, primaries: Collection[str]) -> None:
        """Make these the primaries of their kind, on this keyring and on later ones."""


class KeyVault(Protocol):
    """Turns what a client sends into what is stored, and what is stored into the API key."""

    @property
    def primary(self) -> str:
        """The ``kid`` of the storage key that encrypts."""

    def has_key(self, kid: str) -> bool:
        """Tell whether the storage key ``kid`` is on the keyring."""

    def accept_submitted_key(
        self, owner: Owner, destination: Destination, submitted: str
    ) -> StoredKey:
        """Return what to store for a submitted ``apiKeyEncrypted``, wrapped by the primary.

        Raises ``KeyNotEncrypted`` or ``KeyNotAccepted``, without the place: that is the caller's.
        """

    def open(self, owner: Owner, destination: Destination, stored: StoredKey) -> SecretStr:
        """Return the API key, or raise ``KeyUnreadable``."""

    def rewrap(self, owner: Owner, destination: Destination, stored: StoredKey) -> StoredKey:
        """Return the same API key wrapped by the primary, or raise ``KeyUnreadable``."""

    def rebind(
        self, owner: Owner, new_owner: Owner, destination: Destination, stored: StoredKey
    ) -> StoredKey:
        """Return the same API key for another owner, or raise ``KeyUnreadable``."""

    def is_plain_key(self, text: str) -> bool:
        """Tell whether this is recognisably a provider's API key in plain text."""

    def form(self, stored: StoredKey) -> KeyForm:
        """Return what a stored key opens to. Decrypts nothing."""

    def id(self, stored: StoredKey) -> str:
        """Return what no other API key of the owner shares and every re-wrapping keeps.

        Decrypts nothing.
        """

    def state(self, key: StoredKey | None) -> KeyState:
        """Return what a user may know of a stored key. Decrypts nothing."""

    def recipient(self, owner: Owner) -> Mapping[str, Any]:
        """Return what a client needs to seal a key for this owner: a JWK Set and ``apv``."""


class Authenticator(Protocol):
    """Says who makes a request, from its headers alone: no body has been read yet.

    It may be a coroutine function or a plain one.
    """

    def __call__(
        self, request: HTTPServerRequest
    ) -> Principal | None | Awaitable[Principal | None]:
        """Return the principal, or raise ``MissingToken``, ``InvalidToken`` or an outage."""


class Verifier(Protocol):
    """Asks a provider what it says of the API key of an entry, by a call that costs nothing."""

    async def __call__(self, chosen: ResolvedModel) -> Verification:
        """Return what it said. No failure of the provider is an error."""

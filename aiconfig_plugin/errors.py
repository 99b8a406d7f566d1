"""The one tree of errors.

Every class carries what an RFC 9457 problem document needs: its ``code`` (the last part of the
``type`` URN), its ``title`` and its HTTP ``status``. ``detail`` is written for the caller and
never repeats a submitted value, a token or key material.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias


@dataclass(frozen=True)
class Violation:
    """One place in a request body that is wrong.

    ``pointer`` is a JSON Pointer (RFC 6901) into the body; ``code`` is the JSON Schema keyword
    or the problem code that was violated.
    """

    pointer: str
    code: str
    detail: str


class AIConfigError(Exception):
    """Base of every error that this package raises on purpose."""

    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class ConfigurationError(AIConfigError):
    """A setting, the keyring or the set-up of the host is wrong; the start must stop."""


class ClientCredentialsRefused(AIConfigError):
    """The authorization server refused this gateway's own client credentials."""


class MalformedJSON(AIConfigError):
    """The body is not UTF-8 or not JSON, repeats a member, holds NaN, or nests too deep."""

    code = "malformed-json"
    title = "The body is not JSON that can be read safely"
    status = 400


class InvalidParameter(AIConfigError):
    """The query asks for what there is not, or cannot be decoded."""

    code = "invalid-parameter"
    title = "A query parameter is not valid"
    status = 400


class MissingToken(AIConfigError):
    """The request carries no bearer token (RFC 6750 section 3.1: a challenge without ``error``)."""

    code = "missing-token"
    title = "An access token is required"
    status = 401


class InvalidToken(AIConfigError):
    """The access token is unknown, expired, revoked or not meant for this gateway."""

    code = "invalid-token"
    title = "The access token is not valid"
    status = 401


class InsufficientScope(AIConfigError):
    """The token is good but lacks ``scope`` (RFC 6750 section 3.1)."""

    code = "insufficient-scope"
    title = "The access token does not cover this request"
    status = 403

    def __init__(self, scope: str) -> None:
        super().__init__(f"The scope {scope} is required.")
        self.scope = scope


class UserRequired(AIConfigError):
    """The token is active but stands for no user."""

    code = "user-required"
    title = "The access token does not stand for a user"
    status = 403


class ConfigNotFound(AIConfigError):
    """The owner has no configuration: none was created, or it was deleted."""

    code = "config-not-found"
    title = "There is no configuration"
    status = 404

    def __init__(self) -> None:
        super().__init__("This user has no AI model configuration yet.")


class MethodNotAllowed(AIConfigError):
    """The route is there, for other methods: ``Allow`` names them."""

    code = "method-not-allowed"
    title = "The method is not allowed here"
    status = 405


class ConfigExists(AIConfigError):
    """A create found a configuration of this owner; an update would replace it."""

    code = "config-exists"
    title = "There is a configuration already"
    status = 409

    def __init__(self) -> None:
        super().__init__("This user has an AI model configuration already; update it instead.")


class RevisionMismatch(AIConfigError):
    """``If-Match`` names none that is current: somebody has written since. Nothing was changed."""

    code = "revision-mismatch"
    title = "The configuration has changed"
    status = 412

    def __init__(self) -> None:
        super().__init__("If-Match does not name the current revision; read it again.")


class BodyTooLarge(AIConfigError):
    """The body has more than 1 MiB. It was not kept."""

    code = "body-too-large"
    title = "The body is too large"
    status = 413


class UnsupportedMediaType(AIConfigError):
    """The body is not ``application/json``, or has a content coding."""

    code = "unsupported-media-type"
    title = "The body must be application/json"
    status = 415


class UnprocessableBody(AIConfigError):
    """A body that is JSON but says something that cannot be stored; ``violations`` says where."""

    status = 422

    def __init__(self, detail: str, violations: Iterable[Violation] = ()) -> None:
        super().__init__(detail)
        self.violations: Sequence[Violation] = tuple(violations)


class SchemaViolation(UnprocessableBody):
    """The body does not fit its JSON Schema; ``errors`` has each place."""

    code = "schema-violation"
    title = "The body does not fit its schema"


class DuplicateModel(UnprocessableBody):
    """Two entries name the same model of the same type and provider."""

    code = "duplicate-model"
    title = "Two entries share provider, type and model"


class KeyNotEncrypted(UnprocessableBody):
    """An ``apiKeyEncrypted`` is recognisably a plain key, or not sealed where it must be."""

    code = "key-not-encrypted"
    title = "An API key was sent in plain text"


class KeyNotAccepted(UnprocessableBody):
    """A sealed or stored key does not open for this owner and this provider.

    ``reason`` tells the ways of failing apart; it is for the log and not for the client.
    ``unverifiable`` is true of a stored key whose wrapping key is not on the keyring.
    """

    code = "key-not-accepted"
    title = "An encrypted API key cannot be accepted"

    def __init__(
        self,
        detail: str,
        violations: Iterable[Violation] = (),
        *,
        reason: str = "",
        unverifiable: bool = False,
    ) -> None:
        super().__init__(detail, violations)
        self.reason = reason
        self.unverifiable = unverifiable


class KeyRequired(UnprocessableBody):
    """An entry is given another destination, and its API key is not submitted with it."""

    code = "key-required"
    title = "An API key is required"


class BaseURLNotAllowed(UnprocessableBody):
    """The operator does not allow the origin of a ``baseUrl``."""

    code = "base-url-not-allowed"
    title = "The base URL is not allowed"


class ModelNotOffered(UnprocessableBody):
    """The operator does not offer the provider or the model of an entry."""

    code = "model-not-offered"
    title = "The model is not offered"


class ModelNotConfigured(AIConfigError):
    """The owner has a configuration, but no entry in it fits what was asked for."""

    code = "model-not-configured"
    title = "No entry of the configuration fits"
    status = 404


class BaseURLRefused(AIConfigError):
    """A client of an entry was asked to call what it must not reach. Nothing was sent."""

    code = "base-url-refused"
    title = "The URL may not be called"


class KeyUnreadable(AIConfigError):
    """A stored key cannot be opened: its wrapping key is not on the keyring, or it was moved.

    ``detail`` says why; it is for the log and not for a client.
    """

    code = "key-unreadable"
    title = "The stored API key cannot be read"
    status = 409


class KeyInUse(AIConfigError):
    """A key of the keyring cannot go while stored keys are wrapped by it."""

    code = "key-in-use"
    title = "The key is still in use"
    status = 409


class AuthorizationServerUnavailable(AIConfigError):
    """The authorization server gave no usable answer: neither a yes nor a no.

    ``retry_after`` is in whole seconds.
    """

    code = "authorization-server-unavailable"
    title = "The authorization server is not available"
    status = 503

    def __init__(self, detail: str = "", *, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


Outcome: TypeAlias = Literal["unknown", "nothing-changed"]
"""What a write that failed has done: "unknown" where it was sent and not answered."""


class StorageUnavailable(AIConfigError):
    """The database gave no usable answer. ``retry_after`` is in whole seconds.

    ``outcome`` is None where nothing was to be written.
    """

    code = "storage-unavailable"
    title = "The database is not available"
    status = 503

    def __init__(
        self, detail: str = "", *, retry_after: int = 5, outcome: Outcome | None = None
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.outcome = outcome

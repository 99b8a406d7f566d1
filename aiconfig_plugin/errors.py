"""All errors, with what a problem document (RFC 9457) needs. None repeats a submitted value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

MAX_VIOLATIONS = 50  # of one body that are told at once


@dataclass(frozen=True)
class Violation:
    """What is wrong at a JSON Pointer (RFC 6901) of a body: a schema keyword or problem code."""

    pointer: str
    code: str
    detail: str


class AIConfigError(Exception):
    """Base of every error that this package raises on purpose."""

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    detail: str = ""

    def __init__(self, detail: str | None = None) -> None:
        self.detail = self.detail if detail is None else detail
        super().__init__(self.detail)


class InternalError(AIConfigError):
    """Something is wrong on the gateway's side. A client is told no more than that."""

    code = "internal-error"
    title = "Internal error"
    status = 500


class ConfigurationError(InternalError):
    """A setting, the keyring or the set-up of the host is wrong; the gateway cannot start."""


class ClientCredentialsRefused(InternalError):
    """The authorization server refused this gateway's own client credentials."""


class MalformedJSON(AIConfigError):
    """The body is not UTF-8 or not JSON, repeats a member, holds NaN, or is nested too deep."""

    code = "malformed-json"
    title = "Malformed JSON"
    status = 400


class InvalidParameter(AIConfigError):
    """A query parameter has an unknown value, or cannot be decoded."""

    code = "invalid-parameter"
    title = "Invalid query parameter"
    status = 400


class MissingToken(AIConfigError):
    """The request carries no bearer token (RFC 6750 section 3.1: a challenge without ``error``)."""

    code = "missing-token"
    title = "Access token required"
    status = 401


class InvalidToken(AIConfigError):
    """The access token is unknown, expired, revoked or not meant for this gateway."""

    code = "invalid-token"
    title = "Invalid access token"
    status = 401


class InsufficientScope(AIConfigError):
    """The token is valid but lacks ``scope`` (RFC 6750 section 3.1)."""

    code = "insufficient-scope"
    title = "Insufficient scope"
    status = 403

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"The scope {scope} is required." if scope else "The request is not permitted."
        )
        self.scope = scope


class UserRequired(AIConfigError):
    """The token is active but does not represent a user."""

    code = "user-required"
    title = "The access token does not represent a user"
    status = 403


class ClientNotAllowed(AIConfigError):
    """The token is active, but it was issued to a client that the operator does not accept."""

    code = "client-not-allowed"
    title = "The client of the access token is not allowed"
    status = 403


class ConfigNotFound(AIConfigError):
    """The owner has no configuration: none was created, or it was deleted."""

    code = "config-not-found"
    title = "Configuration not found"
    status = 404
    detail = "This user has no AI model configuration."


class MethodNotAllowed(AIConfigError):
    """The route does not support this method; ``Allow`` lists those that it does."""

    code = "method-not-allowed"
    title = "Method not allowed"
    status = 405
    detail = "Method not allowed; see Allow."


class ConfigExists(AIConfigError):
    """The owner already has a configuration; an update would replace it."""

    code = "config-exists"
    title = "Configuration already exists"
    status = 409
    detail = "This user already has an AI model configuration; update it instead."


class RevisionMismatch(AIConfigError):
    """``If-Match`` does not name the current revision. Nothing was changed."""

    code = "revision-mismatch"
    title = "Configuration has changed"
    status = 412
    detail = "If-Match does not name the current revision; read the configuration again."


class BodyTooLarge(AIConfigError):
    """The request body is larger than 1 MiB."""

    code = "body-too-large"
    title = "Request body too large"
    status = 413


class UnsupportedMediaType(AIConfigError):
    """The body is not ``application/json``, or has a content coding."""

    code = "unsupported-media-type"
    title = "Unsupported media type"
    status = 415


class UnprocessableBody(AIConfigError):
    """The body is JSON but cannot be stored; ``violations`` lists the places, the first 50."""

    status = 422

    def __init__(self, detail: str, violations: Iterable[Violation] = ()) -> None:
        super().__init__(detail)
        self.violations: Sequence[Violation] = tuple(violations)[:MAX_VIOLATIONS]


class SchemaViolation(UnprocessableBody):
    """The body violates its JSON Schema; ``errors`` lists the places."""

    code = "schema-violation"
    title = "Schema violation"


class DuplicateModel(UnprocessableBody):
    """Two entries have the same provider, type, model and label."""

    code = "duplicate-model"
    title = "Duplicate model"


class KeyNotEncrypted(UnprocessableBody):
    """An ``apiKeyEncrypted`` is recognizably a plain key, or not sealed where it must be."""

    code = "key-not-encrypted"
    title = "API key not encrypted"


class KeyNotAccepted(UnprocessableBody):
    """A key cannot be decrypted for this owner and provider; ``reason`` is for the log alone.

    ``unverifiable`` is true of a stored key whose wrapping key is not on the keyring.
    """

    code = "key-not-accepted"
    title = "Encrypted API key not accepted"

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
    title = "API key required"


class BaseURLNotAllowed(UnprocessableBody):
    """The operator does not allow the origin of a ``baseUrl``."""

    code = "base-url-not-allowed"
    title = "Base URL not allowed"


class ModelNotOffered(UnprocessableBody):
    """The operator does not offer the provider or the model of an entry."""

    code = "model-not-offered"
    title = "Model not offered"


class ModelNotConfigured(AIConfigError):
    """The owner has a configuration, but no entry matches the request."""

    code = "model-not-configured"
    title = "No matching entry"
    status = 404


class BaseURLRefused(AIConfigError):
    """A client of an entry was asked to call what it must not reach. Nothing was sent."""

    code = "base-url-refused"
    title = "The URL may not be called"
    status = 500


class KeyUnreadable(AIConfigError):
    """A stored key cannot be decrypted: its wrapping key is gone, or it was moved. See the log."""

    code = "key-unreadable"
    title = "Stored API key unreadable"
    status = 409


class KeyInUse(AIConfigError):
    """A key of the keyring cannot be removed while stored keys are wrapped by it."""

    code = "key-in-use"
    title = "Key in use"
    status = 409


Outcome: TypeAlias = Literal["unknown", "nothing-changed"]
"""What a write that failed has done: "unknown" where it was sent; None is of no write."""


class Unavailable(AIConfigError):
    """A system that the gateway depends on is not available; ``retry_after`` is in seconds."""

    status = 503

    def __init__(
        self, detail: str = "", *, retry_after: int = 5, outcome: Outcome | None = None
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.outcome = outcome


class AuthorizationServerUnavailable(Unavailable):
    """The authorization server did not answer, or not in a usable way."""

    code = "authorization-server-unavailable"
    title = "Authorization server unavailable"


class StorageUnavailable(Unavailable):
    """The database gave no usable answer, or memory for request bodies is short."""

    code = "storage-unavailable"
    title = "Storage unavailable"

"""What is wrong with a request and its body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiconfig_plugin.errors.base import AIConfigError

MAX_VIOLATIONS = 50  # of one body that are told at once


class InvalidParameter(AIConfigError):
    """A query parameter has an unknown value, or cannot be decoded."""

    code = "invalid-parameter"
    title = "Invalid query parameter"
    status = 400


class MethodNotAllowed(AIConfigError):
    """The route does not support this method; ``Allow`` lists those that it does."""

    code = "method-not-allowed"
    title = "Method not allowed"
    status = 405
    detail = "Method not allowed; see Allow."


class TooManyRequests(AIConfigError):
    """The owner asks too often for what a provider has to be called for; see ``retry_after``."""

    code = "too-many-requests"
    title = "Too many requests"
    status = 429

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class MalformedJSON(AIConfigError):
    """The body is not UTF-8 or not JSON, repeats a member, holds NaN, or is nested too deep."""

    code = "malformed-json"
    title = "Malformed JSON"
    status = 400


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


@dataclass(frozen=True)
class Violation:
    """What is wrong at a JSON Pointer (RFC 6901) of a body: a schema keyword or problem code."""

    pointer: str
    code: str
    detail: str


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

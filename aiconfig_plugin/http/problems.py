"""Problem documents (RFC 9457): what a client is told of an exception, and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from http.client import responses
from itertools import groupby
from typing import Any

from tornado.web import HTTPError

from aiconfig_plugin import errors
from aiconfig_plugin.errors import AIConfigError
from aiconfig_plugin.http.challenge import BEARER, Schemes, challenge

CONTENT_TYPE = "application/problem+json"

_TOLD: tuple[type[AIConfigError], ...] = (
    errors.MalformedJSON,
    errors.InvalidParameter,
    errors.InvalidToken,
    errors.MissingToken,
    errors.InsufficientScope,
    errors.UserRequired,
    errors.ClientNotAllowed,
    errors.CrossSiteRequest,
    errors.ConfigNotFound,
    errors.MethodNotAllowed,
    errors.ConfigExists,
    errors.KeyUnreadable,
    errors.RevisionMismatch,
    errors.BodyTooLarge,
    errors.UnsupportedMediaType,
    errors.SchemaViolation,
    errors.DuplicateModel,
    errors.KeyNotEncrypted,
    errors.KeyNotAccepted,
    errors.KeyRequired,
    errors.BaseURLNotAllowed,
    errors.ModelNotOffered,
    errors.TooManyRequests,
    errors.InternalError,
    errors.AuthorizationServerUnavailable,
    errors.StorageUnavailable,
)
PROBLEMS: Mapping[int, tuple[str, ...]] = {
    status: tuple(error.code for error in group)
    for status, group in groupby(_TOLD, lambda error: error.status)
}
"""The problem codes that a client may get, by status."""


@dataclass(frozen=True)
class Problem:
    """What an exception comes to: a status, a problem document and further headers."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None


def problem(
    error: BaseException | None,
    *,
    schemes: Schemes = BEARER,
    authorization: str = "",
    allow: Collection[str] = (),
    writes: bool = False,
) -> Problem:
    """Return what a client is told of ``error``.

    ``schemes`` and ``authorization`` are as in
    :func:`~aiconfig_plugin.http.challenge.challenge`, ``allow`` the methods of the route;
    ``writes`` says that the request would have changed something.
    """
    if isinstance(error, HTTPError):
        if error.status_code == 405:
            error = errors.MethodNotAllowed()
        elif error.status_code != 500:
            return _status_alone(error)
    if not isinstance(error, AIConfigError):
        error = errors.InternalError()
    document: dict[str, Any] = {
        "type": f"urn:aiconfig:problem:{error.code}",
        "title": error.title,
        "status": error.status,
    }
    if error.status != 500 and error.detail:
        document["detail"] = error.detail
    if isinstance(error, errors.UnprocessableBody):
        document["errors"] = [asdict(violation) for violation in error.violations]
    if isinstance(error, errors.StorageUnavailable) and writes:
        document["outcome"] = error.outcome or "nothing-changed"
    if isinstance(error, errors.MethodNotAllowed):
        return Problem(error.status, document, {"Allow": ", ".join(allow)})
    if isinstance(error, (errors.Unavailable, errors.TooManyRequests)):
        return Problem(error.status, document, {"Retry-After": str(error.retry_after)})
    told = challenge(error, schemes, authorization)
    return Problem(error.status, document, {} if told is None else {"WWW-Authenticate": told})


def _status_alone(error: HTTPError) -> Problem:
    """RFC 9457 section 4.2.1: a problem that says no more than its status."""
    title = error.reason or responses.get(error.status_code, "Unknown")
    document = {"type": "about:blank", "title": title, "status": error.status_code}
    return Problem(error.status_code, document, reason=error.reason)

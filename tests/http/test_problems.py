"""Every exception comes to one problem document, by one table of codes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado.web import HTTPError

from aiconfig_plugin import errors
from aiconfig_plugin.errors import AIConfigError, Violation
from aiconfig_plugin.http import PROBLEMS
from aiconfig_plugin.http.identity import of_host
from aiconfig_plugin.http.problems import problem
from tests.support.gateway import PROBLEMS as BY_CODE

# What the outside sees: a code or a status here changes only on purpose.
CONTRACT = {
    400: ("malformed-json", "invalid-parameter"),
    401: ("invalid-token", "missing-token"),
    403: ("insufficient-scope", "user-required", "client-not-allowed", "cross-site-request"),
    404: ("config-not-found",),
    405: ("method-not-allowed",),
    409: ("config-exists", "key-unreadable"),
    412: ("revision-mismatch",),
    413: ("body-too-large",),
    415: ("unsupported-media-type",),
    422: (
        *("schema-violation", "duplicate-model", "key-not-encrypted", "key-not-accepted"),
        *("key-required", "base-url-not-allowed", "model-not-offered"),
    ),
    429: ("too-many-requests",),
    500: ("internal-error",),
    503: ("authorization-server-unavailable", "storage-unavailable"),
}
# What Python callers and the command line get, and no HTTP client.
NOT_OVER_HTTP = {
    "model-not-configured",
    "key-in-use",
    "key-not-distributed",
    "base-url-refused",
}
VIOLATION = Violation("/models/0", "type", "Must be object.")


def test_the_table_is_the_contract() -> None:
    assert PROBLEMS == CONTRACT


def test_every_error_is_in_the_table_or_for_python_alone() -> None:
    codes = {code for group in CONTRACT.values() for code in group}
    assert codes | NOT_OVER_HTTP == set(BY_CODE)
    assert not codes & NOT_OVER_HTTP
    assert all(BY_CODE[code].status == status for status in CONTRACT for code in CONTRACT[status])


@pytest.mark.parametrize(
    ("error", "status", "code", "members", "headers"),
    [
        (errors.InvalidParameter("x"), 400, "invalid-parameter", {"detail": "x"}, {}),
        (errors.InvalidParameter(), 400, "invalid-parameter", {}, {}),
        (
            errors.MissingToken("x"),
            401,
            "missing-token",
            {"detail": "x"},
            {"WWW-Authenticate": 'Bearer realm="aiconfig"'},
        ),
        (
            errors.MethodNotAllowed(),
            405,
            "method-not-allowed",
            {"detail": "Method not allowed; see Allow."},
            {"Allow": "GET, HEAD"},
        ),
        (HTTPError(405), 405, "method-not-allowed", {"detail": ...}, {"Allow": "GET, HEAD"}),
        (
            errors.SchemaViolation("x", [VIOLATION]),
            422,
            "schema-violation",
            {"detail": "x", "errors": [vars(VIOLATION)]},
            {},
        ),
        (
            errors.TooManyRequests("x", retry_after=7),
            429,
            "too-many-requests",
            {"detail": "x"},
            {"Retry-After": "7"},
        ),
        (errors.InternalError("story"), 500, "internal-error", {}, {}),
        (errors.ConfigurationError("story"), 500, "internal-error", {}, {}),
        (errors.ClientCredentialsRefused("story"), 500, "internal-error", {}, {}),
        (KeyError("story"), 500, "internal-error", {}, {}),
        (asyncio.TimeoutError("story"), 500, "internal-error", {}, {}),
        (HTTPError(500, "story"), 500, "internal-error", {}, {}),
        (None, 500, "internal-error", {}, {}),
        (
            errors.AuthorizationServerUnavailable("x", retry_after=7),
            503,
            "authorization-server-unavailable",
            {"detail": "x"},
            {"Retry-After": "7"},
        ),
        (
            errors.StorageUnavailable("x", retry_after=1, outcome="unknown"),
            503,
            "storage-unavailable",
            {"detail": "x"},
            {"Retry-After": "1"},
        ),
    ],
)
def test_an_error_has_its_document_and_headers(
    error: BaseException | None,
    status: int,
    code: str,
    members: dict[str, Any],
    headers: dict[str, str],
) -> None:
    found = problem(error, allow=("GET", "HEAD"))
    document = dict(found.document)
    assert (found.status, document.pop("status"), document.pop("type")) == (
        *(status, status), f"urn:aiconfig:problem:{code}",
    )  # fmt: skip
    assert document.pop("title")
    assert document.keys() == members.keys()
    assert all(document[name] == value for name, value in members.items() if value is not ...)
    assert found.headers == headers


@pytest.mark.parametrize("outcome", ["unknown", "nothing-changed", None])
def test_a_write_that_failed_tells_its_outcome(outcome: Any) -> None:
    error = errors.StorageUnavailable("x", outcome=outcome)
    told = problem(error, writes=True).document["outcome"]
    assert told == (outcome or "nothing-changed")
    assert "outcome" not in problem(error).document
    assert "outcome" not in problem(errors.ConfigExists(), writes=True).document


@pytest.mark.parametrize(
    ("error", "title"),
    [(HTTPError(404, "story"), "Not Found"), (HTTPError(418, reason="Teapot"), "Teapot"),
     (HTTPError(499), "Unknown"), (HTTPError(403), "Forbidden"),
     (HTTPError(503), "Service Unavailable")],
)  # fmt: skip
def test_a_refusal_that_is_not_ours_says_no_more_than_its_status(
    error: HTTPError, title: str
) -> None:
    found = problem(error)
    assert found.document == {"type": "about:blank", "title": title, "status": error.status_code}
    assert (found.status, found.reason, found.headers) == (error.status_code, error.reason, {})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, HTTPError), (401, errors.InvalidToken), (403, errors.InsufficientScope),
     (404, HTTPError), (429, HTTPError), (499, HTTPError),
     (500, errors.AuthorizationServerUnavailable), (503, errors.AuthorizationServerUnavailable)],
)  # fmt: skip
def test_what_a_hosts_authenticate_raises(status: int, kind: type[Exception]) -> None:
    raised = HTTPError(status, "story", reason="Why")
    found = of_host(raised, "a:b")
    assert type(found) is kind
    assert (found is raised) == (kind is HTTPError)
    if isinstance(found, AIConfigError):
        assert found.detail and "story" not in found.detail
    if isinstance(found, errors.InsufficientScope):
        assert (found.scope, found.detail) == ("a:b", "The scope a:b is required.")


def test_without_a_scope_no_scope_is_asked_for() -> None:
    found = problem(of_host(HTTPError(403), ""))
    assert found.document["detail"] == "The request is not permitted."
    assert "scope=" not in found.headers["WWW-Authenticate"]

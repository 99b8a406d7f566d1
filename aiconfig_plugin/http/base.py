"""What all routes share: who may come in, how much they may send, and how errors look.

Closed by default: a method that a handler does not list in ``access`` is refused, and one that
it lists is reached only with the scope that the list asks for.
"""

from __future__ import annotations

import enum
import json
import logging
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from http.client import responses
from types import TracebackType
from typing import Any, ClassVar, cast

from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, RequestHandler, stream_request_body

from aiconfig_plugin.domain import AIConfigService, Authenticator, Owner, Submission
from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    BodyTooLarge,
    InsufficientScope,
    InvalidParameter,
    InvalidToken,
    MethodNotAllowed,
    StorageUnavailable,
    UnprocessableBody,
    UserRequired,
)
from aiconfig_plugin.http.challenge import challenge
from aiconfig_plugin.http.cors import preflight_headers, response_headers
from aiconfig_plugin.metrics import process_metrics

MAX_BODY_BYTES = 1024 * 1024
# A body that is too large is let run out unread up to here, so that the client gets to read why.
# One that is larger still is cut off, which many clients report as a broken connection.
MAX_DRAINED_BYTES = 16 * MAX_BODY_BYTES

logger = logging.getLogger("aiconfig_plugin")

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Access(enum.Enum):
    """What a method asks of its caller."""

    PUBLIC = "public"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Parts:
    """What the handlers need, as the plugin composed it."""

    service: AIConfigService
    authenticate: Authenticator
    parse: Callable[[bytes], Submission]
    openapi: bytes
    prefix: str
    scopes: Mapping[Access, str]
    """The scope that each access asks for; empty asks for none."""
    cors_origins: Collection[str] = ()
    resource: str | None = None
    """The URL of the resource, where its metadata are published (RFC 9728)."""
    resource_metadata: Mapping[str, Any] = field(default_factory=dict)


@stream_request_body
class BaseHandler(RequestHandler):
    """The rules that every route obeys."""

    access: ClassVar[Mapping[str, Access]] = {}

    def initialize(self, parts: Parts, route: str = "other") -> None:
        self.parts = parts
        self._route = route
        self._body = bytearray()
        self._received = 0
        self._admitted = False
        self._set_cors_headers()

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Authorization")
        self.set_header("X-Content-Type-Options", "nosniff")
        if hasattr(self, "parts"):  # Tornado calls this once before ``initialize``.
            self._set_cors_headers()

    def _set_cors_headers(self) -> None:
        origins = self.parts.cors_origins
        if not origins:
            return
        self.set_header("Vary", "Authorization, Origin")
        for name, value in response_headers(self.request.headers.get("Origin"), origins).items():
            self.set_header(name, value)

    def check_xsrf_cookie(self) -> None:
        """A bearer token is not ambient: no other site's page can make a browser send it."""

    def check_trusted_origin(self, origin: str) -> bool:
        """As :meth:`check_xsrf_cookie`, for the host's ``cross_origin_protection``."""
        return True

    def compute_etag(self) -> str | None:
        """Only the revision is an entity tag here."""
        return None

    async def prepare(self) -> None:
        # Tornado would answer a body over the host's own limit before a handler could.
        cast(HTTP1Connection, self.request.connection).set_max_body_size(sys.maxsize)
        if self.request.method == "OPTIONS" and self.parts.cors_origins:
            self._answer_preflight()
            return
        access = self.access.get(self.request.method or "")
        if access is None:
            raise MethodNotAllowed("This route knows other methods; Allow names them.")
        if access is not Access.PUBLIC:
            await self._authorize(self.parts.scopes[access])
        announced = self.request.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > MAX_DRAINED_BYTES:
            raise _too_large()
        self._admitted = True

    def _answer_preflight(self) -> None:
        """Answer a CORS preflight, which carries no token and reaches nothing behind."""
        self.set_status(204)
        origin, origins = self.request.headers.get("Origin"), self.parts.cors_origins
        for name, value in preflight_headers(origin, origins, list(self.access)).items():
            self.set_header(name, value)
        self.finish()

    def on_finish(self) -> None:
        seconds = self.request.request_time()
        process_metrics().request(self._route, self.get_status(), seconds)

    def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received <= MAX_BODY_BYTES:
            self._body += chunk
        elif self._received <= MAX_DRAINED_BYTES:
            self._body.clear()
        else:
            error = _too_large()
            self.send_error(error.status, exc_info=(type(error), error, None))

    def read_body(self) -> bytes:
        """Return the body, or raise ``BodyTooLarge``."""
        if self._received > MAX_BODY_BYTES:
            raise _too_large()
        return bytes(self._body)

    async def _authorize(self, scope: str) -> None:
        principal = await self.parts.authenticate(self.request)
        if scope and scope not in principal.scopes:
            raise InsufficientScope(scope)
        if not principal.subject:
            raise UserRequired("A token that a user has granted is required.")
        self.owner = Owner(principal.issuer, principal.subject)
        self.client_id = principal.client_id

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        _, raised, _ = kwargs.get("exc_info", (None, None, None))
        kwargs["problem"] = problem = _problem(raised)
        super().send_error(problem.status if problem else status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if not self._admitted:
            # The body is not going to be read, so Tornado ends the connection.
            self.set_header("Connection", "close")
        error: AIConfigError | None = kwargs["problem"]
        if error is None:
            title = responses.get(status_code, "Unknown")
            document: dict[str, Any] = {
                "type": "about:blank",  # RFC 9457 section 4.2.1: no more than the status says
                "title": title,
                "status": status_code,
            }
            self.write_json(document, "application/problem+json")
            return
        document = {
            "type": f"urn:aiconfig:problem:{error.code}",
            "title": error.title,
            "status": status_code,
        }
        if status_code != 500 and error.detail:
            document["detail"] = error.detail
        if isinstance(error, UnprocessableBody):
            document["errors"] = [asdict(violation) for violation in error.violations]
        for name, value in self._error_headers(error):
            self.set_header(name, value)
        self.write_json(document, "application/problem+json")

    def _error_headers(self, error: AIConfigError) -> Iterable[tuple[str, str]]:
        authenticate = challenge(error, self.parts.resource)
        if authenticate is not None:
            yield "WWW-Authenticate", authenticate
        match error:
            case MethodNotAllowed():
                yield "Allow", ", ".join(self.access)
            case StorageUnavailable() | AuthorizationServerUnavailable():
                yield "Retry-After", str(error.retry_after)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        problem = _problem(value)
        status = problem.status if problem else 0
        if status == 503:
            cause = getattr(value, "__cause__", None)
            logger.warning("%s: %s (%r)", self._request_summary(), value, cause)
        elif status >= 500:
            logger.error("%s", self._request_summary(), exc_info=value)

    def _request_summary(self) -> str:
        """Leave the query out of the access log: some clients put a token there."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def write_json(self, document: Any, content_type: str = "application/json") -> None:
        self.set_header("Content-Type", content_type)
        self.write(_to_json(document).encode())


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"A body may have {MAX_BODY_BYTES} bytes.")


def _problem(error: BaseException | None) -> AIConfigError | None:
    """Return what the client is told of an exception; None where its status says it all."""
    if isinstance(error, AIConfigError):
        return error
    if isinstance(error, HTTPError):  # Tornado's own, or from a host's ``authenticate``.
        match error.status_code:
            case 400:
                return InvalidParameter("The query holds what cannot be decoded.")
            case 401:
                return InvalidToken("The host does not accept this request's credentials.")
            case 405:
                return MethodNotAllowed("This route knows other methods; Allow names them.")
            case status if status < 500:
                return None
    return AIConfigError()

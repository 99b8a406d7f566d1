"""What all routes share: authentication, body limits, response headers and errors.

Closed by default: a method that the table of routes does not list is refused, and one that it
lists is reached only with the scope that its access asks for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.web import Finish, HTTPError, RequestHandler, stream_request_body

from aiconfig_plugin.domain import AIConfigService, Authenticator, Owner, record_audit
from aiconfig_plugin.errors import (
    AIConfigError,
    InsufficientScope,
    InvalidParameter,
    InvalidToken,
    MethodNotAllowed,
    UserRequired,
)
from aiconfig_plugin.http.body import BodyBudget, BodyReader, require_media_type
from aiconfig_plugin.http.challenge import BEARER, Schemes
from aiconfig_plugin.http.cors import preflight_headers, response_headers
from aiconfig_plugin.http.operations import Access, Operation, Route
from aiconfig_plugin.http.problems import CONTENT_TYPE, Problem, of_host, problem
from aiconfig_plugin.metrics import process_metrics

logger = logging.getLogger("aiconfig_plugin")

_PROCESS_BUDGET = BodyBudget()

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class HTTPConfig:
    """What every handler needs. There is one for each plugin."""

    service: AIConfigService
    authenticate: Authenticator
    prefix: str
    scopes: Mapping[Access, str]
    """The scope that each access asks for; empty asks for none."""
    cors_origins: Collection[str] = ()
    schemes: Schemes = BEARER
    """The authentication schemes, as challenges and the resource's metadata tell them."""
    bodies: BodyBudget = field(default=_PROCESS_BUDGET)
    """Shared by all plugins of the process."""
    parsing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One large body at a time: threads that parse would take turns with the event loop."""


@stream_request_body
class BaseHandler(RequestHandler):
    """The rules that every route obeys.

    A mixin as well: it calls what it overrides, so that a host's handler may come behind it.
    """

    def initialize(self, config: HTTPConfig, route: Route) -> None:
        self.config = config
        self.route = route
        self.operation = route.methods.get(self.request.method or "")
        self._body: BodyReader | None = None
        self._admitted = False
        self._answered = False
        self._set_cors_headers()

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Authorization")
        self.set_header("X-Content-Type-Options", "nosniff")
        if hasattr(self, "config"):  # Tornado calls this once before ``initialize``.
            self._set_cors_headers()

    def _set_cors_headers(self) -> None:
        origins = self.config.cors_origins
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
        prepared = super().prepare()
        if prepared is not None:
            await prepared
        # Tornado would answer a body over the host's own limit before a handler could.
        cast(HTTP1Connection, self.request.connection).set_max_body_size(sys.maxsize)
        if self.request.method == "OPTIONS" and self.config.cors_origins:
            self._answer_preflight()
            return
        if self.operation is None:
            raise MethodNotAllowed()
        if self.operation.access is not Access.PUBLIC:
            await self._authorize(self.operation)
        self._expect_body(self.operation)
        self._admitted = True

    def _expect_body(self, operation: Operation) -> None:
        """Refuse what the headers alone tell of a body, and be ready to receive it."""
        headers = self.request.headers
        length = headers.get("Content-Length", "")
        if length or operation.reads_body or "Transfer-Encoding" in headers:
            announced = int(length[:20]) if length.isdecimal() else None
            self._body = BodyReader(self.config.bodies, announced, keep=operation.reads_body)
            try:
                if operation.reads_body:
                    require_media_type(headers, operation.media_type)
                self._body.check_announced()
            except AIConfigError as error:
                # Tornado would send "100 Continue" after an answer that is not finished.
                if self._body.is_overlong() or "Expect" in headers:
                    raise
                self._answer_early(self._body, error)

    def _answer_preflight(self) -> None:
        """Answer a CORS preflight, which carries no token and reaches nothing behind."""
        self.set_status(204)
        origin, origins = self.request.headers.get("Origin"), self.config.cors_origins
        for name, value in preflight_headers(origin, origins, list(self.route.methods)).items():
            self.set_header(name, value)
        self.finish()

    async def _authorize(self, operation: Operation) -> None:
        scope = self.config.scopes[operation.access]
        try:
            principal = await self.config.authenticate(self.request)
        except HTTPError as err:
            raise of_host(err, scope) from err
        owner = Owner(principal.issuer, principal.subject) if principal.subject else None
        if scope and scope not in principal.scopes:
            refused = InsufficientScope(scope)
            if owner and operation.action:
                client_id = principal.client_id
                record_audit(operation.action, owner, client_id=client_id, refused=refused)
            raise refused
        if owner is None:
            raise UserRequired("A token that represents a user is required.")
        self.owner, self.client_id = owner, principal.client_id

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._finished or self._body is None:
            return asyncio.sleep(0)
        try:
            self._body.receive(chunk)
        except AIConfigError as error:
            if self._answered:
                self.finish()
            elif self._body.is_overlong():
                self.send_error(exc_info=(type(error), error, None))
            else:
                self._answer_early(self._body, error)
        # What is dropped may be a little that is compressed to very much: others get their turn.
        return asyncio.sleep(0) if self._answered else None

    def _answer_early(self, body: BodyReader, error: AIConfigError) -> None:
        """Answer now, and keep the connection, so that the client gets to read it.

        What of the body still arrives is dropped, and :meth:`read_body` ends the request.
        """
        self._answered = True
        body.close()
        self.log_exception(type(error), error, None)
        self.clear()
        self._write_problem(self._problem(error))
        self.set_header("Content-Length", sum(map(len, self._write_buffer)))
        self.flush()

    def query_values(self, name: str) -> list[str]:
        """Return the values of a query parameter, or raise ``InvalidParameter``."""
        try:
            return self.get_query_arguments(name)
        except HTTPError:
            raise InvalidParameter("The query is not valid UTF-8.") from None

    def read_body(self) -> bytearray:
        if self._answered or self._body is None:
            raise Finish()
        return self._body.read()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._release_body()

    def on_finish(self) -> None:
        super().on_finish()
        self._release_body()
        label = self.route.label or self.route.path
        process_metrics().request(label, self.get_status(), self.request.request_time())

    def _release_body(self) -> None:
        if self._body is not None:
            self._body.close()

    def _problem(self, error: BaseException | None) -> Problem:
        return problem(
            error,
            schemes=self.config.schemes,
            authorization=self.request.headers.get("Authorization", ""),
            allow=self.route.methods,
            writes=self.operation is not None and self.operation.access is Access.WRITE,
        )

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        kwargs["problem"] = found = self._problem(error)
        super().send_error(found.status, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if not self._admitted:
            # The body is not going to be read, so Tornado ends the connection.
            self.set_header("Connection", "close")
        self._write_problem(kwargs["problem"])

    def _write_problem(self, found: Problem) -> None:
        self.set_status(found.status, found.reason)
        for name, value in found.headers.items():
            self.set_header(name, value)
        self.write_json(found.document, CONTENT_TYPE)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        status = self._problem(value).status
        if isinstance(value, InvalidToken):
            process_metrics().rejection(value.reason)
            logger.info("%s: token rejected: %s", self._request_summary(), value)
        elif status == 503:
            cause = getattr(value, "__cause__", None)
            logger.warning("%s: %s (%r)", self._request_summary(), value, cause)
        elif status >= 500:
            logger.error("%s", self._request_summary(), exc_info=value)

    def _request_summary(self) -> str:
        """Leave the query out of the access log: some clients put a token there."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def write_json(self, document: Any, content_type: str = "application/json") -> None:
        self.set_header("Content-Type", content_type)
        self.write(to_json(document).encode())

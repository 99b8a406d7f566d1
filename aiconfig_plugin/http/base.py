"""What all routes share: the host's rules, authentication and body limits.

Closed by default: a method that the table of routes does not list is refused, and one that it
lists is reached only with the scope that its access asks for.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.web import Finish, HTTPError, RequestHandler, stream_request_body

from aiconfig_plugin.domain import Owner, record_audit
from aiconfig_plugin.errors import (
    AIConfigError,
    CrossSiteRequest,
    InsufficientScope,
    InvalidParameter,
    MethodNotAllowed,
    UserRequired,
)
from aiconfig_plugin.http.body import MAX_DRAINED_UNREAD_BYTES, BodyReader, require_media_type
from aiconfig_plugin.http.config import HTTPConfig
from aiconfig_plugin.http.cors import preflight_headers
from aiconfig_plugin.http.cross_site import is_same_origin
from aiconfig_plugin.http.identity import of_host
from aiconfig_plugin.http.operations import Access, Operation, Route
from aiconfig_plugin.http.responses import ResponseHandler
from aiconfig_plugin.metrics import process_metrics


@stream_request_body
class BaseHandler(ResponseHandler):
    """The rules that every route obeys.

    A mixin as well: it calls what it overrides, so that a host's handler may come behind it.
    """

    def initialize(self, config: HTTPConfig, route: Route) -> None:
        super().initialize()
        self.aiconfig = config
        self.route = route
        self.operation = route.methods.get(self.request.method or "")
        self._body: BodyReader | None = None
        self._admitted = False
        self._answered = False
        self._set_cors_headers()

    def check_xsrf_cookie(self) -> None:
        """Tornado and hosts ask too early: see :meth:`_check_site`.

        No other site's page can make a browser send a credential that is not ambient.
        """

    def check_trusted_origin(self, origin: str) -> bool:
        """As :meth:`check_xsrf_cookie`, for the host's ``cross_origin_protection``."""
        return True

    async def prepare(self) -> None:
        # Tornado would answer a body over the host's own limit before a handler could.
        cast(HTTP1Connection, self.request.connection).set_max_body_size(sys.maxsize)
        try:
            await self._admit()
        except Finish:
            raise
        except Exception as error:
            body = self._body or self._announced_body(keep=False, drained=MAX_DRAINED_UNREAD_BYTES)
            # Tornado would send "100 Continue" after an answer that is not finished.
            expects = "Expect" in self.request.headers
            if self._finished or body is None or body.is_overlong() or expects:
                raise
            self._answer_early(body, error)

    async def _admit(self) -> None:
        """Go through the rules, the host's first, and be ready to receive a body."""
        prepared = super().prepare()
        if prepared is not None:
            await prepared
        if self._finished:  # by the host
            return
        if self.request.method == "OPTIONS" and self.aiconfig.cors_origins:
            self._answer_preflight()
            return
        if self.operation is None:
            raise MethodNotAllowed()
        if self.operation.access is not Access.PUBLIC:
            await self.aiconfig.ensure_started()
            await self._authorize(self.operation)
        self._expect_body(self.operation)
        self._admitted = True

    def _announced_body(self, **how: Any) -> BodyReader | None:
        """Return a reader for the body that the headers announce, if they do."""
        length = self.request.headers.get("Content-Length", "")
        if "Transfer-Encoding" not in self.request.headers and length in ("", "0"):
            return None
        announced = int(length[:20]) if length.isdecimal() else None
        return BodyReader(self.aiconfig.bodies, announced, **how)

    def _expect_body(self, operation: Operation) -> None:
        """Refuse what the headers alone tell of a body, and be ready to receive it."""
        self._body = self._announced_body(keep=operation.reads_body)
        if operation.reads_body:
            self._body = self._body or BodyReader(self.aiconfig.bodies, 0)
            require_media_type(self.request.headers, operation.media_type)
        if self._body is not None:
            self._body.check_announced()

    def _answer_preflight(self) -> None:
        """Answer a CORS preflight, which carries no token and reaches nothing behind."""
        self.set_status(204)
        origin, origins = self.request.headers.get("Origin"), self.aiconfig.cors_origins
        for name, value in preflight_headers(origin, origins, list(self.route.methods)).items():
            self.set_header(name, value)
        self.finish()

    async def _authorize(self, operation: Operation) -> None:
        scope = self.aiconfig.scopes[operation.access]
        try:
            principal = await self.aiconfig.identify(self)
        except HTTPError as err:
            raise of_host(err, scope) from err
        owner = Owner(principal.issuer, principal.subject) if principal.subject else None
        try:
            if principal.ambient and operation.access is Access.WRITE:
                self._check_site()
            if scope and scope not in principal.scopes:
                raise InsufficientScope(scope)
        except AIConfigError as refused:
            if owner and operation.action:
                client_id = principal.client_id
                record_audit(operation.action, owner, client_id=client_id, refused=refused)
            raise
        if owner is None:
            raise UserRequired("A token that represents a user is required.")
        self.owner, self.client_id = owner, principal.client_id

    def _check_site(self) -> None:
        """Ask the host's XSRF check of a write, or where it has none, for the same origin."""
        check = super().check_xsrf_cookie
        overridden = getattr(check, "__func__", None) is not RequestHandler.check_xsrf_cookie
        if overridden or self.settings.get("xsrf_cookies"):
            try:
                check()
            except HTTPError as error:
                raise CrossSiteRequest("The host's XSRF check refuses this request.") from error
        elif not is_same_origin(self.request.headers, self.request.protocol, self.request.host):
            raise CrossSiteRequest("With this credential, only pages of this origin may write.")

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

    def _answer_early(self, body: BodyReader, error: Exception) -> None:
        """Answer now, and keep the connection, so that the client gets to read it.

        What of the body still arrives is dropped, and the request ends with it: Tornado calls the
        handler's method then, which must not run.
        """
        self._body, self._answered = body, True
        body.close()
        setattr(self, self.request.method.lower(), lambda *_: self.finish())
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
        return self._body.read() if self._body is not None else bytearray()

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

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if not self._admitted:
            # The body is not going to be read, so Tornado ends the connection.
            self.set_header("Connection", "close")
        super().write_error(status_code, **kwargs)

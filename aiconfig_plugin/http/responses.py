"""Headers and problem documents, which every response of the routes has in the same form."""

from __future__ import annotations

import asyncio
import json
import logging
from types import TracebackType
from typing import Any

from tornado.web import RequestHandler

from aiconfig_plugin.errors import InvalidToken
from aiconfig_plugin.http.config import HTTPConfig
from aiconfig_plugin.http.cors import response_headers
from aiconfig_plugin.http.operations import Access, Operation, Route
from aiconfig_plugin.http.problems import CONTENT_TYPE, Problem, problem
from aiconfig_plugin.metrics import process_metrics

logger = logging.getLogger("aiconfig_plugin")

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class ResponseHandler(RequestHandler):
    """A mixin: a host's handler may come behind it, and its headers are kept.

    Its attributes have names that hosts do not use: Jupyter's handlers have a ``config``.
    """

    aiconfig: HTTPConfig
    route: Route
    operation: Operation | None
    _content_type: str | None = None

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self._add_vary("Authorization")
        if hasattr(self, "aiconfig"):  # Tornado calls this once before ``initialize``.
            self._set_cors_headers()

    def _set_cors_headers(self) -> None:
        origins = self.aiconfig.cors_origins
        if not origins:
            return
        self._add_vary("Origin")
        for name, value in response_headers(self.request.headers.get("Origin"), origins).items():
            self.set_header(name, value)

    def _add_vary(self, name: str) -> None:
        present = self._headers.get("Vary")
        self.set_header("Vary", f"{present}, {name}" if present else name)

    def compute_etag(self) -> str | None:
        """Only the revision is an entity tag here."""
        return None

    def set_content_type(self, content_type: str) -> None:
        self._content_type = content_type
        self.set_header("Content-Type", content_type)

    def write_json(self, document: Any, content_type: str = "application/json") -> None:
        self.set_content_type(content_type)
        self.write(to_json(document).encode())

    def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
        # The finish() of a host's handler may have set a type that fits its own routes.
        if self._content_type and not self._headers_written and "Content-Type" in self._headers:
            self.set_header("Content-Type", self._content_type)
        return super().flush(include_footers)

    def _problem(self, error: BaseException | None) -> Problem:
        return problem(
            error,
            schemes=self.aiconfig.schemes,
            authorization=self.request.headers.get("Authorization", ""),
            allow=self.route.methods,
            writes=self.operation is not None and self.operation.access is Access.WRITE,
        )

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        kwargs["problem"] = found = self._problem(error)
        super().send_error(found.status, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
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

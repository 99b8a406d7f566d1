"""What probes ask: whether the process responds, and whether it is ready for requests."""

from __future__ import annotations

from collections.abc import Callable

from tornado.web import RequestHandler


class HealthHandler(RequestHandler):
    """Answers 200 while ``is_healthy`` holds, and 503 otherwise. Needs no token."""

    def initialize(self, is_healthy: Callable[[], bool]) -> None:
        self._is_healthy = is_healthy

    def get(self) -> None:
        healthy = self._is_healthy()
        self.set_status(200 if healthy else 503)
        self.set_header("Cache-Control", "no-store")
        self.write({"status": "ok" if healthy else "unavailable"})

    def head(self) -> None:
        self.get()

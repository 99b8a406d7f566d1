"""What those who operate a gateway ask of it: is it alive, is it ready, what did it count."""

from __future__ import annotations

from collections.abc import Callable

from tornado.web import RequestHandler

from aiconfig_plugin.metrics import process_metrics


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


class MetricsHandler(RequestHandler):
    """Answers with the metrics of the process, for Prometheus. Needs no token."""

    def get(self) -> None:
        metrics = process_metrics()
        self.set_header("Content-Type", metrics.content_type or "text/plain")
        self.write(metrics.expose())

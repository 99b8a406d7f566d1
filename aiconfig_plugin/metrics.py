"""Counts for Prometheus, when ``prometheus_client`` is installed; otherwise nothing at all.

The collectors are in the library's default registry, which the host exposes by its own means.
They belong to the process and are shared by all plugins in it. Every label value is from a set
that is fixed here or in the routes: nothing that a caller sends, and no subject.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from aiconfig_plugin.errors import Rejection

Lookup: TypeAlias = Literal["hit", "miss", "coalesced"]
Outcome: TypeAlias = Literal["active", "inactive", "unavailable", "refused"]
Keys: TypeAlias = Set[tuple[str, str, str]]
"""For each key ``kid``, what it is for, and whether it is the primary: "true" or "false"."""

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Where processes share their metrics: the library's own variable, read when it is imported."""

# Seconds; a request may wait for one introspection and one write to the store.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counts nothing: what is there without ``prometheus_client``."""

    content_type: str | None = None
    """The media type of :meth:`expose`; None where there is nothing to expose."""

    def expose(self) -> bytes:
        """Return the metrics in the format that Prometheus scrapes."""
        return b""

    def process_ended(self, pid: int) -> None:
        """Forget what a process that shared these metrics said of itself; its counts stay."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request; ``route`` is a path of the routes, without the prefix."""

    def lookup(self, result: Lookup) -> None:
        """Count how a token was looked up: remembered, asked about, or being asked about."""

    def rejection(self, reason: Rejection) -> None:
        """Count a token that was rejected, by the kind of reason."""

    def call(self, outcome: Outcome, seconds: float) -> None:
        """Count a call to the authorization server, by what came of it."""

    def reload(self, setting: str, *, succeeded: bool) -> None:
        """Note whether what a setting names could be read, the first time or again."""

    def store_operation(self, operation: str, seconds: float, *, succeeded: bool) -> None:
        """Count an operation of a store, by its kind."""

    def unreadable_keys(self, count: int) -> None:
        """Note how many stored keys no key of the keyring decrypts."""

    def unreadable_use(self) -> None:
        """Count a use of a stored key that could not be decrypted."""

    def logout_feed(self, age: float) -> None:
        """Note how many seconds ago the store answered about log-outs."""

    def keyring(self, before: Keys, after: Keys) -> None:
        """Note that the keys ``after`` are on the keyring, in place of those ``before``."""


class PrometheusMetrics(Metrics):
    """Counts in collectors of ``prometheus_client``, registered in ``registry``."""

    def __init__(self, client: Any, registry: Any) -> None:
        self.content_type = client.CONTENT_TYPE_LATEST
        self._client = client
        self._registry = registry
        requests = client.Counter(
            "aiconfig_requests", "Requests that were answered.", ["route", "status"],
            registry=registry,
        )  # fmt: skip
        request_seconds = client.Histogram(
            "aiconfig_request_seconds", "How long a request took.", ["route"],
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        lookups = client.Counter(
            "aiconfig_introspection_lookups",
            "Tokens looked up: remembered (hit), asked about (miss), being asked about already "
            "(coalesced).",
            ["result"],
            registry=registry,
        )
        self._rejections = client.Counter(
            "aiconfig_rejected_tokens", "Access tokens that were rejected.", ["reason"],
            registry=registry,
        )  # fmt: skip
        self._calls = client.Counter(
            "aiconfig_introspection_calls", "Calls to the authorization server.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        # Finding a child by its labels costs more than counting in it.
        self._requests = functools.cache(requests.labels)
        self._request_seconds = functools.cache(request_seconds.labels)
        self._lookups = functools.cache(lookups.labels)
        self._call_seconds = client.Histogram(
            "aiconfig_introspection_call_seconds", "How long such a call took.",
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._store_seconds = functools.cache(
            client.Histogram(
                "aiconfig_store_operation_seconds",
                "How long an operation of the database took, with the wait for its turn.",
                ["operation", "outcome"], registry=registry, buckets=_BUCKETS,
            ).labels
        )  # fmt: skip
        self._unreadable_keys = client.Gauge(
            "aiconfig_unreadable_keys",
            "Stored keys that no key of the keyring decrypts, as counted at the start.",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._unreadable_uses = client.Counter(
            "aiconfig_unreadable_key_uses", "Uses of a stored key that could not be decrypted.",
            registry=registry,
        )  # fmt: skip
        self._reload_success = client.Gauge(
            "aiconfig_reload_success",
            "Whether what the setting names could be used when it was last read.", ["setting"],
            registry=registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._reload_time = client.Gauge(
            "aiconfig_reload_timestamp_seconds",
            "When what the setting names was last read and could be used.", ["setting"],
            registry=registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._logout_feed_age = client.Gauge(
            "aiconfig_logout_feed_age_seconds",
            "How long ago the database was asked for the log-outs that are known.",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._keyring_info = client.Gauge(
            "aiconfig_keyring_info", "1 for each key on the keyring, 0 for one that was on it.",
            ["kid", "use", "primary"], registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def expose(self) -> bytes:
        registry = self._registry
        if DIRECTORY in os.environ:
            registry = self._client.CollectorRegistry()
            self._client.multiprocess.MultiProcessCollector(registry)
        return bytes(self._client.generate_latest(registry))

    def process_ended(self, pid: int) -> None:
        if DIRECTORY in os.environ:
            self._client.multiprocess.mark_process_dead(pid)

    def request(self, route: str, status: int, seconds: float) -> None:
        self._requests(route, status).inc()
        self._request_seconds(route).observe(seconds)

    def lookup(self, result: Lookup) -> None:
        self._lookups(result).inc()

    def rejection(self, reason: Rejection) -> None:
        self._rejections.labels(reason).inc()

    def call(self, outcome: Outcome, seconds: float) -> None:
        self._calls.labels(outcome).inc()
        self._call_seconds.observe(seconds)

    def reload(self, setting: str, *, succeeded: bool) -> None:
        self._reload_success.labels(setting).set(succeeded)
        if succeeded:
            self._reload_time.labels(setting).set_to_current_time()

    def store_operation(self, operation: str, seconds: float, *, succeeded: bool) -> None:
        self._store_seconds(operation, "ok" if succeeded else "failed").observe(seconds)

    def unreadable_keys(self, count: int) -> None:
        self._unreadable_keys.set(count)

    def unreadable_use(self) -> None:
        self._unreadable_uses.inc()

    def logout_feed(self, age: float) -> None:
        self._logout_feed_age.set(age)

    def keyring(self, before: Keys, after: Keys) -> None:
        for key in before - after:
            self._keyring_info.labels(*key).set(0)
        for key in after:
            self._keyring_info.labels(*key).set(1)


@contextmanager
def metrics_of_several_processes() -> Iterator[None]:
    """Let the processes that are forked inside the block add up their metrics.

    To be entered before :func:`process_metrics` is called for the first time.
    """
    with tempfile.TemporaryDirectory(prefix="aiconfig-metrics-") as directory:
        os.environ.setdefault(DIRECTORY, directory)
        yield


@functools.cache
def process_metrics() -> Metrics:
    """Return the metrics of this process; the first call registers the collectors."""
    try:
        import prometheus_client.multiprocess
    except ImportError:
        return Metrics()
    return PrometheusMetrics(prometheus_client, prometheus_client.REGISTRY)

"""Counts for Prometheus, with labels that no caller can add to, and none of it where it is not."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

from aiconfig_plugin.domain import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.errors import (
    ConfigNotFound,
    KeyUnreadable,
    RevisionMismatch,
    StorageUnavailable,
)
from aiconfig_plugin.http import ROUTES
from aiconfig_plugin.metrics import PrometheusMetrics, process_metrics
from aiconfig_plugin.store import MongoStores
from aiconfig_plugin.store.operation import measured
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.builders import ALICE, started
from tests.support.gateway import BOTH, READ_PATH, Gateway, bearer
from tests.support.scripted_server import Reply, ScriptedServer, active

MakeGateway: TypeAlias = Callable[..., Awaitable[Gateway]]
LOOKUPS = ("hit", "miss", "coalesced")

WITHOUT = """
import sys
sys.modules["prometheus_client"] = None
import aiconfig_plugin.plugin
from aiconfig_plugin.metrics import Metrics, process_metrics
metrics = process_metrics()
assert type(metrics) is Metrics
metrics.request("/x", 200, 0.1); metrics.lookup("hit"); metrics.call("active", 0.1)
metrics.store_operation("read", 0.1, succeeded=True); metrics.unreadable_keys(1)
metrics.unreadable_use(); metrics.process_ended(1)
assert metrics.expose() == b""
"""


class Counts:
    """What has been counted since this was made."""

    def __init__(self) -> None:
        process_metrics()
        self._before = self._now()

    def _now(self) -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in prometheus_client.REGISTRY.collect()
            if family.name.startswith("aiconfig_")
            for sample in family.samples
        }

    def __getitem__(self, key: tuple[str, ...]) -> float:
        return self._now().get(key, 0) - self._before.get(key, 0)

    def value(self, *key: str) -> float | None:
        """Return what a gauge tells now."""
        return self._now().get(key)


async def test_requests_and_introspections_are_counted(
    make_gateway: MakeGateway, server: ScriptedServer
) -> None:
    gateway = await make_gateway(introspection_endpoint=server.url)
    server.script("down", Reply(status=500))
    server.script("refused", Reply(status=401))
    gate = server.gated("good", active("alice", scope=BOTH))
    counts = Counts()
    asked = [asyncio.create_task(gateway.call("GET", headers=bearer("good"))) for _ in range(3)]
    await server.until_asked(1)
    while counts["aiconfig_introspection_lookups_total", "coalesced"] < 2:
        await gateway.call("OPTIONS", "/")  # takes a while, and no token
    gate.set()
    await asyncio.gather(*asked)
    for token in ("good", "bad", "bad", "down", "refused"):
        await gateway.call("GET", headers=bearer(token))
    lookups = {name: counts["aiconfig_introspection_lookups_total", name] for name in LOOKUPS}
    assert lookups == {"hit": 2, "miss": 4, "coalesced": 2}
    for outcome in ("active", "inactive", "unavailable", "refused"):
        assert counts["aiconfig_introspection_calls_total", outcome] == 1
    assert counts["aiconfig_rejected_tokens_total", "inactive"] == 2
    assert counts["aiconfig_introspection_call_seconds_count",] == 4
    route = READ_PATH.removeprefix("/api/v1")
    for status, number in (("404", 4), ("401", 2), ("503", 1), ("500", 1)):
        assert counts["aiconfig_requests_total", route, status] == number
    assert counts["aiconfig_request_seconds_count", route] == 8


async def test_operations_of_the_database_are_timed_by_kind(
    mongod: Any, database_name: str
) -> None:
    repository = MongoStores.connect(mongod.uri, database_name).repository
    counts, owner, config = Counts(), Owner("i", "s"), AIConfig((), "", "r1")
    await repository.start()
    with pytest.raises(ConfigNotFound):
        await repository.read(owner)
    await repository.create(owner, config)
    await repository.replace(owner, config, if_match=["r1"])
    with pytest.raises(RevisionMismatch):
        await repository.delete(owner, if_match=["r0"])
    await repository.close()
    with pytest.raises(RuntimeError):
        await repository.kids()
    count = "aiconfig_store_operation_seconds_count"
    for operation in ("read", "create", "replace", "delete"):
        assert counts[count, operation, "ok"] == 1
        assert counts[count, operation, "failed"] == 0
    assert counts[count, "kids", "failed"] == 1


async def test_an_outage_is_a_failed_operation() -> None:
    class Down:
        @measured("read")
        async def read(self) -> None:
            raise StorageUnavailable

    counts = Counts()
    with pytest.raises(StorageUnavailable):
        await Down().read()
    assert counts["aiconfig_store_operation_seconds_count", "read", "failed"] == 1


async def test_unreadable_keys_are_counted_at_the_start_and_when_used(keyring: Path) -> None:
    entry = ModelEntry("P", "chat", "m", True, StoredKey("lost", "a.b.c.d.e"))
    repository = InMemoryRepository()
    await repository.start()
    await repository.create(ALICE, AIConfig((entry, dataclasses.replace(entry, model="n")), "", ""))
    counts = Counts()
    async with started(keyring, repository=repository) as plugin:
        assert counts.value("aiconfig_unreadable_keys") == 2
        with pytest.raises(KeyUnreadable):
            await plugin.resolve("alice")
        assert counts["aiconfig_unreadable_key_uses_total",] == 1
    async with started(keyring, repository=InMemoryRepository()) as plugin:
        assert counts.value("aiconfig_unreadable_keys") == 0
        with pytest.raises(ConfigNotFound):
            await plugin.resolve("alice")
    assert counts["aiconfig_unreadable_key_uses_total",] == 1


async def test_no_caller_can_add_a_label(make_gateway: MakeGateway, server: ScriptedServer) -> None:
    gateway = await make_gateway(introspection_endpoint=server.url)
    server.script("good", active("alice-the-subject", scope=BOTH))
    for n in range(20):
        await gateway.call("BREW", f"{READ_PATH}?n={n}", None, bearer("good"))
        await gateway.call("GET", f"{READ_PATH}/{n}", None, bearer("good"))
        await gateway.call("GET", f"{READ_PATH}?include=x{n}", None, {"User-Agent": str(n)})
    exposed = prometheus_client.generate_latest().decode()
    assert "alice-the-subject" not in exposed
    routes = {
        sample.labels["route"]
        for family in prometheus_client.REGISTRY.collect()
        if family.name.startswith("aiconfig_request")
        for sample in family.samples
    }
    assert routes <= {
        *(route.path for route in ROUTES),
        "/backchannel-logout",
        "/web",
        "/.well-known/oauth-protected-resource",
    }


async def test_two_plugins_in_one_process_share_the_collectors(
    make_gateway: MakeGateway, server: ScriptedServer
) -> None:
    counts = Counts()
    for prefix in ("/one", "/two"):
        gateway = await make_gateway(introspection_endpoint=server.url, prefix=prefix)
        answer = await gateway.call("GET", f"{prefix}/get/ai-model-config")
        assert answer.code == 401
    assert counts["aiconfig_requests_total", "/get/ai-model-config", "401"] == 2


def test_collectors_can_be_made_for_another_registry() -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(prometheus_client, registry)
    metrics.lookup("hit")
    assert b'aiconfig_introspection_lookups_total{result="hit"} 1.0' in metrics.expose()
    assert registry.get_sample_value("aiconfig_introspection_lookups_total", {"result": "hit"}) == 1


def test_without_prometheus_client_nothing_is_counted_and_nothing_fails() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)

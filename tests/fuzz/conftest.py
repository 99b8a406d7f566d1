"""One gateway for all of the fuzzing, and how much of it there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pymongo import MongoClient

from tests.fuzz.target import Target, fuzzed

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2000"))
"""How many requests all the tests here send together, about."""
MAX_GROWTH = 64 * 1024 * 1024
MAX_HOLD = 0.05
"""Seconds of processor time for which one request may hold the event loop."""

settings.register_profile(
    "fuzz", deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def share(percent: float) -> settings:
    """Settings for a test that takes so much of all requests."""
    examples = max(1, round(REQUESTS * percent / 100))
    return settings(settings.get_profile("fuzz"), max_examples=examples)


@pytest.fixture(scope="package")
def target(mongod: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The gateway. At the end it has not grown, held its loop for long or written a traceback."""
    database = "aiconfig_test_fuzz"
    with fuzzed(mongod.uri, database, tmp_path_factory.mktemp("fuzz")) as made:
        for _ in range(200):
            made.send("GET", "/api/v1/get/ai-model-config")
        before, at_first = made.gateway.rss, len(made.holds())
        yield made
        grown = made.gateway.rss - before
        print(f"\n{made.count} requests, {grown / 1e6:+.1f} MB: {dict(made.statuses)}")
        assert grown < MAX_GROWTH
        assert not [line for held, line in made.holds()[at_first:] if held > MAX_HOLD]
        assert "Traceback" not in made.gateway.log.read_text()
    with MongoClient[dict[str, object]](mongod.uri) as client:
        client.drop_database(database)

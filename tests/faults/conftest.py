"""Fixtures of the faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.replica_set import ReplicaSet


@pytest.fixture(scope="package")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """One for all tests that need it: each leaves it with a primary and two secondaries."""
    started = ReplicaSet(tmp_path_factory.mktemp("replica_set"), divisible=True)
    try:
        started.start()
        yield started
    finally:
        started.stop()

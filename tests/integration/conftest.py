"""Fixtures of the journeys."""

from __future__ import annotations

import functools

import pytest

from aiconfig_plugin.store.repository import MongoRepository


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store that is down be given up after half a second instead of ten."""
    repository = functools.partial(MongoRepository, timeout=0.5)
    monkeypatch.setattr("aiconfig_plugin.plugin.MongoRepository", repository)

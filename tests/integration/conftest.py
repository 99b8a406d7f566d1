"""Fixtures of the journeys."""

from __future__ import annotations

import functools

import pytest

from aiconfig_plugin.store import MongoStores


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store that is down be given up after half a second instead of ten."""
    stores = functools.partial(MongoStores, timeout=0.5)
    monkeypatch.setattr("aiconfig_plugin.composition.stores.MongoStores", stores)

"""Fixtures of the tests of the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def loop_of_its_own() -> Iterator[None]:
    """A command sets a loop of its own; afterwards the other tests get theirs back."""
    loop = asyncio.get_event_loop()
    yield
    asyncio.set_event_loop(loop)

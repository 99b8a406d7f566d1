"""Fixtures of the tests of the command line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def loop_and_logs_of_its_own() -> Iterator[None]:
    """A command sets the event loop and the logging of its process; others get theirs back."""
    loop = asyncio.get_event_loop()
    root, own = logging.getLogger(), logging.getLogger("aiconfig_plugin")
    handlers, levels = list(root.handlers), (root.level, own.level)
    yield
    asyncio.set_event_loop(loop)
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])

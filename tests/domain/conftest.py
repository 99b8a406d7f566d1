"""A repository in memory, for the rules of the domain."""

from __future__ import annotations

import pytest
from tornado.ioloop import IOLoop

from aiconfig_plugin.testing import InMemoryRepository


@pytest.fixture
def repository(io_loop: IOLoop) -> InMemoryRepository:
    made = InMemoryRepository()
    io_loop.run_sync(made.start)
    return made

"""Fixtures of the tests of the command line."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.cli import main
from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from tests.support.command_line import Done, Run
from tests.support.processes import authorization_server, environment, settings_for


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


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, with these settings of aiconfig and no others."""

    def run(*arguments: str | Path, **settings: str) -> Done:
        for name in set(os.environ) - set(environment()):
            monkeypatch.delenv(name)
        for name, value in environment(**settings).items():
            monkeypatch.setenv(name, value)
        code = main(list(map(str, arguments)))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorizationServer]:
    with authorization_server() as started:
        yield started


@pytest.fixture
def settings(
    server: AuthorizationServer, mongod: Any, database_name: str, keyring: Path
) -> dict[str, str]:
    return settings_for(server, mongod.uri, database_name, keyring)

"""Programs of ours as processes of their own, and the authorization server beside them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from tests.support.issuer import Issuer, settings_at

TIMEOUT = 60.0
"""Seconds after which a process that does not do what is waited for fails the test."""


def aiconfig() -> str:
    """The path of the installed command."""
    found = shutil.which("aiconfig", path=sysconfig.get_path("scripts"))
    assert found, "the command aiconfig is not installed beside this Python"
    return found


def need(*names: str) -> str:
    """Return the path of the first of these tools that is installed, or skip the test.

    REQUIRE_EVERY_TOOL makes that a failure.
    """
    for name in names:
        if found := shutil.which(name):
            return found
    message = f"{names[0]} is not installed"
    if os.environ.get("REQUIRE_EVERY_TOOL"):
        pytest.fail(message)
    pytest.skip(message)


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with these settings of aiconfig and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AICONFIG_")}
    return {**kept, **{f"AICONFIG_{name.upper()}": value for name, value in settings.items()}}


def _hear_ctrl_c() -> None:
    """Undo what a background job inherits from its shell: SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A process whose output goes to files, so that it never blocks on a pipe."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._out, self._err = directory / "stdout", directory / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                command,
                env=env,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=_hear_ctrl_c,
            )
        self.pid = self._process.pid

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> str:
        """Return what it has printed once ``text`` is part of it."""
        self._wait_until(lambda: text in self.out, text)
        return self.out

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Return once it has logged ``text`` so many times."""
        self._wait_until(lambda: self.err.count(text) >= times, text)

    def _wait_until(self, happened: Callable[[], bool], text: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not happened():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{text!r} was not printed: {self.out}\n{self.err}")
            time.sleep(0.02)

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(TIMEOUT)

    def kill(self) -> None:
        if self._process.poll() is None:
            # Its way out ends what it has started; only one that hangs is ended by force.
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def program(command: Sequence[str], env: Mapping[str, str], directory: Path) -> Iterator[Program]:
    started = Program(command, env, directory)
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def authorization_server() -> Iterator[AuthorizationServer]:
    """An authorization server in a thread of its own, for tests without a loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(TIMEOUT)

    async def start() -> None:
        issuer.start()

    issuer = Issuer()
    run(start())
    try:
        yield issuer.server
    finally:
        run(issuer.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def settings_for(
    server: AuthorizationServer, mongodb_uri: str, database: str, keyring: Path
) -> dict[str, str]:
    """The settings of a gateway beside that server, for :func:`environment`."""
    return {
        "mongodb_uri": mongodb_uri,
        "mongodb_database": database,
        "keyring": str(keyring),
        **settings_at(server.issuer),
    }

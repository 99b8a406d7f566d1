"""``aiconfig serve`` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.keys.keyring_file import create_keyring
from tests.support.issuer import settings_at
from tests.support.processes import environment

START_TIMEOUT = 40.0
PREFIX = "/api/v1"


class Served:
    """One gateway process; ``command`` is what runs, by default ``aiconfig serve``."""

    def __init__(
        self,
        mongodb_uri: str,
        database: str,
        data: Path,
        issuer: str,
        *,
        port: int | None = None,
        command: Sequence[str] | None = None,
        **settings: str,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}{PREFIX}"
        keyring = data / "keyring.json"
        if not keyring.exists():
            create_keyring(keyring)
        self._environ = environment(
            mongodb_uri=mongodb_uri,
            mongodb_database=database,
            keyring=str(keyring),
            **{**settings_at(issuer), **settings},
        )
        self._command = command or [
            *(sys.executable, "-m", "aiconfig_plugin", "serve"), *("--port", str(self.port))
        ]  # fmt: skip
        self.log = data / f"gateway-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it says that it listens."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environ, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT
        while b"aiconfig listens" not in self.log.read_bytes()[before:]:
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = 30.0) -> int:
        """Return its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        """End it. May be called again."""
        if self._process is None or self._process.poll() is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    async def __aenter__(self) -> Served:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def rss(self) -> int:
        """Resident memory in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    @property
    def sockets(self) -> int:
        """How many file descriptors are open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

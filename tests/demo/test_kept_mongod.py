"""The demo's mongod is started again when it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pymongo
import pytest

from aiconfig_plugin.demo.kept_mongod import kept_mongod


class Checks:
    """Stands in for sleep: a check is made when the test asks for it."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._waiting = asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        self._waiting.set()
        await self._asked.wait()
        self._asked.clear()

    async def make(self) -> None:
        """Let one check run, and wait until it is over."""
        await self._waiting.wait()
        self._waiting.clear()
        self._asked.set()
        await self._waiting.wait()


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    # Still a child: it is a zombie once it has ended.
    await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def test_a_mongod_that_ends_is_started_again_on_its_port(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checks = Checks()
    async with kept_mongod(tmp_path / "db", sleep=checks.sleep) as mongod:
        uri, first = mongod.uri, mongod.pid
        await checks.make()
        assert mongod.pid == first
        assert caplog.messages == []
        await kill(first)
        await checks.make()
        assert mongod.pid != first
        assert mongod.uri == uri
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            assert client["demo"].command("ping")["ok"] == 1
        last = mongod.pid
    assert caplog.messages == [
        f"MongoDB ended by SIGKILL; it is started again (log: {mongod.log}).",
        "MongoDB runs again.",
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


async def test_a_start_that_fails_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checks = Checks()
    async with kept_mongod(tmp_path / "db", sleep=checks.sleep) as mongod:
        await kill(mongod.pid)
        lock = tmp_path / "db" / "WiredTiger.wt"
        away = lock.rename(tmp_path / "away")
        lock.mkdir()
        await checks.make()
        assert mongod.ended == "before it was ready"
        assert any(text.startswith("The restart of MongoDB failed") for text in caplog.messages)
        lock.rmdir()
        away.rename(lock)
        await checks.make()
        assert mongod.ended is None
    assert caplog.messages[-1] == "The restart of MongoDB succeeds again."

"""Processes of the run: each says when it is ready, and is ended with the block that started it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT = 90.0
"""Seconds for which a contender may take to import what it needs and to listen."""
ANSWER_TIMEOUT = 120.0
STOP_TIMEOUT = 5.0
"""Seconds between SIGTERM and SIGKILL."""


class DidNotStart(Exception):
    """A process ended, or said nothing, before it was ready."""


@dataclass(frozen=True)
class Process:
    name: str
    popen: subprocess.Popen[bytes]
    facts: dict[str, Any]
    """What it said of itself when it was ready."""

    @property
    def port(self) -> int:
        return int(self.facts["port"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self) -> dict[str, Any]:
        """Send a line and return what is answered."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()
        return _said(self.name, self.popen, ANSWER_TIMEOUT)


@contextmanager
def started(
    name: str, *, python: str = sys.executable, quiet: bool = False, **options: Any
) -> Iterator[Process]:
    """Run ``benchmarks.contenders.NAME`` with these options, in a session of its own.

    So a terminal's Ctrl-C reaches it only through the end of the block. Raises
    :class:`DidNotStart`.
    """
    popen = subprocess.Popen(
        [python, "-m", f"benchmarks.contenders.{name}", json.dumps(options)],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("AICONFIG_")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        start_new_session=True,
    )
    try:
        yield Process(name, popen, _said(name, popen, START_TIMEOUT))
    finally:
        _stop(popen)


def _said(name: str, popen: subprocess.Popen[bytes], timeout: float) -> dict[str, Any]:
    assert popen.stdout is not None
    readable, _, _ = select.select([popen.stdout], [], [], timeout)
    line = popen.stdout.readline() if readable else b""
    if not line:
        raise DidNotStart(f"{name} said nothing")
    said: dict[str, Any] = json.loads(line)
    return said


def _stop(popen: subprocess.Popen[bytes]) -> None:
    popen.terminate()
    try:
        popen.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    for pipe in (popen.stdin, popen.stdout):
        if pipe is not None:
            pipe.close()

"""Load from wrk: one thread, so that the server and not the load is what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Process

SCRIPT = Path(__file__).with_name("requests.lua")
REQUEST_TIMEOUT = 30
"""Seconds after which wrk calls a request failed."""


class WrkMissing(Exception):
    """There is no wrk on the PATH."""


class LoadFailed(Exception):
    """Requests failed, so the figures would mean nothing."""


@dataclass(frozen=True)
class Request:
    token: str
    etag: str = ""
    body: str = ""


@dataclass(frozen=True)
class Figures:
    """What one run of wrk saw; latencies are in seconds."""

    rate: float
    p50: float
    p99: float


def require_wrk() -> str:
    """Return where wrk is, or raise :class:`WrkMissing`, which says how to install it."""
    found = shutil.which("wrk")
    if found is None:
        raise WrkMissing(
            "The load comes from wrk, which is not installed: "
            "on Debian and Ubuntu it is the package 'wrk' (apt-get install wrk)."
        )
    return found


def write_requests(file: Path, requests: Sequence[Request]) -> Path:
    lines = (f"{one.token}\n{one.etag}\n{one.body}\n" for one in requests)
    file.write_text("".join(lines), encoding="utf-8")
    return file


def load(
    server: Process, method: str, path: str, requests: Path, *, seconds: int, connections: int
) -> Figures:
    """Send the requests of a file in turn, for ``seconds``, over so many connections."""
    command = [
        *(require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s"),
        *("--timeout", f"{REQUEST_TIMEOUT}s", "-s", str(SCRIPT), server.url),
        *("--", method, path, str(requests)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    if said["failed"] or not said["requests"]:
        raise LoadFailed(f"{server.name}: {method} {path}: {said}")
    return Figures(said["requests"] / said["seconds"], said["p50"], said["p99"])

"""Load from wrk: one thread, so that the server and not the load is what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rounds import Figures
from benchmarks.servers import Server, processor_seconds

SCRIPT = Path(__file__).with_name("requests.lua")
REQUEST_TIMEOUT = 30
"""Seconds after which wrk calls a request failed."""


@dataclass(frozen=True)
class Request:
    token: str
    etag: str = ""
    body: str = ""


def require_wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("The load comes from wrk: install it (apt-get install wrk).")
    return found


def write_requests(file: Path, requests: Sequence[Request]) -> Path:
    lines = (f"{one.token}\n{one.etag}\n{one.body}\n" for one in requests)
    file.write_text("".join(lines), encoding="utf-8")
    return file


def load(
    server: Server, method: str, path: str, requests: Path, *, seconds: int, connections: int
) -> Figures:
    """Send the requests of a file in turn, for ``seconds``, over so many connections."""
    command = [
        *(require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s"),
        *("--timeout", f"{REQUEST_TIMEOUT}s", "-s", str(SCRIPT), server.url),
        *("--", method, path, str(requests)),
    ]
    before = processor_seconds(server.pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    computed = processor_seconds(server.pid) - before
    said = json.loads(done.stdout.splitlines()[-1])
    if said["failed"] or not said["requests"]:
        raise RuntimeError(f"{server.name}: {method} {path}: {said}")
    return {
        "rate": said["requests"] / said["seconds"],
        "processor": computed / said["requests"],
        "p50": said["p50"],
        "p99": said["p99"],
    }

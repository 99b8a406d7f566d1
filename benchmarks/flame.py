"""Where the time of a request goes, by py-spy: as a flame graph, and as microseconds by library."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from typing import TypeAlias

from benchmarks.environment import Environment
from benchmarks.rounds import Figures
from benchmarks.servers import Server
from benchmarks.workloads import Workload, prepare, prime

SECONDS = 5
SAMPLES = 250
"""In a second."""

Costs: TypeAlias = "dict[str, float]"

_FRAME = re.compile(r"\((?P<file>[^():]+)(?::\d+)?\)$")


def profile(env: Environment, workload: Workload, graph: Path | None = None) -> Costs:
    """Return the microseconds of processor time that a request takes in each file's own code.

    ``graph`` is where the flame graph goes, if one is wanted.
    """
    with env.ours() as contender:
        etags = {contender.name: prime(env, contender)}
        turn = prepare(env, workload, [contender], etags)["ours"]
        if graph:
            record(contender.server, turn, graph, "flamegraph")
            hide_paths(graph)
        stacks = env.directory / "stacks"
        each = record(contender.server, turn, stacks, "raw")
    own: Counter[str] = Counter()
    for line in stacks.read_text(encoding="utf-8").splitlines():
        frames, _, count = line.rpartition(" ")
        own[where(frames.rpartition(";")[2])] += int(count)
    return {file: each * count / own.total() for file, count in own.most_common()}


def record(server: Server, turn: Callable[..., Figures], output: Path, format: str) -> float:
    """Record under load; return the microseconds of processor time for each request."""
    command = [
        *(spy(), "record", "--pid", str(server.pid), "--nonblocking", "--rate", str(SAMPLES)),
        *("--duration", str(SECONDS), "--format", format, "--output", str(output)),
    ]
    recording = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        each = 1e6 * turn(seconds=SECONDS + 1)["processor"]
        if recording.wait(SECONDS):
            raise RuntimeError("py-spy could not record; may it trace processes here?")
    finally:
        recording.kill()
        recording.wait()
    return each


def spy() -> str:
    """Return where pip put it, which need not be on the PATH."""
    scripts = [str(file.locate()) for file in files("py-spy") or () if file.name == "py-spy"]
    return scripts[0] if scripts else "py-spy"


def where(frame: str) -> str:
    """Return the library and file of a frame."""
    found = _FRAME.search(frame)
    return found["file"] if found else frame


def hide_paths(graph: Path) -> None:
    """Its title is the command line, with the paths of the machine."""
    drawn = graph.read_text(encoding="utf-8")
    for path in (f"{graph.parent}/", f"{Path(spy()).parent}/"):
        drawn = drawn.replace(path, "")
    graph.write_text(drawn, encoding="utf-8")

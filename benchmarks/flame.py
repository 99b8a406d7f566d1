"""Where the time of a request goes, by py-spy: as a flame graph, and in microseconds by file."""

from collections import Counter
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from subprocess import DEVNULL, Popen

from benchmarks.environment import Environment
from benchmarks.rounds import Figures
from benchmarks.workloads import Workload, remember_tokens, turns

SECONDS, SAMPLES = 5, 200  # and samples in each


def profile(env: Environment, workload: Workload, graph: Path | None = None) -> dict[str, float]:
    """Return the microseconds of processor time that a request takes in each file's own code.

    What is sampled is who holds the interpreter, so a system call counts for who runs beside it.
    ``graph`` is where the flame graph goes, if one is wanted.
    """
    with env.ours() as contender:
        remember_tokens(env, contender)
        [turn] = turns(env, workload, [contender]).values()
        if graph:
            record(contender.server.pid, turn, graph, "flamegraph")
        stacks = env.directory / "stacks"
        processor = record(contender.server.pid, turn, stacks, "raw")
    own: Counter[str] = Counter()
    for line in stacks.read_text(encoding="utf-8").splitlines():
        frames, _, count = line.rpartition(" ")
        # The innermost frame, as "function (file:line)".
        own[frames.rpartition("(")[2].partition(":")[0]] += int(count)
    return {file: 1e6 * processor * n / own.total() for file, n in own.most_common()}


def record(pid: int, turn: Callable[..., Figures], output: Path, form: str) -> float:
    """Record under load; return the seconds of processor time for each request."""
    [py_spy] = [str(file.locate()) for file in files("py-spy") or () if file.name == "py-spy"]
    command = [
        *(py_spy, "record", "--gil", "--nonblocking", "--pid", str(pid), "--format", form),
        *("--rate", str(SAMPLES), "--duration", str(SECONDS), "--output", str(output)),
    ]
    with Popen(command, stdout=DEVNULL, stderr=DEVNULL) as recording:
        processor = turn(seconds=SECONDS + 1)["processor"]
    if recording.returncode:
        raise RuntimeError("py-spy could not record; may it trace processes here?")
    return processor

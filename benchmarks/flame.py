"""A flame graph of the plugin under load, by py-spy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.load import load
from benchmarks.scale import Scale
from benchmarks.stage import open_stage
from benchmarks.works import WORKS, Course, Work

HERE = Path(__file__).parent
SECONDS = 10
PROFILED = {work.name.replace(",", "").replace(" ", "-"): work for work in WORKS}


def profile(name: str, scale: Scale) -> Path:
    """Serve one kind of request for some seconds and return the flame graph of the process."""
    file = HERE / f"flame-{name}.svg"
    with open_stage() as stage, stage.plugin("ours", plain=False) as contender:
        course = Course(stage, scale, [contender])
        record(course, PROFILED[name], file)
    return file


def record(course: Course, work: Work, file: Path) -> None:
    contender = course.contenders[0]
    requests = course.prepare(work)[contender.name]
    pid = contender.process.popen.pid
    beside = Path(sys.executable).with_name("py-spy")
    spy = str(beside) if beside.exists() else shutil.which("py-spy") or "py-spy"
    recording = subprocess.Popen(
        [spy, "record", "--pid", str(pid), "--output", str(file), "--duration", str(SECONDS)],
        stdout=subprocess.DEVNULL,
    )
    try:
        load(
            contender.process, work.method, work.path, requests,
            seconds=SECONDS + 1, connections=work.connections,
        )  # fmt: skip
        if recording.wait(SECONDS):
            raise RuntimeError("py-spy could not record; may it trace processes here?")
    finally:
        recording.kill()
        recording.wait()
    # Its title is the command line, with the paths of the machine.
    drawn = file.read_text(encoding="utf-8").replace(f"{HERE}/", "").replace(spy, "py-spy")
    file.write_text(drawn, encoding="utf-8")

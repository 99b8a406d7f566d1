"""Other projects' own code, each on the part of the work that it has.

They live in a virtual environment of their own, which the first run makes: their requirements are
not ours. One that does not install, or does not start, is said to.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.client import READ
from benchmarks.dataset import people, refill
from benchmarks.load import LoadFailed, Request, load, write_requests
from benchmarks.processes import DidNotStart, Process, started
from benchmarks.scale import Scale
from benchmarks.stage import Stage
from benchmarks.works import CONNECTIONS

DIRECTORY = Path(__file__).with_name(".peers")
INSTALL_TIMEOUT = 900
REQUIREMENTS = {
    "jupyterhub": "jupyterhub>=5,<6",
    "fastmcp": "fastmcp>=3",
    "jupyter_ai": "jupyter-ai>=2,<3",
}
JUPYTER_AI = "/api/ai/config"
TOKEN = "benchmark.token"


def install() -> dict[str, str]:
    """Install each peer that is not there yet; return what went wrong, by name."""
    python = DIRECTORY / "bin" / "python"
    if not python.exists():
        print("installing the peers into a virtual environment of their own …", file=sys.stderr)
        venv.create(DIRECTORY, with_pip=True)
    wrong = {}
    for name, requirement in REQUIREMENTS.items():
        command = [str(python), "-m", "pip", "install", "--quiet", requirement]
        try:
            done = subprocess.run(command, capture_output=True, timeout=INSTALL_TIMEOUT)
        except subprocess.TimeoutExpired:
            wrong[name] = "its installation took too long"
        else:
            if done.returncode:
                wrong[name] = f"'{requirement}' does not install here"
    return wrong


def measure_token_checks(stage: Stage, scale: Scale, wrong: dict[str, str]) -> dict[str, Any]:
    """Return seconds for each check of a remembered token, of each round, interleaved.

    ``wrong`` names peers that cannot take part; those that do not start are added to it.
    """
    tokens = [person.token for person in people(scale.owners)]
    checks = scale.token_checks * len(tokens)
    options = {
        "settings": stage.settings("tokens"),
        "hub_api": f"{stage.authorization.url}/hub/api",
        "tokens": tokens,
        "times": scale.token_checks,
    }
    with ExitStack() as stack:
        taking_part: dict[str, Process] = {
            "ours": stack.enter_context(started("token_check", which="ours", **options))
        }
        for name in ("jupyterhub", "fastmcp"):
            if name in wrong:
                continue
            try:
                taking_part[name] = stack.enter_context(
                    started("token_check", python=_python(), quiet=True, which=name, **options)
                )
            except DidNotStart:
                wrong[name] = "it is installed but did not start"
        found: dict[str, list[float]] = {name: [] for name in taking_part}
        for _ in range(scale.rounds):
            for name, process in taking_part.items():
                found[name].append(process.ask()["seconds"] / checks)
    return found


def measure_config_handlers(stage: Stage, scale: Scale, wrong: dict[str, str]) -> dict[str, Any]:
    """Return requests per second of reading and of writing a configuration, interleaved."""
    if "jupyter_ai" in wrong:
        return {}
    with ExitStack() as stack:
        directory = stage.directory / "jupyter"
        directory.mkdir()
        options = {"directory": str(directory), "token": TOKEN}
        try:
            theirs = stack.enter_context(
                started("jupyter_ai_config", python=_python(), quiet=True, **options)
            )
        except DidNotStart:
            wrong["jupyter_ai"] = "it is installed but did not start"
            return {}
        ours = stack.enter_context(stage.plugin("beside jupyter-ai"))
        person = people(1)[0]
        refill(ours.collection, [ours.document(person)])
        read = write_requests(stage.directory / "read", [Request(person.token)])
        their_read = write_requests(stage.directory / "their-read", [Request(TOKEN)])
        body = '{"send_with_shift_enter": true}'
        their_write = write_requests(stage.directory / "write", [Request(TOKEN, body=body)])
        turns = {
            "ours, GET": (ours.process, "GET", READ, read),
            "jupyter-ai, GET": (theirs, "GET", JUPYTER_AI, their_read),
            "jupyter-ai, POST": (theirs, "POST", JUPYTER_AI, their_write),
        }
        found: dict[str, list[float]] = {name: [] for name in turns}
        try:
            for _ in range(scale.rounds):
                for name, turn in turns.items():
                    figures = load(*turn, seconds=scale.seconds, connections=CONNECTIONS)
                    found[name].append(figures.rate)
        except LoadFailed as err:
            wrong["jupyter_ai"] = f"its handler answers with errors ({err})"
            return {}
    return found


def _python() -> str:
    return str(DIRECTORY / "bin" / "python")

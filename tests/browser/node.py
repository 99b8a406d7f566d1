"""Run Node, and install npm packages at exact versions."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.processes import need

RunScript = Callable[..., Any]

WEB = Path(__file__).resolve().parents[2] / "aiconfig_plugin" / "web"


def run(*command: str | Path, cwd: Path, given: str | None = None) -> str:
    """Return the standard output; a failure shows all output."""
    done = subprocess.run(
        command, cwd=cwd, input=given, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install(folder: Path, package: str) -> Path:
    """Install ``package@version`` into ``folder`` and return its folder."""
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--silent")
    run(need("npm"), "install", *options, package, cwd=folder)
    return folder / "node_modules" / package.partition("@")[0]


def modules(folder: Path) -> Path:
    """Copy the browser modules to a folder in which Node treats them as ES modules."""
    copy = folder / "web"
    shutil.copytree(WEB, copy)
    (copy / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return copy


SCRIPT = """
const {{ folder, given }} = JSON.parse(await new Response(process.stdin).text());
const load = (name) => import(`${{folder}}/ai-config-${{name}}.js`);
// Timers of AbortSignal do not keep Node alive.
const alive = setTimeout(() => {{}}, 60_000);
const main = async () => {{{body}}};
console.log(JSON.stringify(await main() ?? null));
clearTimeout(alive);
"""


def script_runner(folder: Path) -> RunScript:
    """Return a function that runs the body of an async JavaScript function and returns its result.

    The body sees its keyword arguments as ``given``, and ``load("client")`` imports a module.
    """
    copy, program = modules(folder), need("node")

    def call(body: str, **given: Any) -> Any:
        text = json.dumps({"folder": copy.as_uri(), "given": given})
        command = (program, "--input-type=module", "--eval", SCRIPT.format(body=body))
        return json.loads(run(*command, cwd=folder, given=text))

    return call

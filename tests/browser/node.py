"""Node, and the npm packages that the tests need, each at one exact version."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "aiconfig_plugin" / "web"


def tool(*names: str) -> str:
    """Return the path of the first of these programs that is installed."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    message = f"{names[0]} is not installed"
    if os.environ.get("REQUIRE_EVERY_TOOL"):
        pytest.fail(message)
    pytest.skip(message)


def run(*command: str | Path, cwd: Path, given: str | None = None) -> str:
    """Return the standard output; a failure shows everything that was printed."""
    done = subprocess.run(
        command, cwd=cwd, input=given, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install(folder: Path, package: str) -> Path:
    """Install ``package@version`` into ``folder`` and return where it lies."""
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--silent")
    run(tool("npm"), "install", *options, package, cwd=folder)
    return folder / "node_modules" / package.partition("@")[0]


def modules(folder: Path) -> Path:
    """Copy the browser modules to where Node takes them for what they are; return the place."""
    copy = folder / "web"
    shutil.copytree(WEB, copy)
    (copy / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return copy

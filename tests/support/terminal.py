"""What the pages of ``docs/`` say, done as a reader would: their blocks, a shell, its answers."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import TIMEOUT, environment, need

DOCS = Path(__file__).resolve().parents[2] / "docs"
END = "--- end of the answer ---"

_BLOCK = re.compile(r"^( *)```([^`\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block; ``answer`` is the ``text`` block that follows, what it prints.

    A ``kind`` in braces is an instruction to Sphinx.
    """

    kind: str
    text: str
    answer: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page, but for those that are answers."""
    found = [*_BLOCK.finditer(text)]
    for block, following in zip(found, [*found[1:], None], strict=False):
        if block[2] != "text":
            answer = following[3] if following and following[2] == "text" else ""
            line = text.count("\n", 0, block.start()) + 1
            yield Block(block[2], block[3], answer, line)


def matches(answer: str, printed: str) -> bool:
    """Compare with what was printed.

    ``…`` at the end of a line stands for the rest of it, and alone for any number of lines.
    """
    pattern = "".join(
        "(?:.*\n)*?"
        if line == "…"
        else re.escape(line.removesuffix("…")) + (".*\n" if line.endswith("…") else "\n")
        for line in answer.splitlines()
    )
    return re.fullmatch(pattern, printed) is not None


def readers_environment(**settings: str) -> dict[str, str]:
    """As :func:`environment`, with the commands of this Python's environment found first."""
    env = environment(**settings)
    env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), env["PATH"]])
    return env


class Terminal:
    """A shell that keeps what it was told, as a reader's does."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            [need("bash")],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> str:
        """Return what the commands print."""
        assert self._shell.stdin and self._shell.stdout
        self._shell.stdin.write(f"{commands}\necho '{END}'\n")
        self._shell.stdin.flush()
        answer = ""
        for line in self._shell.stdout:
            if line == f"{END}\n":
                return answer
            answer += line
        raise AssertionError(f"The shell ended: {answer}")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.communicate("exit\n", timeout=TIMEOUT)

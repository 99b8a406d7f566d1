"""``docs/tutorial.md``: every file, every command, every answer."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from aiconfig_plugin.demo.mongod import free_port
from tests.support.processes import TIMEOUT, need
from tests.support.terminal import DOCS, Block, Terminal, blocks, matches, readers_environment

NAME = re.compile(r"# (\w+\.py)\n")
# What the terminal of a program has read before, as soon as it is there.
READ = "if [ -f settings.sh ]; then . ./settings.sh; fi\n"


def hear_ctrl_c() -> None:
    """Undo what a background job inherits from its shell: SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(block: Block, folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    """A program in a terminal of its own, from its answer until Ctrl-C, which it obeys."""
    out = folder / "printed"
    with out.open("wb") as printed:
        process = subprocess.Popen(
            ["bash", "-c", READ + block.text],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hear_ctrl_c,
        )
    deadline = time.monotonic() + TIMEOUT
    try:
        while out.read_text(encoding="utf-8") != block.answer:
            assert process.poll() is None and time.monotonic() < deadline, block.text
            time.sleep(0.02)
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=TIMEOUT)
        assert "Traceback" not in said


def tutorial() -> Iterator[Block]:
    """The blocks of the tutorial, on ports that are free."""
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    for port in ("9000", "9001", "8888"):
        assert port in text
        text = text.replace(port, str(free_port()))
    return blocks(text)


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    need("curl")
    env = readers_environment()
    install, *rest = tutorial()
    assert install.text.startswith("python3 -m venv")  # the environment of the tests is one
    with ExitStack() as stack:
        terminal = stack.enter_context(Terminal(tmp_path, env))
        for block in rest:
            if block.kind == "python":
                name = NAME.match(block.text)
                assert name, "a file of the tutorial says its name"
                (tmp_path / name[1]).write_text(block.text, encoding="utf-8")
            elif block.text.startswith("python "):
                stack.enter_context(running(block, tmp_path, env))
            else:
                printed = terminal.run(block.text)
                assert matches(block.answer, printed), f"{block.text}\n{printed}"

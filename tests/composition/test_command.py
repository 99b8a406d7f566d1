"""A command whose output is the keyring: bounded, without a shell, and told by its name alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from aiconfig_plugin.composition.command import MAX_OUTPUT, read_command
from aiconfig_plugin.errors import ConfigurationError


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def refusal(command: list[str], timeout: float = 30) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read_command(command, timeout=timeout)
    assert "s3cret" not in refused.value.detail
    return refused.value.detail


def test_what_it_prints_is_returned_with_nothing_expanded() -> None:
    words = ["$HOME", "a b", "*", ";", "`x`"]
    printed = read_command(python("import sys; print(sys.argv[1:])", *words))
    assert printed == f"{words}\n".encode()


def test_it_reads_no_input() -> None:
    assert read_command(python("import sys; print(len(sys.stdin.read()))")) == b"0\n"


def test_as_much_as_the_bound_is_read() -> None:
    assert len(read_command(python(f"print('x' * {MAX_OUTPUT}, end='')"))) == MAX_OUTPUT
    told = refusal(python(f"print('x' * {MAX_OUTPUT + 1}, end='')"))
    assert told == f"{sys.executable} printed more than {MAX_OUTPUT} bytes."


def test_one_that_floods_is_ended() -> None:
    flood = "import os\nwhile True: os.write(1, b's3cret' * 10000)"
    assert "printed more than" in refusal(python(flood))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import time; time.sleep(600)", id="silent"),
        pytest.param("import os, time; os.close(1); time.sleep(600)", id="closed its output"),
        pytest.param(
            "import time\nwhile True: print('x', flush=True); time.sleep(0.01)", id="drips"
        ),
        pytest.param("import os, time\nif os.fork() == 0: time.sleep(600)", id="left a child"),
        pytest.param(
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
            id="ignores a signal",
        ),
    ],
)
def test_one_that_does_not_end_is_given_up_with_all_it_has_started(
    code: str, tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    held = f"held = open({str(alive)!r}, 'w')\n"
    told = refusal(python(held + code), timeout=0.3)
    assert told == f"{sys.executable} did not end within 0.3 s."
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # once nobody holds the other end any more
    os.close(reader)


def test_one_that_fails_is_told() -> None:
    assert refusal(python("print('s3cret'); raise SystemExit(3)")) == (
        f"{sys.executable} exited with 3."
    )
    killed = "import os; os.kill(os.getpid(), 9)"
    assert refusal(python(killed)) == f"{sys.executable} was ended by signal 9."


def test_one_that_is_not_there_is_told() -> None:
    assert refusal(["no-such-command", "s3cret"]) == "no-such-command: No such file or directory."
    assert refusal([__file__]) == f"{__file__}: Permission denied."

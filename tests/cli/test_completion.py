"""The completion that a shell loads, tried in a real bash."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.processes import aiconfig

COMMANDS = {"serve", "demo", "keyring", "seal", "rotate", "check", "openapi"}
ACTIONS = {"create", "add", "promote", "retire", "list"}

# What bash does at Tab: it fills these variables and calls the function that was registered.
COMPLETE = """
source "$1"; shift
[[ $(complete -p aiconfig) =~ \\ -F\\ ([^ ]+)\\  ]]
COMP_WORDS=(aiconfig "$@") COMP_CWORD=$# COMP_LINE="aiconfig $*" COMP_POINT=${#COMP_LINE}
"${BASH_REMATCH[1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell: str) -> str:
    command = [aiconfig(), "--print-completion", shell]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def for_bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("completion") / "aiconfig"
    file.write_text(script("bash"), encoding="utf-8")
    return file


def completed(file: Path, *words: str, cwd: Path | None = None) -> set[str]:
    command = ["bash", "--norc", "-c", COMPLETE, "bash", file, *words]
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_every_command(for_bash: Path) -> None:
    assert completed(for_bash, "") == COMMANDS
    assert completed(for_bash, "se") == {"serve", "seal"}
    assert completed(for_bash, "keyring", "") == ACTIONS


def test_bash_completes_options_and_files(for_bash: Path, tmp_path: Path) -> None:
    (tmp_path / "keyring.json").touch()
    (tmp_path / "data").mkdir()
    assert completed(for_bash, "rotate", "--d") == {"--dry-run"}
    assert "keyring.json" in completed(for_bash, "keyring", "list", "k", cwd=tmp_path)
    assert "keyring.json" in completed(for_bash, "seal", "--token-file", "", cwd=tmp_path)
    assert completed(for_bash, "demo", "--data", "", cwd=tmp_path) == {"data"}


def test_the_script_for_zsh_describes_every_command() -> None:
    described = {line.strip(' "').partition(":")[0] for line in script("zsh").splitlines()}
    assert described >= COMMANDS | ACTIONS

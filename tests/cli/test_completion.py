"""The completion that a shell loads, tried in a real bash."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from aiconfig_plugin.cli.commands import command
from aiconfig_plugin.cli.keys import keyring_command
from tests.support.processes import aiconfig

# What bash does at Tab: it fills these variables and calls the function that was registered. The
# function asks bash by compopt for the names of files.
COMPLETE = """
compopt() { printf '%s\\n' "$2"; }
eval "$(_AICONFIG_COMPLETE=bash_source aiconfig)"
[[ $(complete -p aiconfig) =~ \\ -F\\ ([^ ]+)\\  ]]
COMP_WORDS=(aiconfig "$@") COMP_CWORD=$# COMP_LINE="aiconfig $*" COMP_POINT=${#COMP_LINE}
"${BASH_REMATCH[1]}" aiconfig
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], set(command.commands)),
        (["se"], {"serve", "seal"}),
        (["keyring", ""], set(keyring_command.commands)),
        (["rotate", "--d"], {"--dry-run"}),
        (["keyring", "list", "k"], {"default"}),
        (["seal", ""], {"default"}),
        (["seal", "--token-file", ""], {"default"}),
        (["demo", "--data", ""], {"dirnames"}),
    ],
)
def test_bash_completes(words: list[str], expected: set[str]) -> None:
    path = os.pathsep.join([str(Path(aiconfig()).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", *words],
        env={**os.environ, "PATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    assert (set(done.stdout.split()), done.stderr) == (expected, "")

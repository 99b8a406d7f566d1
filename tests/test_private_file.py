"""Who may have a right to a file with key material, and what is said where others have one."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.private_file import read_file, read_private_file, wanted_access

ROOT, SERVICE, STRANGER = 0, 1000, 1001


@pytest.mark.parametrize(
    ("owner", "mode", "user", "wanted"),
    [
        (SERVICE, 0o600, SERVICE, None),
        (SERVICE, 0o400, SERVICE, None),
        (SERVICE, 0o700, SERVICE, None),
        *((SERVICE, 0o600 | bit, SERVICE, (SERVICE, 0o600)) for bit in (1, 2, 4, 8, 16, 32)),
        # Kubernetes with fsGroup; systemd's credentials, whose ACL shows as the group's right
        (ROOT, 0o640, SERVICE, None),
        (ROOT, 0o440, SERVICE, None),
        (ROOT, 0o400, SERVICE, None),
        *((ROOT, 0o640 | bit, SERVICE, (ROOT, 0o640)) for bit in (1, 2, 4, 8, 16)),
        (ROOT, 0o600, ROOT, None),
        (ROOT, 0o640, ROOT, None),
        (ROOT, 0o644, ROOT, (ROOT, 0o600)),
        (STRANGER, 0o600, SERVICE, (SERVICE, 0o600)),
        (STRANGER, 0o640, SERVICE, (SERVICE, 0o600)),
        (STRANGER, 0o600, ROOT, (ROOT, 0o600)),
    ],
)
def test_who_may_have_a_right_to_a_private_file(
    owner: int, mode: int, user: int, wanted: tuple[int, int] | None
) -> None:
    assert wanted_access(owner, 0o100000 | mode, user) == wanted


def test_the_message_has_owner_mode_and_the_command_that_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "the keyring"
    path.write_bytes(b"content")
    path.chmod(0o664)
    name = pwd.getpwuid(os.geteuid()).pw_name
    with pytest.raises(ConfigurationError) as refused:
        read_private_file(path)
    told = refused.value.detail
    assert told.startswith(f"it belongs to {name} and has mode 0664; ")
    assert told.endswith(f" Run: chmod 0600 '{path}'")
    os.system(told.partition("Run: ")[2])
    assert read_private_file(path) == b"content"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    path.touch(0o600)
    os.chown(path, 54321, 54321)  # a user without a name
    with pytest.raises(ConfigurationError) as refused:
        read_private_file(path)
    assert "belongs to 54321 and has mode 0600" in refused.value.detail
    assert f"Run: chown root {path} && chmod 0600 {path}" in refused.value.detail


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for read in (read_file, read_private_file):
        with pytest.raises(ConfigurationError, match="not a regular file"):
            read(tmp_path / "pipe")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    for read in (read_file, read_private_file):
        with pytest.raises(ConfigurationError, match="No such file"):
            read(tmp_path / "nowhere")

"""A keyring file is changed whole or not at all, and each kind of key has one primary."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import (
    add_keys,
    create_keyring,
    promote_keys,
    retirable,
    retire_keys,
)
from tests.support.builders import turn

Keys = list[dict[str, Any]]


def keys_of(path: Path) -> Keys:
    keys: Keys = json.loads(path.read_bytes())["keys"]
    return keys


def kids(path: Path, kty: str) -> list[str]:
    return [key["kid"] for key in keys_of(path) if key["kty"] == kty]


def primaries(path: Path) -> list[tuple[str, str]]:
    return [(key["kty"], key["kid"]) for key in keys_of(path) if "primary" in key]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


# The functions


def test_what_is_made_and_changed_stays_private(umask: None, tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    create_keyring(path)
    assert mode_of(path) == 0o600
    turn(path)
    assert mode_of(path) == 0o600
    retire_keys(path, retirable(path))
    assert mode_of(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_stricter_mode_stays(keyring: Path) -> None:
    keyring.chmod(0o400)
    turn(keyring)
    assert mode_of(keyring) == 0o400


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a file that a group may read")
def test_a_file_of_root_stays_readable_for_its_group(keyring: Path) -> None:
    os.chown(keyring, 0, 54321)
    keyring.chmod(0o640)
    turn(keyring)
    status = keyring.stat()
    assert (status.st_uid, status.st_gid, mode_of(keyring)) == (0, 54321, 0o640)


def test_a_keyring_is_never_overwritten_by_a_new_one(keyring: Path) -> None:
    before = keyring.read_bytes()
    with pytest.raises(ConfigurationError, match="exists"):
        create_keyring(keyring)
    assert keyring.read_bytes() == before


def test_added_keys_are_not_used_yet(keyring: Path) -> None:
    before, keys = load_keyring(keyring), keys_of(keyring)
    added = add_keys(keyring)
    after = load_keyring(keyring)
    assert (after.primary, after.primary_sealing) == (before.primary, before.primary_sealing)
    assert [kids(keyring, "oct")[-1], kids(keyring, "EC")[-1]] == added
    assert keys_of(keyring)[:2] == keys


def test_the_newest_of_each_kind_is_promoted(keyring: Path) -> None:
    add_keys(keyring)
    storage, sealing = add_keys(keyring)
    assert promote_keys(keyring) == [storage, sealing]
    assert primaries(keyring) == [("oct", storage), ("EC", sealing)]


def test_one_key_is_promoted_by_its_name_and_the_other_kind_stays(keyring: Path) -> None:
    sealing = load_keyring(keyring).primary_sealing
    storage, _ = add_keys(keyring)
    add_keys(keyring)
    assert promote_keys(keyring, storage) == [storage]
    assert primaries(keyring) == [("EC", sealing), ("oct", storage)]


def test_a_name_that_is_not_there_changes_nothing(keyring: Path, tmp_path: Path) -> None:
    before = keyring.read_bytes()
    for change in (promote_keys, retirable):
        with pytest.raises(ConfigurationError, match="no key nobody"):
            change(keyring, "nobody")
    assert keyring.read_bytes() == before
    assert list(tmp_path.iterdir()) == [keyring]


def test_there_are_never_two_primaries_of_a_kind(keyring: Path) -> None:
    changes: list[Callable[[], object]] = [
        lambda: add_keys(keyring),
        lambda: promote_keys(keyring),
        lambda: promote_keys(keyring, kids(keyring, "oct")[0]),
        lambda: promote_keys(keyring, kids(keyring, "EC")[-1]),
        lambda: retire_keys(keyring, retirable(keyring)),
    ]
    for number in range(40):
        changes[(number * 7 + number // 5) % len(changes)]()
        assert sorted(kty for kty, _ in primaries(keyring)) == ["EC", "oct"]
        load_keyring(keyring)


def test_a_file_that_marks_two_is_put_right_by_the_next_promotion(keyring: Path) -> None:
    add_keys(keyring)
    document = {"keys": [{**key, "primary": True} for key in keys_of(keyring)]}
    keyring.write_text(json.dumps(document))
    assert load_keyring(keyring).primary == kids(keyring, "oct")[0]
    promoted = promote_keys(keyring)
    assert [kid for _, kid in primaries(keyring)] == promoted


def test_only_what_is_older_than_a_primary_is_retired(keyring: Path) -> None:
    old = load_keyring(keyring)
    turn(keyring)
    primary = load_keyring(keyring)
    newer = add_keys(keyring)
    assert retirable(keyring) == [old.primary, old.primary_sealing]
    retire_keys(keyring, retirable(keyring))
    assert set(kids(keyring, "oct")) == {primary.primary, newer[0]}
    assert set(kids(keyring, "EC")) == {primary.primary_sealing, newer[1]}
    assert retirable(keyring) == []


def test_a_step_back_makes_nothing_retirable_that_is_newer(keyring: Path) -> None:
    old = load_keyring(keyring)
    turn(keyring)
    for kid in (old.primary, old.primary_sealing):
        promote_keys(keyring, kid)
    assert retirable(keyring) == []


def test_a_primary_is_not_retired(keyring: Path) -> None:
    turn(keyring)
    ring = load_keyring(keyring)
    for kid in (ring.primary, ring.primary_sealing):
        with pytest.raises(ConfigurationError, match="is a primary"):
            retirable(keyring, kid)


def test_a_key_that_is_promoted_meanwhile_is_not_retired(keyring: Path) -> None:
    add_keys(keyring)
    [kid] = retirable(keyring, kids(keyring, "oct")[-1])
    promote_keys(keyring, kid)
    with pytest.raises(ConfigurationError):
        retire_keys(keyring, [kid])
    assert load_keyring(keyring).primary == kid


# Whole or not at all


@pytest.mark.parametrize("point", ["os.fsync", "os.replace", "json.dumps"])
@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_change_that_fails_leaves_the_old_file_and_nothing_else(
    keyring: Path, monkeypatch: pytest.MonkeyPatch, point: str, error: BaseException
) -> None:
    before = keyring.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(point, fail)
        with pytest.raises(type(error)):
            add_keys(keyring)
    assert keyring.read_bytes() == before
    assert list(keyring.parent.iterdir()) == [keyring]
    add_keys(keyring)


KILLED = """
import os, signal, sys
from aiconfig_plugin.keys.keyring_file import add_keys

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], die)
add_keys(sys.argv[1])
"""


@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_killed_change_leaves_the_old_file_and_is_in_nobody_s_way(
    keyring: Path, point: str
) -> None:
    before = keyring.read_bytes()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(keyring), point], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert keyring.read_bytes() == before
    assert mode_of(Path(f"{keyring}.new")) == 0o600
    add_keys(keyring)
    assert len(keys_of(keyring)) == 4
    assert list(keyring.parent.iterdir()) == [keyring]


def test_of_changes_at_once_none_is_lost(keyring: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda _: add_keys(keyring), range(40)))
    assert sorted(key["kid"] for key in keys_of(keyring)[2:]) == sorted(sum(added, []))


def test_behind_a_link_the_file_is_replaced_and_the_link_stays(
    keyring: Path, tmp_path: Path
) -> None:
    links = tmp_path / "etc"
    links.mkdir()
    link = links / "keyring.json"
    link.symlink_to(Path("..") / keyring.name)
    add_keys(link)
    assert link.is_symlink()
    assert len(keys_of(keyring)) == 4
    assert list(links.iterdir()) == [link]


def test_a_keyring_that_is_not_in_order_is_not_changed(keyring: Path) -> None:
    keyring.chmod(0o644)
    before = keyring.read_bytes()
    with pytest.raises(ConfigurationError, match="0600"):
        add_keys(keyring)
    assert keyring.read_bytes() == before

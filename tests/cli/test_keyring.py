"""Keyrings in envelopes, by commands alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from aiconfig_plugin.cli import main
from tests.support.key_management import ROOT_TOKEN, Moto, OpenBao


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``aiconfig keyring``."""

    def run(*arguments: str | Path) -> Done:
        return Done(main(["keyring", *map(str, arguments)]), *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def services(bao: OpenBao, aws: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**bao.environ, **aws.environ}.items():
        monkeypatch.setenv(name, value)


def test_an_envelope_is_made_changed_and_wrapped_anew(
    run: Run, bao: OpenBao, aws: Moto, tmp_path: Path
) -> None:
    path = tmp_path / "envelope.json"
    assert run("create", path, "--kek", bao.kek).code == 0
    assert json.loads(path.read_bytes())["kek"] == bao.kek
    assert run("add", path).code == 0
    assert run("promote", path).code == 0
    listed = run("list", path)
    assert len(listed.out.splitlines()) == 4 and listed.out.count("primary") == 2
    other = aws.kek(aws.create_key("commands"))
    done = run("wrap", path, "--kek", other)
    assert done.code == 0 and f"Wrapped {path} with {other}." in done.out
    assert json.loads(path.read_bytes())["kek"] == other
    assert run("list", path).out == listed.out


def test_a_plain_keyring_is_wrapped(run: Run, bao: OpenBao, keyring: Path) -> None:
    listed = run("list", keyring).out
    assert run("wrap", keyring, "--kek", bao.kek).code == 0
    assert "keys" not in json.loads(keyring.read_bytes())
    assert run("list", keyring).out == listed


def test_what_is_wrong_is_one_line_without_a_token(
    run: Run, bao: OpenBao, keyring: Path, tmp_path: Path
) -> None:
    new, before = tmp_path / "new.json", keyring.read_bytes()
    for arguments in (("create", new), ("wrap", keyring)):
        done = run(*arguments, "--kek", "gcpkms://key")
        assert (done.code, done.out) == (2, "") and "gcpkms://key: must be a URI of" in done.err
    with bao.sealed():
        for arguments in (("create", new), ("wrap", keyring)):
            done = run(*arguments, "--kek", bao.kek)
            assert (done.code, done.out) == (2, "")
            assert done.err.endswith(f"{bao.kek}: the service is sealed (HTTP 503).\n")
            assert ROOT_TOKEN not in done.err
    assert not new.exists() and keyring.read_bytes() == before
    assert run("wrap", keyring).code == 2

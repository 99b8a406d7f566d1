"""The commands about the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aiconfig_plugin.cli import main

CATALOG = {"providers": {"OpenAI": {"sharedKey": "fallback", "models": [{"model": "gpt-4"}]}}}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "catalog.json").write_text(json.dumps(CATALOG), encoding="utf-8")
    (tmp_path / "keys.json").touch(0o600)
    (tmp_path / "keys.json").write_text('{"OpenAI": "sk-shared"}', encoding="utf-8")
    monkeypatch.setenv("AICONFIG_CATALOG", str(tmp_path / "catalog.json"))
    monkeypatch.setenv("AICONFIG_SHARED_KEYS", str(tmp_path / "keys.json"))
    return tmp_path


def test_a_catalogue_is_validated(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "validate", str(files / "catalog.json")]) == 0
    assert capsys.readouterr().out == "OK: 1 providers, 1 models, no other providers\n"


def test_a_wrong_catalogue_is_told_by_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "catalog.json"
    file.write_text('{"providers": {"OpenAI": {"models": [{}]}}}', encoding="utf-8")
    assert main(["catalog", "validate", str(file)]) == 2
    assert f"{file}: /providers/OpenAI/models/0: " in capsys.readouterr().err


def test_what_is_imported_can_be_validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["catalog", "import", "--provider", "Anthropic"]) == 0
    file = tmp_path / "catalog.json"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["catalog", "validate", str(file)]) == 0
    assert "OK: 1 providers, " in capsys.readouterr().out


def test_check_says_what_was_read_and_shows_no_key(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["check"])
    out = capsys.readouterr().out
    assert "catalogue             OK; 1 providers, 1 models, no other providers; " in out
    assert "shared keys: OpenAI\n" in out and "sk-shared" not in out


def test_check_tells_a_shared_key_that_is_never_used(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "keys.json").write_text('{"Mistral": "sk-shared"}', encoding="utf-8")
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "FAILED: AICONFIG_SHARED_KEYS has a key for Mistral" in out and "sk-shared" not in out

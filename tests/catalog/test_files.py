"""The operator's files: read, checked whole, and told by their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.catalog import load_catalog, parse_catalog, parse_shared_keys
from aiconfig_plugin.domain import ModelEntry
from aiconfig_plugin.errors import ConfigurationError

# The catalogue of the documentation.
EXAMPLE: dict[str, Any] = {
    "providers": {
        "OpenAI": {
            "baseUrl": "https://api.openai.com/v1",
            "api": "openai",
            "sharedKey": "fallback",
            "otherModels": False,
            "models": [{"model": "gpt-4", "type": "chat", "isPaid": True}],
        },
        "Ollama": {
            "baseUrl": "http://127.0.0.1:11434/v1",
            "api": "openai",
            "otherModels": True,
            "isPaid": False,
        },
    },
    "otherProviders": False,
    "systemPrompt": {"text": "Answer in English.", "mode": "before"},
}


def written(path: Path, content: Any, mode: int = 0o600) -> Path:
    file = path / "file.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    file.chmod(mode)
    return file


def test_a_catalogue_is_read(tmp_path: Path) -> None:
    catalog = load_catalog(written(tmp_path, EXAMPLE))
    assert list(catalog.providers) == ["OpenAI", "Ollama"]
    assert catalog.refusal(ModelEntry("OpenAI", "chat", "gpt-5", True)) == "model"
    assert catalog.refusal(ModelEntry("Other", "chat", "m", True)) == "provider"
    assert catalog.is_paid(ModelEntry("OpenAI", "chat", "gpt-4", False))
    assert not catalog.is_paid(ModelEntry("Ollama", "chat", "llama3", True))
    assert catalog.shared_key("OpenAI") == "fallback" and catalog.shared_key("Ollama") == "never"
    assert catalog.base_url("Ollama") == "http://127.0.0.1:11434/v1"
    assert catalog.prompt("Hi") == "Answer in English.\n\nHi"


def test_a_list_that_is_not_empty_is_exclusive_unless_it_says_otherwise(tmp_path: Path) -> None:
    anything = load_catalog(written(tmp_path, {}))
    assert anything.other_providers
    listed = load_catalog(
        written(tmp_path, {"providers": {"A": {}, "B": {"models": [{"model": "b"}]}}})
    )
    assert not listed.other_providers
    assert listed.providers["A"].other_models and not listed.providers["B"].other_models


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"providers": []}, "/providers: "),
        ({"providers": {"": {}}}, "/providers: "),
        ({"providers": {"a/b~c": {"api": "soap"}}}, "/providers/a~1b~0c/api: "),
        ({"providers": {"A": {"baseUrl": "https://u@a.example"}}}, "/providers/A/baseUrl: must be"),
        ({"providers": {"A": {"baseUrl": 7}}}, "/providers/A/baseUrl: "),
        ({"providers": {"A": {"models": [{"type": "chat"}]}}}, "/providers/A/models/0: "),
        ({"providers": {"A": {"models": [{"model": "m", "type": "C"}]}}}, "/models/0/type: "),
        ({"providers": {"A": {"sharedKey": "always"}}}, "/providers/A/sharedKey: "),
        ({"systemPrompt": {"text": "x"}}, "/systemPrompt: "),
        ({"systemPrompt": {"text": "x", "mode": "after"}}, "/systemPrompt/mode: "),
        ({"otherProvider": True}, "the document: "),
    ],
)
def test_what_is_wrong_is_told_by_its_place(
    tmp_path: Path, change: dict[str, Any], place: str
) -> None:
    file = written(tmp_path, {**EXAMPLE, **change})
    with pytest.raises(ConfigurationError) as refused:
        load_catalog(file)
    assert str(refused.value).startswith(f"{file}: ") and place in str(refused.value)


def test_a_model_that_is_listed_twice_is_told(tmp_path: Path) -> None:
    models = [{"model": "m"}, {"model": "m", "type": "chat"}, {"model": "m"}]
    file = written(tmp_path, {"providers": {"A": {"models": models}}})
    with pytest.raises(ConfigurationError, match="/providers/A/models/2: .*models/0"):
        load_catalog(file)


def test_all_that_is_wrong_is_told_at_once_up_to_a_bound(tmp_path: Path) -> None:
    file = written(tmp_path, {"providers": {"A": {"models": [{}] * 30}}})
    with pytest.raises(ConfigurationError, match="and 10 more") as refused:
        load_catalog(file)
    assert str(refused.value).count("/providers/A/models/") == 20


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"providers": {}, "providers": {}}', b"[]"],
)
@pytest.mark.parametrize("parse", [parse_catalog, parse_shared_keys])
def test_what_is_no_json_object_is_refused(parse: Any, content: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse(content)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere.json: No such file"):
        load_catalog(tmp_path / "nowhere.json")


def test_shared_keys_are_shown_by_no_repr() -> None:
    keys = parse_shared_keys(b'{"OpenAI": "sk-shared"}')
    assert keys["OpenAI"].get_secret_value() == "sk-shared"
    assert "sk-shared" not in repr(keys)


@pytest.mark.parametrize("key", ["", None, 7, ["sk-shared"], "sk-shared" * 1000])
def test_a_shared_key_of_another_form_is_named_by_its_provider(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="/Open~1AI: ") as refused:
        parse_shared_keys(json.dumps({"Open/AI": key}).encode())
    assert "sk-" not in str(refused.value)

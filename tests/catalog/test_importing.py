"""Lists of models become catalogues that can be edited and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.catalog import import_bundled, import_file, load_catalog
from aiconfig_plugin.domain import ModelEntry
from aiconfig_plugin.errors import ConfigurationError

# The form of https://models.dev/api.json.
LIST: dict[str, Any] = {
    "openai": {
        "name": "OpenAI",
        "models": {
            "gpt-4": {"id": "gpt-4", "cost": {"input": 30, "output": 60}},
            "text-embedding-3": {"id": "text-embedding-3", "cost": {"input": 0.1}},
        },
    },
    "local": {
        "name": "Local",
        "models": {"free": {"id": "free", "cost": {"input": 0}}, "n": {"id": "n"}},
    },
}


def test_the_bundled_list_becomes_a_catalogue_that_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(import_bundled()), encoding="utf-8")
    catalog = load_catalog(file)
    assert {"OpenAI", "Anthropic", "Mistral"} <= catalog.providers.keys()
    assert catalog.is_paid(ModelEntry("OpenAI", "chat", "gpt-4o", False))
    assert any(model.is_paid is False for one in catalog.providers.values() for model in one.models)
    assert not catalog.other_providers


def test_only_the_providers_that_are_asked_for_are_taken() -> None:
    assert list(import_bundled(["Anthropic"])["providers"]) == ["Anthropic"]
    with pytest.raises(ConfigurationError, match="no provider Nobody"):
        import_bundled(["Anthropic", "Nobody"])


def test_a_given_list_says_provider_model_type_and_paid(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(json.dumps(LIST), encoding="utf-8")
    assert import_file(file) == {
        "providers": {
            "OpenAI": {
                "otherModels": False,
                "models": [
                    {"model": "gpt-4", "type": "chat", "isPaid": True},
                    {"model": "text-embedding-3", "type": "embedding", "isPaid": True},
                ],
            },
            "Local": {
                "otherModels": False,
                "models": [
                    {"model": "free", "type": "chat", "isPaid": False},
                    {"model": "n", "type": "chat", "isPaid": False},
                ],
            },
        },
        "otherProviders": False,
    }
    assert list(import_file(file, ["Local"])["providers"]) == ["Local"]


@pytest.mark.parametrize("text", ["", "[]", "7", '{"a": {}}', '{"a": {"name": "A", "models": []}}'])
def test_a_list_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "list.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="list.json: must be a list"):
        import_file(file)


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere.json: No such file"):
        import_file(tmp_path / "nowhere.json")

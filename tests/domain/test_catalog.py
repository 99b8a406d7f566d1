"""What the operator's word does to entries: offered, paid, prompt."""

from __future__ import annotations

from typing import Any

import pytest

from aiconfig_plugin.domain import (
    Catalog,
    ModelEntry,
    OfferedModel,
    OfferedProvider,
    OperatorPrompt,
)


def entry(provider: str, model: str, type: str = "chat", is_paid: bool = False) -> ModelEntry:
    return ModelEntry(provider, type, model, is_paid)


CATALOG = Catalog(
    [
        OfferedProvider(
            "OpenAI",
            (
                OfferedModel("gpt-4", "chat", True),
                OfferedModel("gpt-4", "image"),
                OfferedModel("o"),
            ),
            is_paid=False,
        ),
        OfferedProvider("Ollama", other_models=True, is_paid=False, base_url="http://127.0.0.1:1"),
        OfferedProvider("Mistral", (OfferedModel("large", is_paid=True),), other_models=True),
    ],
    other_providers=False,
)


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (entry("OpenAI", "gpt-4"), None),
        (entry("OpenAI", "gpt-4", "image"), None),
        (entry("OpenAI", "gpt-4", "audio"), "model"),
        (entry("OpenAI", "o", "anything"), None),
        (entry("OpenAI", "gpt-5"), "model"),
        (entry("Ollama", "anything"), None),
        (entry("openai", "gpt-4"), "provider"),
    ],
)
def test_only_what_is_listed_is_offered(asked: ModelEntry, refusal: str | None) -> None:
    assert CATALOG.refusal(asked) == refusal


def test_without_a_catalogue_everything_is_offered_and_the_users_word_holds() -> None:
    for is_paid in (True, False):
        asked = entry("OpenAI", "gpt-4", is_paid=is_paid)
        assert Catalog().refusal(asked) is None
        assert Catalog().is_paid(asked) is is_paid
    assert Catalog().prompt("mine") == "mine"
    assert Catalog().shared_key("OpenAI") == "never"
    assert Catalog().base_url("OpenAI") is None


def test_other_providers_may_be_let_in_beside_a_list() -> None:
    catalog = Catalog([OfferedProvider("OpenAI")], other_providers=True)
    assert catalog.refusal(entry("Mine", "m")) is None
    assert catalog.refusal(entry("OpenAI", "m")) == "model"


@pytest.mark.parametrize(
    ("asked", "is_paid"),
    [
        (entry("OpenAI", "gpt-4", is_paid=False), True),  # the model's word before the provider's
        (entry("OpenAI", "o", is_paid=True), False),  # the provider's before the user's
        (entry("Mistral", "large", is_paid=False), True),
        (entry("Mistral", "other", is_paid=True), True),  # nobody's but the user's
        (entry("Mistral", "other", is_paid=False), False),
    ],
)
def test_what_is_paid_is_the_operators_word_where_there_is_one(
    asked: ModelEntry, is_paid: bool
) -> None:
    assert CATALOG.is_paid(asked) is is_paid


@pytest.mark.parametrize(
    ("mode", "users", "results"),
    [
        ("before", "mine", "theirs\n\nmine"),
        ("before", "", "theirs"),
        ("default", "mine", "mine"),
        ("default", "", "theirs"),
        ("only", "mine", "theirs"),
        ("only", "", "theirs"),
    ],
)
def test_the_system_prompt_comes_in_layers(mode: Any, users: str, results: str) -> None:
    assert Catalog(system_prompt=OperatorPrompt("theirs", mode)).prompt(users) == results

"""What stored keys are for: the gateway's own calls, with a secret that does not show."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin import AIConfigPlugin, Settings
from aiconfig_plugin.domain.model import Owner, ResolvedModel
from aiconfig_plugin.domain.secret import SecretStr
from aiconfig_plugin.errors import (
    ConfigNotFound,
    KeyUnreadable,
    ModelNotConfigured,
)
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.builders import (
    ALICE,
    API_KEY,
    ISSUER,
    MODELS,
    PROMPT,
    RUN,
    drop,
    nobody,
    sealed_entry,
    started,
    submission,
    turn,
)
from tests.support.gateway import entry


@asynccontextmanager
async def alice_s(keyring: Path, repository: InMemoryRepository) -> AsyncIterator[AIConfigPlugin]:
    async with started(keyring, repository=repository) as plugin:
        await plugin._service.create(ALICE, submission(*MODELS))
        yield plugin


def secret(chosen: ResolvedModel) -> str | None:
    return chosen.api_key.get_secret_value() if chosen.api_key else None


# What is chosen


@RUN
async def test_the_first_entry_in_the_owner_s_order_that_fits_is_chosen(
    keyring: Path, repository: InMemoryRepository
) -> None:
    async with alice_s(keyring, repository) as plugin:
        expected: list[tuple[dict[str, str], str | None]] = [
            ({}, "key 0"),
            ({"provider": "OpenAI"}, "key 0"),
            ({"provider": "Azure"}, "key 2"),
            ({"type": "embedding"}, "key 1"),
            ({"type": "chat"}, "key 0"),
            ({"model": "gpt-4"}, "key 0"),
            ({"model": "gpt-4", "provider": "Azure"}, "key 2"),
            ({"model": "gpt-4o", "provider": "OpenAI", "type": "chat"}, "key 3"),
            ({"provider": "Ollama"}, None),
        ]
        for filters, key in expected:
            assert secret(await plugin.resolve("alice", **filters)) == key, filters
        await plugin._service.update(ALICE, submission(entry("gpt-4o"), entry("gpt-4")))
        assert secret(await plugin.resolve("alice", provider="OpenAI")) == "key 3"


@RUN
async def test_it_holds_what_a_call_needs(keyring: Path, repository: InMemoryRepository) -> None:
    async with alice_s(keyring, repository) as plugin:
        chosen = await plugin.resolve("alice", provider="Azure")
        assert (chosen.provider, chosen.type, chosen.model) == ("Azure", "chat", "gpt-4")
        assert chosen.is_paid is False
        assert chosen.system_prompt == PROMPT
        local = await plugin.resolve("alice", model="llama3")
        assert local.api_key is None and local.is_paid is False


@RUN
async def test_a_sealed_key_resolves_to_what_was_sealed(
    keyring: Path, repository: InMemoryRepository
) -> None:
    async with started(keyring, repository=repository) as plugin:
        await plugin._service.create(ALICE, submission(sealed_entry(plugin._vault, ALICE)))
        assert secret(await plugin.resolve("alice")) == API_KEY


@RUN
@pytest.mark.parametrize(
    "filters",
    [
        {"provider": "Nobody"},
        {"provider": "openai"},
        {"provider": "Azure", "model": "gpt-4o"},
        {"type": "image"},
        {"model": ""},
        {"provider": ""},
    ],
)
async def test_where_nothing_fits_it_says_so(
    keyring: Path, repository: InMemoryRepository, filters: dict[str, str]
) -> None:
    async with alice_s(keyring, repository) as plugin:
        with pytest.raises(ModelNotConfigured):
            await plugin.resolve("alice", **filters)


@RUN
async def test_who_has_nothing_is_told_apart(keyring: Path, repository: InMemoryRepository) -> None:
    async with alice_s(keyring, repository) as plugin:
        for subject in ("bob", "", "Alice", "alice "):
            with pytest.raises(ConfigNotFound):
                await plugin.resolve(subject)


@RUN
async def test_a_user_of_another_issuer_is_another_user(
    keyring: Path, repository: InMemoryRepository
) -> None:
    other = Owner("https://other.example", "alice")
    async with alice_s(keyring, repository) as plugin:
        with pytest.raises(ConfigNotFound):
            await plugin.resolve("alice", issuer=other.issuer)
        await plugin._service.create(other, submission(entry(key="another's")))
        assert secret(await plugin.resolve("alice", issuer=other.issuer)) == "another's"
        assert secret(await plugin.resolve("alice", issuer=ISSUER)) == "key 0"
        assert secret(await plugin.resolve("alice")) == "key 0"


@RUN
async def test_without_a_configured_issuer_it_has_to_be_given(
    keyring: Path, repository: InMemoryRepository
) -> None:
    plugin = AIConfigPlugin(Settings(keyring=keyring), repository=repository, authenticate=nobody)
    try:
        await plugin.start()
        await plugin._service.create(ALICE, submission(*MODELS))
        with pytest.raises(ValueError, match="issuer="):
            await plugin.resolve("alice")
        assert secret(await plugin.resolve("alice", issuer=ISSUER)) == "key 0"
    finally:
        await plugin.close()


@RUN
async def test_an_unreadable_key_is_an_error_and_not_a_call_without_one(
    keyring: Path, repository: InMemoryRepository
) -> None:
    lost = load_keyring(keyring).primary
    async with alice_s(keyring, repository):
        turn(keyring)
        drop(keyring, lost)
    async with started(keyring, repository=repository) as plugin:
        with pytest.raises(KeyUnreadable):
            await plugin.resolve("alice")
        assert secret(await plugin.resolve("alice", provider="Ollama")) is None


# The secret


@pytest.fixture
def chosen() -> ResolvedModel:
    return ResolvedModel("OpenAI", "chat", "gpt-4", True, SecretStr(API_KEY), PROMPT)


def test_no_way_of_printing_shows_it(chosen: ResolvedModel) -> None:
    value = chosen.api_key
    shown = [
        repr(value), str(value), f"{value}", f"{value!r:>60}", f"{value!s}", f"{value!a}",
        f"{value} {value!r}", repr([value]), repr({"k": value}),
        repr(chosen), str(chosen), f"{chosen}", ascii(value),
    ]  # fmt: skip
    assert not any(API_KEY in text for text in shown)
    assert "**********" in str(value)


def test_the_prompt_does_not_show_either(chosen: ResolvedModel) -> None:
    assert PROMPT not in repr(chosen)


def test_logging_does_not_show_it(chosen: ResolvedModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("host").warning("%s %r %s", chosen.api_key, chosen.api_key, chosen)
    assert "**********" in caplog.text and API_KEY not in caplog.text


@pytest.mark.parametrize(
    "leave",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        lambda value: json.dumps(value.__dict__),
        vars,
        list,
        bytes,
        lambda value: pickle.dumps(value, protocol=0),
        lambda value: pickle.dumps({"cached": [value]}),
    ],
)
def test_it_leaves_the_process_in_no_accidental_way(leave: Callable[[Any], Any]) -> None:
    with pytest.raises((TypeError, AttributeError)) as refused:
        leave(SecretStr(API_KEY))
    assert API_KEY not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("leave", [pickle.dumps, copy.deepcopy])
def test_nor_does_what_holds_it(chosen: ResolvedModel, leave: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        leave(chosen)


def test_a_traceback_with_its_locals_does_not_show_it(chosen: ResolvedModel) -> None:
    def call_of_the_host(chosen: ResolvedModel, key: SecretStr | None) -> None:
        raise RuntimeError(f"the provider refused {key}")

    with pytest.raises(RuntimeError) as raised:
        call_of_the_host(chosen, chosen.api_key)
    summary = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    shown = "".join(summary.format())
    assert "call_of_the_host" in shown and API_KEY not in shown

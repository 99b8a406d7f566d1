"""Verifying a stored key: which entry, how often, by whom, and what is remembered of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.domain import (
    AIConfigService,
    HostVerifier,
    KeyUseRecorder,
    KeyVerification,
    Owner,
    ResolvedModel,
    SecretStr,
    Verification,
)
from aiconfig_plugin.domain.verification import OwnerLimit
from aiconfig_plugin.errors import ConfigNotFound, KeyUnreadable, TooManyRequests
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.testing import InMemoryKeyUse, InMemoryRepository
from tests.support.builders import (
    ALICE,
    BOB,
    RUN,
    drop,
    logged,
    new_vault,
    sealed_entry,
    submission,
    turn,
)
from tests.support.gateway import entry

GPT4 = ("OpenAI", "chat", "gpt-4", None)
LLAMA = ("Ollama", "chat", "llama3", None)
ACCEPTED = Verification("accepted", "The provider accepted the API key (status 200).")


class Provider:
    """A verifier that says what it is told to say."""

    def __init__(self) -> None:
        self.result: Any = "accepted"
        self.asked: list[ResolvedModel] = []

    async def __call__(self, chosen: ResolvedModel) -> Verification:
        self.asked.append(chosen)
        return Verification.of(self.result, status=200)


class Verifying:
    """A service over an empty repository, and what verifies its keys."""

    def __init__(self, keyring: Path, repository: InMemoryRepository) -> None:
        self.vault = new_vault(keyring)
        uses = KeyUseRecorder(InMemoryKeyUse())
        self.service = AIConfigService(repository, self.vault, key_use=uses)
        self.provider = Provider()
        self.seconds = 0.0
        self.verification = KeyVerification(self.service, self.provider, clock=lambda: self.seconds)

    async def create(self, *entries: dict[str, Any], owner: Owner = ALICE) -> None:
        await self.service.create(owner, submission(*entries))

    async def last_result(self) -> str | None:
        config = await self.service.read(ALICE)
        return (await self.service.key_use(ALICE, config))[GPT4].last_result


@pytest.fixture
def up(keyring: Path, repository: InMemoryRepository) -> Verifying:
    return Verifying(keyring, repository)


# Which entry


@RUN
async def test_it_is_the_entry_s_own_key_whether_or_not_a_call_would_use_it(up: Verifying) -> None:
    work = {**sealed_entry(up.vault, ALICE, "key 2"), "label": "work", "enabled": False}
    local = entry("llama3", provider="Ollama")
    await up.create(sealed_entry(up.vault, ALICE, "key 1"), work, local)
    for identity, key in ((GPT4, "key 1"), ((*GPT4[:3], "work"), "key 2"), (LLAMA, None)):
        assert await up.verification.verify(ALICE, identity) == ACCEPTED
        chosen = up.provider.asked[-1]
        assert chosen.identity == identity
        assert (chosen.api_key and chosen.api_key.get_secret_value()) == key


@RUN
async def test_an_entry_that_is_not_there_is_not_found(up: Verifying) -> None:
    with pytest.raises(ConfigNotFound):
        await up.verification.verify(ALICE, GPT4)
    await up.create(entry(key="k"))
    for identity in (LLAMA, (*GPT4[:3], "work"), ("OpenAI", "image", "gpt-4", None)):
        with pytest.raises(ConfigNotFound, match="no such entry"):
            await up.verification.verify(ALICE, identity)
    with pytest.raises(ConfigNotFound):
        await up.verification.verify(BOB, GPT4)
    assert up.provider.asked == []


@RUN
async def test_an_unreadable_key_is_sent_to_nobody(
    keyring: Path, repository: InMemoryRepository
) -> None:
    await Verifying(keyring, repository).create(entry(key="k"))
    lost = load_keyring(keyring).primary
    turn(keyring)
    drop(keyring, lost)
    up = Verifying(keyring, repository)
    with pytest.raises(KeyUnreadable):
        await up.verification.verify(ALICE, GPT4)
    assert up.provider.asked == []


@RUN
async def test_it_is_in_the_audit_log(up: Verifying) -> None:
    await up.create(entry(key="k"))
    with logged("aiconfig_plugin.audit") as records:
        await up.verification.verify(ALICE, GPT4, client_id="spa")
        with pytest.raises(ConfigNotFound):
            await up.verification.verify(ALICE, LLAMA, client_id="spa")
    told = [json.loads(record) for record in records]
    assert [(one["action"], one["client_id"], one.get("refused")) for one in told] == [
        ("verify", "spa", None),
        ("verify", "spa", "config-not-found"),
    ]


# What is remembered


@RUN
async def test_what_the_provider_says_of_the_key_is_its_last_result(up: Verifying) -> None:
    await up.create(entry(key="k"))
    assert await up.last_result() is None
    last = None
    for result in ("accepted", "unknown", "rejected", "unreachable", "quota-exceeded"):
        up.provider.result = result
        assert (await up.verification.verify(ALICE, GPT4)).result == result
        last = last if result in ("unknown", "unreachable") else result
        assert await up.last_result() == last


@RUN
async def test_a_verification_is_no_use(up: Verifying) -> None:
    await up.create(entry(key="k"))
    await up.verification.verify(ALICE, GPT4)
    config = await up.service.read(ALICE)
    use = (await up.service.key_use(ALICE, config))[GPT4]
    assert use.last_used_at is None and use.last_result_at is not None


@RUN
async def test_without_a_key_nothing_is_remembered(up: Verifying) -> None:
    await up.create(entry("llama3", provider="Ollama"))
    assert await up.verification.verify(ALICE, LLAMA) == ACCEPTED
    config = await up.service.read(ALICE)
    assert await up.service.key_use(ALICE, config) == {}


# How often


@RUN
async def test_an_owner_may_verify_ten_times_a_minute(up: Verifying) -> None:
    for owner in (ALICE, BOB):
        await up.create(entry(key="k"), owner=owner)
    for second in range(10):
        up.seconds = second
        await up.verification.verify(ALICE, GPT4)
    up.seconds = 20.5
    with pytest.raises(TooManyRequests) as refused:
        await up.verification.verify(ALICE, GPT4)
    assert refused.value.retry_after == 40
    await up.verification.verify(BOB, GPT4)
    assert len(up.provider.asked) == 11
    up.seconds = 60
    await up.verification.verify(ALICE, GPT4)
    with pytest.raises(TooManyRequests) as refused:
        await up.verification.verify(ALICE, GPT4)
    assert refused.value.retry_after == 1


@RUN
async def test_what_reaches_no_provider_does_not_count(up: Verifying) -> None:
    await up.create(entry(key="k"))
    for _ in range(11):
        with pytest.raises(ConfigNotFound):
            await up.verification.verify(ALICE, LLAMA)
    assert await up.verification.verify(ALICE, GPT4) == ACCEPTED


def test_the_limit_remembers_only_those_of_the_last_seconds() -> None:
    now = 0.0
    limit = OwnerLimit(1, 60, lambda: now)
    for number in range(100):
        now = number
        limit.take(Owner("i", str(number)))
    assert len(limit._passes) == 60
    with pytest.raises(TooManyRequests):
        limit.take(Owner("i", "99"))


# By the host's own means


CHOSEN = ResolvedModel("OpenAI", "chat", "gpt-4", True, SecretStr("k"), "")


@pytest.mark.parametrize(
    "result", ["accepted", "rejected", "quota-exceeded", "unreachable", "unknown"]
)
async def test_a_host_verifies_by_its_own_means(result: str) -> None:
    async def verify(chosen: ResolvedModel) -> str:
        assert chosen is CHOSEN
        return result

    found = await HostVerifier(verify)(CHOSEN)
    assert found.result == result
    assert found.detail.endswith(".") and "status" not in found.detail


async def test_what_a_host_returns_beyond_that_is_its_mistake() -> None:
    async def verify(_chosen: ResolvedModel) -> str:
        return "fine"

    with pytest.raises(ValueError, match="must return one of: accepted, rejected, quota-exceeded"):
        await HostVerifier(verify)(CHOSEN)


async def test_a_host_that_takes_too_long_is_not_waited_for() -> None:
    async def verify(_chosen: ResolvedModel) -> str:
        await asyncio.Event().wait()
        return "accepted"

    found = await HostVerifier(verify, timeout=0.01)(CHOSEN)
    assert found.result == "unreachable"

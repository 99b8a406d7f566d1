"""A gateway reads its files again while it runs, and a wrong one changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin import AIConfigPlugin, Settings, kms
from aiconfig_plugin.composition.reloading import RELOAD_INTERVAL
from aiconfig_plugin.domain import AIConfig, ModelEntry
from aiconfig_plugin.errors import ConfigurationError, KeyUnreadable, ModelNotConfigured
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import add_keys, create_keyring, promote_keys, wrap_keyring
from aiconfig_plugin.keys.vault import Vault
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.builders import ALICE, ISSUER, accept, drop, new_vault, nobody, turn
from tests.support.key_management import OpenBao


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


@asynccontextmanager
async def running(
    keyring: Path | None, repository: InMemoryRepository | None = None, **given: Any
) -> AsyncIterator[AIConfigPlugin]:
    settings = Settings(keyring=keyring, issuer=ISSUER, **given)
    repository = repository or InMemoryRepository()
    async with AIConfigPlugin(settings, repository=repository, authenticate=nobody) as plugin:
        yield plugin


async def store(repository: InMemoryRepository, keyring: Path, model: str = "gpt-4") -> None:
    """Store a key that is wrapped by the primary of that file, as another gateway does."""
    entry = ModelEntry("OpenAI", "chat", model, True, accept(new_vault(keyring), "an opaque key"))
    await repository.start()
    await repository.create(ALICE, AIConfig((entry,), "", "r1"))


async def test_a_new_primary_is_used_without_a_restart(keyring: Path) -> None:
    async with running(keyring) as plugin:
        turn(keyring)
        await plugin.reload()
        assert plugin._vault.keyring == load_keyring(keyring)


async def test_a_stored_key_of_an_unknown_kid_is_opened_once_the_file_has_it(
    keyring: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "distributed.json"
    put(copy, content(keyring))
    turn(keyring)
    repository = InMemoryRepository()
    await store(repository, keyring)
    async with running(copy, repository) as plugin:
        put(copy, content(keyring))
        chosen = await plugin.resolve("alice")
        assert chosen.api_key and chosen.api_key.get_secret_value() == "an opaque key"


async def test_a_key_that_stays_unknown_is_searched_once_and_unreadable(
    keyring: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    create_keyring(other)
    repository = InMemoryRepository()
    await store(repository, keyring)
    async with running(other, repository) as plugin:
        for _ in range(2):
            with pytest.raises(KeyUnreadable):
                await plugin.resolve("alice")
            other.write_text("not read any more")


async def test_last_weeks_file_takes_no_key_away_that_stored_keys_use(
    keyring: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last_week = content(keyring)
    turn(keyring)
    repository = InMemoryRepository()
    await store(repository, keyring)
    async with running(keyring, repository) as plugin:
        put(keyring, last_week)
        await plugin.reload()
        assert f"it lacks {plugin._vault.primary}, which stored keys" in caplog.text
        assert (await plugin.resolve("alice")).api_key


async def test_a_key_that_no_stored_key_uses_may_go(keyring: Path) -> None:
    old = load_keyring(keyring).primary
    turn(keyring)
    repository = InMemoryRepository()
    await store(repository, keyring)
    async with running(keyring, repository) as plugin:
        drop(keyring, old)
        await plugin.reload()
        assert not plugin._vault.has_key(old) and (await plugin.resolve("alice")).api_key


@pytest.mark.parametrize("damage", [lambda whole: whole[:-40], lambda _: b"", lambda _: b"{}"])
async def test_a_file_that_is_half_written_changes_nothing(
    keyring: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(keyring) as plugin:
        before = plugin._vault.keyring
        add_keys(keyring)
        whole = content(keyring)
        put(keyring, damage(whole))
        await plugin.reload()
        assert plugin._vault.keyring is before
        assert f"AICONFIG_KEYRING: {keyring}: it is not " in caplog.text
        put(keyring, whole)
        await plugin.reload()
        assert plugin._vault.keyring == load_keyring(keyring)


async def test_a_file_that_others_may_read_now_changes_nothing(
    keyring: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(keyring) as plugin:
        before = plugin._vault.keyring
        turn(keyring)
        put(keyring, content(keyring), mode=0o644)
        await plugin.reload()
        assert plugin._vault.keyring is before
        assert "0644" in caplog.text


async def test_the_catalogue_and_the_shared_keys_are_read_again(
    keyring: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog, shared = tmp_path / "catalog.json", tmp_path / "shared.json"
    catalog.write_text("{}")
    shared.write_text('{"OpenAI": "sk-shared"}')
    shared.chmod(0o600)
    repository = InMemoryRepository()
    await repository.start()
    await repository.create(
        ALICE, AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True),), "", "r1")
    )
    async with running(keyring, repository, catalog=catalog, shared_keys=shared) as plugin:
        assert (await plugin.resolve("alice")).api_key is None
        catalog.write_text(json.dumps({"providers": {"OpenAI": {"sharedKey": "fallback"}}}))
        shared.write_text('{"OpenAI": "sk-turned"}')
        await plugin.reload()
        chosen = await plugin.resolve("alice")
        assert chosen.api_key and chosen.api_key.get_secret_value() == "sk-turned"

        catalog.write_text('{"providers": []}')
        shared.write_text('{"OpenAI": 7}')
        await plugin.reload()
        assert (await plugin.resolve("alice")).key_source == "shared"
        for place in (
            f"AICONFIG_CATALOG: {catalog}: /providers",
            f"AICONFIG_SHARED_KEYS: {shared}",
        ):
            assert place in caplog.text
        assert "sk-" not in caplog.text

        catalog.write_text(json.dumps({"providers": {"Ollama": {}}}))
        await plugin.reload()
        with pytest.raises(ModelNotConfigured):
            await plugin.resolve("alice")


async def test_keys_are_promoted_by_the_file_alone(keyring: Path) -> None:
    async with running(keyring) as plugin:
        storage, _ = add_keys(keyring)
        await plugin.reload()
        assert plugin._vault.has_key(storage) and plugin._vault.primary != storage
        promote_keys(keyring)
        await plugin.reload()
        assert plugin._vault.primary == storage


async def test_files_are_read_again_at_intervals_from_the_start_to_the_end(
    keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RELOAD_INTERVAL == 10
    monkeypatch.setattr("aiconfig_plugin.composition.reloading.RELOAD_INTERVAL", 0)
    replaced = asyncio.Event()
    monkeypatch.setattr(Vault, "replace", lambda *_: replaced.set())
    async with running(keyring):
        add_keys(keyring)
        await replaced.wait()
    assert len(asyncio.all_tasks()) == 1


# A command


async def test_what_a_command_prints_is_read_again(keyring: Path, tmp_path: Path) -> None:
    distributed = tmp_path / "a distributed file.json"
    put(distributed, content(keyring))
    repository = InMemoryRepository()
    turn(keyring)
    await store(repository, keyring)
    async with running(None, repository, keyring_command=f"cat '{distributed}'") as plugin:
        with pytest.raises(KeyUnreadable):
            await plugin.resolve("alice")
        put(distributed, content(keyring))
        await plugin.reload()
        assert plugin._vault.keyring == load_keyring(keyring)
        assert (await plugin.resolve("alice")).api_key


async def test_a_stored_key_of_an_unknown_kid_runs_the_command_again(
    keyring: Path, tmp_path: Path
) -> None:
    distributed = tmp_path / "distributed.json"
    put(distributed, content(keyring))
    repository = InMemoryRepository()
    turn(keyring)
    await store(repository, keyring)
    async with running(None, repository, keyring_command=["cat", str(distributed)]) as plugin:
        put(distributed, content(keyring))
        assert (await plugin.resolve("alice")).api_key


async def test_a_command_that_fails_stops_the_start_and_is_named() -> None:
    for command, told in (("false", "false exited with 1."), ("echo x", "it is not JSON.")):
        with pytest.raises(ConfigurationError) as refused:
            await running(None, keyring_command=command).__aenter__()
        assert refused.value.detail == f"AICONFIG_KEYRING_COMMAND: {told}"


# An envelope


@pytest.fixture
def envelope(bao: OpenBao, keyring: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The keyring, in an envelope that OpenBao opens."""
    for name, value in bao.environ.items():
        monkeypatch.setenv(name, value)
    wrap_keyring(keyring, bao.kek)
    return keyring


@pytest.fixture
def unwrapped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the service is asked to unwrap from now on."""
    asked: list[str] = []

    def unwrap(kek: str, wrapped: str) -> bytes:
        asked.append(wrapped)
        return kms.unwrap(kek, wrapped)

    monkeypatch.setattr("aiconfig_plugin.keys.envelope.unwrap", unwrap)
    return asked


async def test_the_service_is_asked_at_the_start_and_for_each_changed_file(
    envelope: Path, unwrapped: list[str]
) -> None:
    repository = InMemoryRepository()
    await store(repository, envelope)
    unwrapped.clear()
    async with running(envelope, repository) as plugin:
        for _ in range(2):
            assert (await plugin.resolve("alice")).api_key
            await plugin.reload()
        assert len(unwrapped) == 1
        storage, _ = add_keys(envelope)
        unwrapped.clear()
        for _ in range(2):
            await plugin.reload()
            assert (await plugin.resolve("alice")).api_key
        assert len(unwrapped) == 1 and plugin._vault.has_key(storage)


async def test_while_the_service_is_sealed_a_gateway_keeps_its_keys_and_none_starts(
    envelope: Path, bao: OpenBao, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(envelope) as plugin:
        before = plugin._vault.keyring
        turn(envelope)
        with bao.sealed():
            await plugin.reload()
            assert plugin._vault.keyring is before
            told = f"AICONFIG_KEYRING: {envelope}: {bao.kek}: the service is sealed (HTTP 503)."
            assert told in caplog.text
            with pytest.raises(ConfigurationError) as refused:
                await running(envelope).__aenter__()
            assert refused.value.detail == told
        await plugin.reload()
        assert plugin._vault.keyring == load_keyring(envelope)


async def test_an_envelope_that_is_damaged_changes_nothing(
    envelope: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(envelope) as plugin:
        before = plugin._vault.keyring
        turn(envelope)
        document = json.loads(content(envelope))
        document["jwe"] = document["jwe"][:-6]
        put(envelope, json.dumps(document).encode())
        await plugin.reload()
        assert plugin._vault.keyring is before and "it is damaged" in caplog.text

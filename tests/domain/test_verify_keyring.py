"""A start proves that the keyring is that of the store, and says what it cannot open."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aiconfig_plugin import AIConfigPlugin
from aiconfig_plugin.domain import AIConfig, Owner, verify_keyring
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys import load_keyring
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.builders import (
    ALICE,
    BOB,
    RUN,
    drop,
    logged,
    new_vault,
    started,
    submission,
    turn,
)
from tests.support.gateway import entry
from tests.support.reference_jwe import b64


async def create(plugin: AIConfigPlugin, owner: Owner, *keys: str) -> None:
    models = [entry(f"m{n}", key=key) for n, key in enumerate(keys)]
    await plugin._service.create(owner, submission(*models))


async def spoil(repository: InMemoryRepository, owner: Owner) -> AIConfig:
    """Damage an owner's first key; returns what was there."""
    before = await repository.read(owner)
    first = before.models[0]
    assert first.key
    parts = [*first.key.jwe.split(".")[:4], b64(bytes(16))]
    key = replace(first.key, jwe=".".join(parts))
    models = (replace(first, key=key), *before.models[1:])
    await repository.replace(owner, replace(before, models=models))
    return before


@RUN
async def test_the_start_says_how_many_keys_it_cannot_open(
    keyring: Path, repository: InMemoryRepository
) -> None:
    lost = load_keyring(keyring).primary
    async with started(keyring, repository=repository) as plugin:
        await create(plugin, ALICE, "a", "b")
        await create(plugin, BOB, "c")
    turn(keyring)
    async with started(keyring, repository=repository) as plugin:
        await create(plugin, Owner("https://other.example", "eve"), "d")
    drop(keyring, lost)
    with logged("aiconfig_plugin") as lines:
        async with started(keyring, repository=repository):
            pass
    assert lines == [f"3 stored API keys are wrapped by key {lost}, which is not on the keyring."]


def other_material(keyring: Path, kid: str) -> None:
    """The same name, another key: as a keyring of another store that was made by hand."""
    document = json.loads(keyring.read_bytes())
    for key in document["keys"]:
        if key["kid"] == kid:
            key["k"] = b64(bytes(32))
    keyring.write_text(json.dumps(document))


@RUN
async def test_the_right_name_with_the_wrong_material_stops_the_start(
    keyring: Path, repository: InMemoryRepository
) -> None:
    kid = load_keyring(keyring).primary
    async with started(keyring, repository=repository) as plugin:
        await create(plugin, ALICE, "a")
        await create(plugin, BOB, "b")
    other_material(keyring, kid)
    with pytest.raises(ConfigurationError, match=f"AICONFIG_KEYRING: key {kid} opens none"):
        async with started(keyring, repository=repository):
            pass


@RUN
async def test_of_several_keys_one_that_fits_nothing_is_told(
    keyring: Path, repository: InMemoryRepository
) -> None:
    kid = load_keyring(keyring).primary
    async with started(keyring, repository=repository) as plugin:
        await create(plugin, ALICE, "a")
    turn(keyring)
    async with started(keyring, repository=repository) as plugin:
        await create(plugin, BOB, "b")
    other_material(keyring, kid)
    with logged("aiconfig_plugin") as lines:
        async with started(keyring, repository=repository):
            pass
    assert any(kid in line for line in lines)


@RUN
async def test_one_damaged_document_among_good_ones_does_not_stop_the_start(
    keyring: Path, repository: InMemoryRepository
) -> None:
    async with started(keyring, repository=repository) as plugin:
        await create(plugin, ALICE, "a")
        await create(plugin, BOB, "b")
        for owner in (ALICE, BOB):
            before = await spoil(repository, owner)
            await verify_keyring(repository, new_vault(keyring), await repository.kids())
            await repository.replace(owner, before)


@RUN
async def test_a_damaged_key_that_a_rotation_left_does_not_stop_the_start(
    keyring: Path, repository: InMemoryRepository
) -> None:
    async with started(keyring, repository=repository) as plugin:
        await create(plugin, ALICE, "a")
        await create(plugin, BOB, "b")
        await spoil(repository, ALICE)
    turn(keyring)
    async with started(keyring, repository=repository) as plugin:
        assert sum((await plugin.rotate()).left.values()) == 1
    async with started(keyring, repository=repository) as plugin:
        assert (await plugin.resolve("bob")).api_key

"""A configuration changes its owner: whole, once, and only where its keys can go with it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path

import pytest

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import AIConfig, Destination, ModelEntry, Owner, move
from aiconfig_plugin.errors import (
    ConfigExists,
    ConfigNotFound,
    KeyUnreadable,
    RevisionMismatch,
    StorageUnavailable,
)
from aiconfig_plugin.keys.vault import Vault
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.builders import ALICE, BOB, RUN, drop, logged, new_vault, turn
from tests.support.gateway import OPAQUE

CAROL = Owner("https://other.example", "carol")
LOCAL = "http://127.0.0.1:11434"


@pytest.fixture
def vault(keyring: Path) -> Vault:
    return new_vault(keyring)


def stored(vault: Vault, revision: str = "r1") -> AIConfig:
    """What Alice may have stored: a sealed key, one for an origin, an opaque one, none."""

    def entry(model: str, api_key: str, origin: str | None = None, opaque: bool = False):  # type: ignore[no-untyped-def]
        submitted = api_key if opaque else seal(vault.recipient(ALICE), api_key)
        key = vault.accept_submitted_key(ALICE, Destination("P", origin), submitted)
        return ModelEntry("P", "chat", model, True, key, base_url=origin, origin=origin)

    return AIConfig(
        (
            entry("a", "sk-first"),
            entry("b", "sk-second", LOCAL),
            entry("c", OPAQUE, opaque=True),
            ModelEntry("P", "chat", "d", False, None, label="mine", options={"region": "x"}),
        ),
        "You are a careful pirate.",
        revision,
    )


def opened(vault: Vault, owner: Owner, config: AIConfig) -> list[tuple[str, str] | None]:
    """Return the plain text and the form of each key."""
    return [
        (vault.open(owner, e.destination, e.key).get_secret_value(), vault.form(e.key))
        if e.key
        else None
        for e in config.models
    ]


def without_keys(config: AIConfig) -> AIConfig:
    models = tuple(dataclasses.replace(entry, key=None) for entry in config.models)
    return dataclasses.replace(config, models=models)


@RUN
@pytest.mark.parametrize("new_owner", [BOB, CAROL])
async def test_all_goes_to_the_new_owner_and_opens_for_nobody_else(
    repository: InMemoryRepository, vault: Vault, new_owner: Owner
) -> None:
    before = await repository.create(ALICE, stored(vault))
    moved = await move(repository, vault, ALICE, new_owner)
    assert moved == await repository.read(new_owner)
    assert without_keys(moved) == without_keys(before)
    keys = [("sk-first", "plain"), ("sk-second", "plain"), (OPAQUE, "opaque"), None]
    assert opened(vault, new_owner, moved) == keys
    with pytest.raises(ConfigNotFound):
        await repository.read(ALICE)
    for entry in moved.models[:3]:
        assert entry.key
        with pytest.raises(KeyUnreadable):
            vault.open(ALICE, entry.destination, entry.key)


@RUN
async def test_a_moved_key_is_wrapped_by_the_primary(
    repository: InMemoryRepository, vault: Vault, keyring: Path
) -> None:
    await repository.create(ALICE, stored(vault))
    turn(keyring)
    moved = await move(repository, new_vault(keyring), ALICE, BOB)
    assert {e.key.kid for e in moved.models if e.key} == {new_vault(keyring).primary}


@RUN
async def test_both_owners_have_a_record(repository: InMemoryRepository, vault: Vault) -> None:
    await repository.create(ALICE, stored(vault))
    with logged("aiconfig_plugin.audit") as lines:
        await move(repository, vault, ALICE, CAROL)
    records = [json.loads(line) for line in lines]
    assert [(each["issuer"], each["subject"]) for each in records] == [
        (ALICE.issuer, "alice"),
        (CAROL.issuer, "carol"),
    ]
    assert {(each["action"], each["revision"]) for each in records} == {("move", "r1")}


@RUN
async def test_a_configuration_of_the_new_owner_is_not_replaced(
    repository: InMemoryRepository, vault: Vault
) -> None:
    await repository.create(ALICE, stored(vault))
    await repository.create(BOB, AIConfig((), "mine", "r2"))
    with pytest.raises(ConfigExists):
        await move(repository, vault, ALICE, BOB)
    assert (await repository.read(BOB)).system_prompt == "mine"
    assert await repository.read(ALICE)


@RUN
async def test_keys_that_do_not_decrypt_stop_the_move_unless_they_may_be_dropped(
    repository: InMemoryRepository, vault: Vault, keyring: Path
) -> None:
    await repository.create(ALICE, stored(vault))
    turn(keyring)
    drop(keyring, vault.primary)
    without = new_vault(keyring)
    with pytest.raises(KeyUnreadable, match="/models/0, /models/1, /models/2 cannot"):
        await move(repository, without, ALICE, BOB)
    with pytest.raises(ConfigNotFound):
        await repository.read(BOB)
    moved = await move(repository, without, ALICE, BOB, drop_unreadable=True)
    assert moved == without_keys(moved)
    assert [entry.model for entry in moved.models] == ["a", "b", "c", "d"]


class Interrupted(InMemoryRepository):
    """Before it deletes what is Alice's, so many times, something happens."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def happen(self) -> None:
        raise StorageUnavailable("The database did not respond.")

    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> AIConfig:
        if owner == ALICE and self.times:
            self.times -= 1
            await self.happen()
        return await super().delete(owner, if_match=if_match)


class Updating(Interrupted):
    async def happen(self) -> None:
        current = await self.read(ALICE)
        later = dataclasses.replace(current, system_prompt="later", revision=f"u{self.times}")
        await self.replace(ALICE, later, if_match=[current.revision])


class Deleting(Interrupted):
    async def happen(self) -> None:
        await super().delete(ALICE)


async def holding(repository: InMemoryRepository, vault: Vault) -> InMemoryRepository:
    await repository.start()
    await repository.create(ALICE, stored(vault))
    return repository


@RUN
async def test_a_move_that_was_interrupted_is_finished_by_the_next(vault: Vault) -> None:
    repository = await holding(Interrupted(1), vault)
    with pytest.raises(StorageUnavailable):
        await move(repository, vault, ALICE, BOB)
    copy = await repository.read(BOB)
    assert await move(repository, vault, ALICE, BOB) == copy == await repository.read(BOB)
    with pytest.raises(ConfigNotFound):
        await repository.read(ALICE)


@RUN
async def test_what_the_user_changes_meanwhile_is_moved(vault: Vault) -> None:
    repository = await holding(Updating(2), vault)
    moved = await move(repository, vault, ALICE, BOB)
    assert (moved.system_prompt, moved.revision) == ("later", "u0")
    assert opened(vault, BOB, await repository.read(BOB))[0] == ("sk-first", "plain")


@RUN
async def test_a_user_who_keeps_changing_it_keeps_it(vault: Vault) -> None:
    repository = await holding(Updating(99), vault)
    with pytest.raises(RevisionMismatch, match="while it was moved"):
        await move(repository, vault, ALICE, BOB)
    assert await repository.read(ALICE)
    with pytest.raises(ConfigNotFound):
        await repository.read(BOB)


@RUN
async def test_another_who_finishes_the_move_is_no_failure(vault: Vault) -> None:
    repository = await holding(Deleting(1), vault)
    assert await move(repository, vault, ALICE, BOB) == await repository.read(BOB)

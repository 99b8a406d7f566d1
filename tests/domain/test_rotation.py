"""Rotation: everything by the primary, nobody the wiser, and a live writer always wins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.domain import Filters, rotation
from aiconfig_plugin.domain.model import AIConfig, Owner, StoredKey
from aiconfig_plugin.domain.ports import Repository, Rewrapping
from aiconfig_plugin.domain.service import AIConfigService
from aiconfig_plugin.errors import ConfigNotFound
from tests.support.builders import (
    ALICE,
    BOB,
    ISSUER,
    RUN,
    drop,
    new_vault,
    submission,
    turn,
)
from tests.support.gateway import entry


def owner(number: int) -> Owner:
    return Owner(ISSUER, f"user{number}")


async def key_of(service: AIConfigService, whose: Owner, model: str = "gpt-4") -> str | None:
    chosen = await service.resolve(whose, Filters(model=model))
    return chosen.api_key.get_secret_value() if chosen.api_key else None


async def kids(repository: Repository, whose: Owner) -> list[str | None]:
    return [e.key and e.key.kid for e in (await repository.read(whose)).models]


def without_keys(config: AIConfig) -> AIConfig:
    models = tuple(dataclasses.replace(entry, key=None) for entry in config.models)
    return dataclasses.replace(config, models=models)


# What it does


@RUN
async def test_every_key_is_wrapped_by_the_primary_and_nothing_else_changes(
    repository: Repository, keyring: Path
) -> None:
    before = AIConfigService(repository, new_vault(keyring))
    for number in range(3):
        models = [entry(f"m{n}", key=f"{number}-{n}") for n in range(number + 1)]
        await before.create(owner(number), submission(*models, entry("none"), entry("gone")))
    configs = [await repository.read(owner(n)) for n in range(3)]
    turn(keyring)
    vault = new_vault(keyring)
    progress: list[int] = []
    done = await rotation.rotate(repository, vault, progress=progress.append)
    assert (done.rewrapped, dict(done.left), sum(progress)) == (6, {}, 6)
    assert await repository.count_by_kid() == {vault.primary: 6}
    after = AIConfigService(repository, vault)
    for number, config in enumerate(configs):
        now = await repository.read(owner(number))
        assert now.revision == config.revision
        assert without_keys(now) == without_keys(config)
        for n in range(number + 1):
            assert await key_of(after, owner(number), f"m{n}") == f"{number}-{n}"
        assert await key_of(after, owner(number), "none") is None


@RUN
async def test_a_second_rotation_finds_nothing_to_do(repository: Repository, keyring: Path) -> None:
    await AIConfigService(repository, new_vault(keyring)).create(ALICE, submission(entry(key="k")))
    turn(keyring)
    vault = new_vault(keyring)
    await rotation.rotate(repository, vault)
    config = await repository.read(ALICE)
    progress: list[int] = []
    done = await rotation.rotate(repository, vault, progress=progress.append)
    assert (done.rewrapped, progress) == (0, [])
    assert await repository.read(ALICE) == config


@RUN
async def test_more_owners_than_a_page_holds(repository: Repository, keyring: Path) -> None:
    service = AIConfigService(repository, new_vault(keyring))
    assert rotation.PAGE < 250
    for number in range(250):
        await service.create(owner(number), submission(entry(key=f"key {number}")))
    turn(keyring)
    vault = new_vault(keyring)
    progress: list[int] = []
    done = await rotation.rotate(repository, vault, progress=progress.append)
    assert (done.rewrapped, progress) == (250, [200, 50])
    service = AIConfigService(repository, vault)
    for number in range(250):
        assert await key_of(service, owner(number)) == f"key {number}"


@RUN
async def test_several_old_generations_are_wrapped_at_once(
    repository: Repository, keyring: Path
) -> None:
    for generation in range(3):
        service = AIConfigService(repository, new_vault(keyring))
        models = [entry(f"m{n}") for n in range(generation)]
        models += [entry(f"m{generation}", key=f"k{generation}")]
        if generation:
            await service.update(ALICE, submission(*models))
        else:
            await service.create(ALICE, submission(*models))
        turn(keyring)
    assert len(set(await kids(repository, ALICE))) == 3
    vault = new_vault(keyring)
    assert (await rotation.rotate(repository, vault)).rewrapped == 3
    assert set(await kids(repository, ALICE)) == {vault.primary}
    service = AIConfigService(repository, vault)
    assert [await key_of(service, ALICE, f"m{n}") for n in range(3)] == ["k0", "k1", "k2"]


@RUN
async def test_what_does_not_open_stays_as_it_is_and_is_counted(
    repository: Repository, keyring: Path
) -> None:
    lost = new_vault(keyring)
    service = AIConfigService(repository, lost)
    await service.create(ALICE, submission(entry(key="lost")))
    turn(keyring)
    old = new_vault(keyring)
    service = AIConfigService(repository, old)
    await service.update(ALICE, submission(entry(), entry("good", key="good")))
    await service.create(BOB, submission(entry(key="tampered"), entry("good", key="good")))
    config = await repository.read(BOB)
    jwe = config.models[0].key.jwe  # type: ignore[union-attr]
    bad = StoredKey(old.primary, jwe[:-2] + ("AA" if jwe[-2:] != "AA" else "BA"))
    [at] = [s.id for s in await repository.wrapped_by(old.primary, limit=9) if s.owner == BOB]
    await repository.rewrap([Rewrapping(at, config.revision, {0: bad})])
    turn(keyring)
    drop(keyring, lost.primary)
    vault = new_vault(keyring)
    before = [(await repository.read(o)).models[0] for o in (ALICE, BOB)]
    done = await rotation.rotate(repository, vault)
    assert done.rewrapped == 2
    assert done.left == {lost.primary: 1, old.primary: 1}
    assert [(await repository.read(o)).models[0] for o in (ALICE, BOB)] == before
    service = AIConfigService(repository, vault)
    assert [await key_of(service, o, "good") for o in (ALICE, BOB)] == ["good", "good"]


# Beside live writers


class Interleaved:
    """A repository in which something happens just before each write of a rotation."""

    def __init__(self, repository: Repository, *happenings: Callable[[], Any]) -> None:
        self._repository = repository
        self.happenings = list(happenings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    async def rewrap(self, rewrappings: Sequence[Rewrapping]) -> int:
        if self.happenings:
            await self.happenings.pop(0)()
        return await self._repository.rewrap(rewrappings)


@RUN
async def test_a_key_that_is_set_meanwhile_stays_and_is_wrapped_too(
    repository: Repository, keyring: Path
) -> None:
    writer = AIConfigService(repository, new_vault(keyring))  # It has the old primary still.
    await writer.create(ALICE, submission(entry(key="first"), entry("o3", key="other")))
    await writer.create(BOB, submission(entry(key="bob")))
    turn(keyring)
    vault = new_vault(keyring)
    revisions: list[str] = []

    def write(key: str) -> Callable[[], Any]:
        async def happen() -> None:
            models = submission(entry("o3"), entry(key=key), prompt=f"Prompt of {key}.")
            revisions.append((await writer.update(ALICE, models)).revision)

        return happen

    interleaved = Interleaved(repository, write("second"), write("third"))
    done = await rotation.rotate(interleaved, vault)  # type: ignore[arg-type]
    assert done.left == {}
    config = await repository.read(ALICE)
    assert (config.revision, config.system_prompt) == (revisions[-1], "Prompt of third.")
    assert [item.model for item in config.models] == ["o3", "gpt-4"]
    assert await repository.count_by_kid() == {vault.primary: 3}
    service = AIConfigService(repository, vault)
    assert await key_of(service, ALICE) == "third"
    assert await key_of(service, ALICE, "o3") == "other"
    assert await key_of(service, BOB) == "bob"


@RUN
async def test_a_key_that_is_removed_meanwhile_does_not_come_back(
    repository: Repository, keyring: Path
) -> None:
    writer = AIConfigService(repository, new_vault(keyring))
    await writer.create(ALICE, submission(entry(key="first"), entry("o3", key="other")))
    turn(keyring)

    async def remove() -> None:
        await writer.update(ALICE, submission(entry("o3", key=None), entry(key=None)))

    await rotation.rotate(Interleaved(repository, remove), new_vault(keyring))  # type: ignore[arg-type]
    assert await kids(repository, ALICE) == [None, None]


@RUN
async def test_a_configuration_that_is_deleted_meanwhile_does_not_come_back(
    repository: Repository, keyring: Path
) -> None:
    writer = AIConfigService(repository, new_vault(keyring))
    await writer.create(ALICE, submission(entry(key="first")))
    await writer.create(BOB, submission(entry(key="bob")))
    turn(keyring)
    interleaved = Interleaved(repository, lambda: writer.delete(ALICE))
    progress: list[int] = []
    done = await rotation.rotate(
        interleaved,  # type: ignore[arg-type]
        new_vault(keyring),
        progress=progress.append,
    )
    assert (done.rewrapped, dict(done.left), progress) == (1, {}, [1])
    assert await kids(repository, BOB) == [new_vault(keyring).primary]
    with pytest.raises(ConfigNotFound):
        await repository.read(ALICE)


@RUN
async def test_one_that_is_deleted_and_made_anew_meanwhile_is_the_new_one(
    repository: Repository, keyring: Path
) -> None:
    writer = AIConfigService(repository, new_vault(keyring))
    await writer.create(ALICE, submission(entry(key="first")))
    turn(keyring)

    async def anew() -> None:
        await writer.delete(ALICE)
        await writer.create(ALICE, submission(entry("o3", key="second")))

    vault = new_vault(keyring)
    await rotation.rotate(Interleaved(repository, anew), vault)  # type: ignore[arg-type]
    assert await kids(repository, ALICE) == [vault.primary]
    assert await key_of(AIConfigService(repository, vault), ALICE, "o3") == "second"


@RUN
@pytest.mark.parametrize(
    ("overtaken", "rewrapped"),
    [
        pytest.param([True, True, True, False], 0, id="three passes in a row: it gives up"),
        pytest.param([True, True, False], 1, id="after two it still goes on"),
    ],
)
async def test_where_a_live_writer_is_always_faster_it_ends(
    repository: Repository, keyring: Path, overtaken: list[bool], rewrapped: int
) -> None:
    writer = AIConfigService(repository, new_vault(keyring))
    await writer.create(ALICE, submission(entry(key="first")))
    turn(keyring)

    def write(faster: bool) -> Callable[[], Any]:
        async def happen() -> None:
            if faster:
                await writer.update(ALICE, submission(entry()))

        return happen

    interleaved = Interleaved(repository, *map(write, overtaken))
    done = await rotation.rotate(interleaved, new_vault(keyring))  # type: ignore[arg-type]
    assert (done.rewrapped, sum(done.left.values())) == (rewrapped, 1 - rewrapped)
    assert len(interleaved.happenings) == 1 - rewrapped


@RUN
async def test_a_pass_that_gets_somewhere_lets_it_go_on(
    repository: Repository, keyring: Path
) -> None:
    writer = AIConfigService(repository, new_vault(keyring))
    for number in range(4):
        await writer.create(owner(number), submission(entry(key="k")))
    turn(keyring)

    def write(*faster: int) -> Callable[[], Any]:
        async def happen() -> None:
            for number in faster:
                await writer.update(owner(number), submission(entry()))

        return happen

    # Two fruitless passes, one that wraps one key, two fruitless ones, and then all the rest.
    happenings = [write(0, 1, 2, 3)] * 2 + [write(0, 1, 2)] + [write(0, 1, 2)] * 2 + [write()]
    interleaved = Interleaved(repository, *happenings)
    done = await rotation.rotate(interleaved, new_vault(keyring))  # type: ignore[arg-type]
    assert (done.rewrapped, dict(done.left), interleaved.happenings) == (4, {}, [])

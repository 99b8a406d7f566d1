"""What the service does about keys: many at once, all refusals together, unreadable ones kept."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import (
    AIConfig,
    AIConfigService,
    Destination,
    Filters,
    KeyState,
    Owner,
    StoredKey,
)
from aiconfig_plugin.domain.acceptance import MAX_KEYS_ON_THE_LOOP
from aiconfig_plugin.errors import (
    ConfigNotFound,
    KeyNotAccepted,
    KeyNotEncrypted,
    KeyUnreadable,
)
from aiconfig_plugin.keys import Vault, load_keyring
from aiconfig_plugin.testing import InMemoryRepository
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
from tests.support.gateway import OPAQUE, entry

# Many at once


class Watched(Vault):
    """Holds on to the first key until it is let go, and remembers its thread."""

    def __init__(self, vault: Vault) -> None:
        self.__dict__.update(vault.__dict__)
        self.threads: set[int] = set()
        self.begun, self.go = threading.Event(), threading.Event()

    def accept_submitted_key(
        self, owner: Owner, destination: Destination, submitted: str
    ) -> StoredKey:
        self.threads.add(threading.get_ident())
        self.begun.set()
        assert self.go.wait(30), "the event loop stood still"
        return super().accept_submitted_key(owner, destination, submitted)


@RUN
@pytest.mark.parametrize("use", ["create", "update"])
async def test_while_many_keys_are_opened_the_loop_goes_on(
    repository: InMemoryRepository, keyring: Path, use: str
) -> None:
    vault = Watched(new_vault(keyring))
    service = AIConfigService(repository, vault)
    if use == "update":
        await service.create(ALICE, submission(entry()))
    many = submission(
        *(sealed_entry(vault, ALICE, f"k{n}", f"m{n}") for n in range(MAX_KEYS_ON_THE_LOOP + 1))
    )
    writing = asyncio.create_task(getattr(service, use)(ALICE, many))
    assert await asyncio.to_thread(vault.begun.wait, 30)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not writing.done()
    vault.go.set()
    await writing
    assert threading.get_ident() not in vault.threads and len(vault.threads) == 1
    for number in (0, MAX_KEYS_ON_THE_LOOP):
        chosen = await service.resolve(ALICE, Filters(model=f"m{number}"))
        assert chosen.api_key and chosen.api_key.get_secret_value() == f"k{number}"


@RUN
async def test_a_few_keys_are_opened_at_once(repository: InMemoryRepository, keyring: Path) -> None:
    vault = Watched(new_vault(keyring))
    vault.go.set()
    few = [sealed_entry(vault, ALICE, "k", f"m{n}") for n in range(MAX_KEYS_ON_THE_LOOP)]
    others = [entry("absent"), entry("null", key=None)]
    await AIConfigService(repository, vault).create(ALICE, submission(*few, *others))
    assert vault.threads == {threading.get_ident()}


@RUN
async def test_everything_that_is_wrong_is_told_at_once_up_to_50_places(
    repository: InMemoryRepository, keyring: Path
) -> None:
    vault = new_vault(keyring)
    bobs = [sealed_entry(vault, BOB, model=f"m{n}") for n in range(98)]
    plain = entry("plain", key="sk-" + "x" * 40)
    with logged("aiconfig_plugin") as lines, pytest.raises(KeyNotEncrypted) as refused:
        await AIConfigService(repository, vault).create(ALICE, submission(plain, *bobs, entry()))
    assert [(violation.pointer, violation.code) for violation in refused.value.violations] == [
        ("/models/0/apiKeyEncrypted", "key-not-encrypted"),
        *((f"/models/{n}/apiKeyEncrypted", "key-not-accepted") for n in range(1, 50)),
    ]
    assert len(lines) == 1 and lines[0].startswith("98 submitted API keys were not accepted: ")
    with pytest.raises(ConfigNotFound):
        await repository.read(ALICE)


# What is kept, and how


@RUN
async def test_an_old_copy_that_comes_back_revives_no_key(
    repository: InMemoryRepository, keyring: Path
) -> None:
    service = AIConfigService(repository, new_vault(keyring))
    sealed = sealed_entry(new_vault(keyring), ALICE, "an API key")
    await service.create(ALICE, submission(sealed, entry("o3", key=OPAQUE)))
    old = {item.model: item.key for item in (await service.read(ALICE)).models}
    turn(keyring)
    vault = new_vault(keyring)
    service = AIConfigService(repository, vault)
    copies = [entry(model, key=key.jwe) for model, key in old.items() if key]
    assert len(copies) == 2
    await service.update(ALICE, submission(*copies))
    assert await repository.count_by_kid() == {vault.primary: 2}
    kept = await service.resolve(ALICE, Filters(model="gpt-4"))
    assert kept.api_key and kept.api_key.get_secret_value() == "an API key"
    assert kept.key_form == "plain"
    assert (await service.resolve(ALICE, Filters(model="o3"))).key_form == "opaque"
    now = (await service.read(ALICE)).models
    await service.update(ALICE, submission(*(entry(m.model, key=m.key.jwe) for m in now if m.key)))
    assert (await service.read(ALICE)).models == now, "wrapped by the primary, it stays as it is"


@RUN
async def test_resolve_tells_what_a_key_is(repository: InMemoryRepository, keyring: Path) -> None:
    vault = new_vault(keyring)
    service = AIConfigService(repository, vault)
    sealed = entry("sealed", key=seal(vault.recipient(ALICE), "k", provider="OpenAI"))
    await service.create(ALICE, submission(sealed, entry("opaque", key=OPAQUE), entry("none")))
    forms = {
        m: (await service.resolve(ALICE, Filters(model=m))).key_form for m in ("sealed", "opaque")
    }
    assert forms == {"sealed": "plain", "opaque": "opaque"}
    assert (await service.resolve(ALICE, Filters(model="none"))).key_form is None


# Keys that the keyring cannot open


@pytest.fixture
def lost(io_loop: Any, repository: InMemoryRepository, keyring: Path) -> AIConfigService:
    """Alice has one unreadable key, one that is good and an entry without."""
    first = AIConfigService(repository, new_vault(keyring))
    io_loop.run_sync(lambda: first.create(ALICE, submission(entry(key=OPAQUE))))
    gone = load_keyring(keyring).primary
    turn(keyring)
    drop(keyring, gone)
    service = AIConfigService(repository, new_vault(keyring))
    models = submission(entry(), entry("o3", key=OPAQUE), entry("claude", provider="Anthropic"))
    io_loop.run_sync(lambda: service.update(ALICE, models))
    return service


async def keys_of(service: AIConfigService, owner: Owner = ALICE) -> dict[str, StoredKey | None]:
    return {item.model: item.key for item in (await service.read(owner)).models}


async def jwe_of(service: AIConfigService, model: str = "gpt-4") -> str:
    key = (await keys_of(service))[model]
    assert key
    return key.jwe


@RUN
async def test_only_resolving_the_very_entry_fails(lost: AIConfigService) -> None:
    states = {item.model: lost.key_state(item) for item in (await lost.read(ALICE)).models}
    assert states == {
        "gpt-4": KeyState.UNREADABLE,
        "o3": KeyState.SET,
        "claude": KeyState.UNSET,
    }
    with pytest.raises(KeyUnreadable):
        await lost.resolve(ALICE, Filters())
    good = await lost.resolve(ALICE, Filters(model="o3"))
    assert good.api_key and good.api_key.get_secret_value() == OPAQUE
    assert (await lost.resolve(ALICE, Filters(model="claude"))).api_key is None


@RUN
async def test_an_absent_one_is_kept(lost: AIConfigService) -> None:
    before = await keys_of(lost)
    await lost.update(ALICE, submission(entry("new"), entry(paid=False), prompt=""))
    assert await keys_of(lost) == {"new": None, "gpt-4": before["gpt-4"]}


@RUN
@pytest.mark.parametrize("model", ["gpt-4", "gpt-5"])
async def test_one_that_comes_back_stays_with_its_provider(
    lost: AIConfigService, model: str
) -> None:
    before = await keys_of(lost)
    o3 = entry("o3", key=await jwe_of(lost, "o3"))
    with logged("aiconfig_plugin") as lines:
        await lost.update(ALICE, submission(o3, entry(model, key=await jwe_of(lost))))
    assert await keys_of(lost) == {"o3": before["o3"], model: before["gpt-4"]}
    assert lines == [], "nothing was refused"


@RUN
async def test_elsewhere_it_is_not_accepted(
    lost: AIConfigService, repository: InMemoryRepository
) -> None:
    jwe = await jwe_of(lost)
    before = await repository.read(ALICE)
    damaged = jwe[:-1] + ("A" if jwe[-1] != "A" else "Q")
    for moved in (
        entry("claude", provider="Anthropic", key=jwe),
        entry("claude", provider="Anthropic", key=damaged),
        entry(key=damaged),
    ):
        with pytest.raises(KeyNotAccepted) as refused:
            await lost.update(ALICE, submission(entry("o3"), moved))
        assert [v.pointer for v in refused.value.violations] == ["/models/1/apiKeyEncrypted"]
    assert await repository.read(ALICE) == before
    with pytest.raises(KeyNotAccepted):
        await lost.create(BOB, submission(entry(key=jwe)))
    with pytest.raises(KeyNotAccepted):  # Before it is said that there is nothing to update.
        await lost.update(BOB, submission(entry(key=jwe)))
    await lost.create(BOB, submission(entry()))
    with pytest.raises(KeyNotAccepted):
        await lost.update(BOB, submission(entry(key=jwe)))


@RUN
async def test_what_lies_under_the_name_of_another_key_is_not_kept(
    lost: AIConfigService, repository: InMemoryRepository
) -> None:
    """Only what the document calls unreadable stays unverified."""
    jwe = await jwe_of(lost)
    config = await repository.read(ALICE)
    good = config.models[1].key
    assert good
    moved = replace(config.models[0], key=StoredKey(good.kid, jwe))
    await repository.replace(ALICE, replace(config, models=(moved,)))
    with pytest.raises(KeyNotAccepted):
        await lost.update(ALICE, submission(entry(key=jwe)))


@RUN
async def test_only_an_unreadable_key_that_comes_back_costs_a_read(
    lost: AIConfigService, repository: InMemoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    jwe, good = await jwe_of(lost), await jwe_of(lost, "o3")
    reads: list[Owner] = []
    read = repository.read

    async def counted(owner: Owner) -> AIConfig:
        reads.append(owner)
        return await read(owner)

    monkeypatch.setattr(repository, "read", counted)
    await lost.update(ALICE, submission(entry(), entry("o3", key=good), entry("new", key=OPAQUE)))
    with pytest.raises(KeyNotAccepted):
        await lost.create(ALICE, submission(entry(key=jwe)))
    assert reads == []
    await lost.update(ALICE, submission(entry(key=jwe)))
    assert reads == [ALICE]


@RUN
async def test_what_else_is_wrong_is_told_beside_it_and_not_of_it(lost: AIConfigService) -> None:
    models = [entry("plain", key="sk-" + "x" * 40), entry(key=await jwe_of(lost))]
    for number in (0, 1):
        with pytest.raises(KeyNotEncrypted) as refused:
            await lost.update(ALICE, submission(*models))
        pointers = [violation.pointer for violation in refused.value.violations]
        assert pointers == [f"/models/{number}/apiKeyEncrypted"]
        models.reverse()


@RUN
async def test_null_removes_it_and_a_new_key_replaces_it(lost: AIConfigService) -> None:
    for key, state in ((OPAQUE, KeyState.SET), (None, KeyState.UNSET)):
        config = await lost.update(ALICE, submission(entry(key=key)))
        assert lost.key_state(config.models[0]) is state

"""Rotation: everything by the primary, nobody the wiser, and a live writer always wins."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from aiconfig_plugin.domain import rotation
from aiconfig_plugin.domain.model import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.domain.ports import Repository, Rewrapping
from aiconfig_plugin.domain.service import AIConfigService
from aiconfig_plugin.errors import ConfigNotFound
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.vault import Vault
from aiconfig_plugin.store.documents import to_document
from aiconfig_plugin.store.repository import MongoRepository
from aiconfig_plugin.testing import InMemoryRepository
from tests.keys.builders import (
    ALICE,
    BOB,
    ISSUER,
    PROMPT,
    RUN,
    accept,
    drop,
    new_vault,
    opened,
    started,
    submission,
    turn,
)
from tests.support.gateway import Gateway, body, entry
from tests.support.processes import aiconfig, environment


@pytest.fixture(params=["memory", "motor"])
def repository(request: pytest.FixtureRequest, io_loop: IOLoop) -> Iterator[Repository]:
    made: Repository = InMemoryRepository()
    if request.param == "motor":
        uri = request.getfixturevalue("mongod").uri
        made = MongoRepository.connect(uri, request.getfixturevalue("database_name"))
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.close)


def owner(number: int) -> Owner:
    return Owner(ISSUER, f"user{number}")


async def key_of(service: AIConfigService, whose: Owner, model: str = "gpt-4") -> str | None:
    chosen = await service.resolve(whose, model=model)
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


@RUN
async def test_users_see_no_new_revision(gateway: Gateway, keyring: Path) -> None:
    alice = gateway.user("alice")
    await alice.create(body(entry(key="ciphertext"), entry("o3")))
    seen = await alice.read()
    keys = await alice.keys()
    turn(keyring)
    vault = new_vault(keyring)
    done = await rotation.rotate(gateway.plugin._repository, vault)
    assert done.rewrapped == 1
    now = await alice.read()
    assert (now.headers["ETag"], now.body) == (seen.headers["ETag"], seen.body)
    assert (await alice.read(If_None_Match=seen.headers["ETag"])).code == 304
    assert await alice.keys() != keys
    # A client that has read the key before gives it back; both forms are his.
    given_back = await alice.update(body(entry(key=keys["gpt-4"])), If_Match=seen.headers["ETag"])
    assert given_back.code == 200


@RUN
async def test_a_gateway_rotates_from_python(
    keyring: Path, mongod: Any, database_name: str
) -> None:
    async with started(keyring, mongod.uri, database_name) as plugin:
        await plugin._service.create(ALICE, submission(entry(key="k")))
    turn(keyring)
    async with started(keyring, mongod.uri, database_name) as plugin:
        progress: list[int] = []
        done = await plugin.rotate(progress=progress.append)
        assert (done.rewrapped, dict(done.left), progress) == (1, {}, [1])
        assert (await plugin.resolve("alice")).api_key.get_secret_value() == "k"  # type: ignore[union-attr]


# Beside live writers


class Interleaved:
    """A repository in which something happens just before each write of a rotation."""

    def __init__(self, repository: Repository, *happenings: Callable[[], Any]) -> None:
        self._repository = repository
        self._happenings = list(happenings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    async def rewrap(self, rewrappings: Sequence[Rewrapping]) -> int:
        if self._happenings:
            await self._happenings.pop(0)()
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
    turn(keyring)
    interleaved = Interleaved(repository, lambda: writer.delete(ALICE))
    done = await rotation.rotate(interleaved, new_vault(keyring))  # type: ignore[arg-type]
    assert done.left == {}
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


# The command

OWNERS = 1000


@dataclasses.dataclass
class Store:
    """A store of many owners, seen with every right."""

    documents: Any
    env: dict[str, str]
    vault: Vault
    old: str

    def expect_every_key(self) -> set[str]:
        """Every key opens to what it was; returns which keys wrap them."""
        found = set()
        for number in range(OWNERS):
            document = self.documents.find_one({"subject": f"user{number}"})
            assert document["revision"] == f"r{number}"
            [item] = document["models"]
            key = StoredKey(**item["key"])
            assert opened(self.vault, key, owner(number)) == f"key {number}"
            found.add(key.kid)
        return found


def seed(documents: Any, vault: Vault) -> None:
    documents.insert_many(
        to_document(
            owner(number),
            AIConfig(
                (
                    ModelEntry(
                        "OpenAI", "chat", "gpt-4", True,
                        accept(vault, f"key {number}", owner(number)),
                    ),
                ),
                PROMPT,
                f"r{number}",
            ),
        )
        for number in range(OWNERS)
    )  # fmt: skip


@pytest.fixture
def store(keyring: Path, mongod: Any, database_name: str, documents: Any) -> Store:
    old = new_vault(keyring)
    seed(documents, old)
    turn(keyring)
    env = environment(mongodb_uri=mongod.uri, mongodb_database=database_name, keyring=str(keyring))
    return Store(documents, env, new_vault(keyring), old.primary)


def run(store: Store, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [aiconfig(), "rotate", *arguments],
        env=store.env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_on_a_pipe_the_command_tells_its_progress_in_lines(store: Store) -> None:
    done = run(store)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"{n} of {OWNERS} stored keys" for n in range(200, OWNERS + 1, 200)
    ]
    primary = store.vault.primary
    assert done.stdout == f"{OWNERS} stored keys were re-encrypted with {primary}.\n"
    assert store.expect_every_key() == {primary}


def test_on_a_terminal_it_shows_a_bar(store: Store) -> None:
    ours, theirs = pty.openpty()
    rows_and_columns = struct.pack("4H", 24, 100, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, rows_and_columns)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        rotating = subprocess.Popen(
            [aiconfig(), "rotate"], env=store.env, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # The end of a terminal is an error.
            while chunk := os.read(ours, 4096):
                shown += chunk
        out, _ = rotating.communicate(timeout=60)
    assert rotating.returncode == 0
    assert re.search(rb"\[#+-+\] +800/1000", shown), shown
    assert re.search(rb"\[#+\] +1000/1000", shown), shown
    assert b"1000 stored keys were re-encrypted" in out
    assert b"of 1000 stored keys" not in shown


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_a_rotation_that_was_killed_is_finished_by_the_next(store: Store, lines: int) -> None:
    rotating = subprocess.Popen(
        [aiconfig(), "rotate"],
        env=store.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert rotating.stderr is not None
    with rotating.stderr:
        for number in range(1, lines + 1):
            assert rotating.stderr.readline() == f"{200 * number} of {OWNERS} stored keys\n"
        rotating.send_signal(signal.SIGKILL)
        rotating.wait(30)
    primary = store.vault.primary
    assert store.expect_every_key() <= {store.old, primary}
    by_primary = store.documents.count_documents({"models.key.kid": primary})
    assert by_primary >= 200 * lines
    done = run(store)
    assert done.returncode == 0, done.stderr
    assert f"{OWNERS - by_primary} stored keys were re-encrypted" in done.stdout
    assert store.expect_every_key() == {primary}


def test_a_dry_run_counts_by_kid_and_changes_nothing(store: Store, keyring: Path) -> None:
    store.documents.update_one({"subject": "user7"}, {"$set": {"models.0.key.kid": "nobody"}})
    before = list(store.documents.find().sort("_id"))
    counted = run(store, "--dry-run")
    assert counted.returncode == 0, counted.stderr
    assert counted.stderr == ""
    assert sorted(counted.stdout.splitlines()) == sorted(
        [
            f"{store.old}  999 stored keys  on the keyring",
            "nobody  1 stored keys  NOT on the keyring",
        ]
    )
    assert list(store.documents.find().sort("_id")) == before


def test_a_dry_run_says_that_no_keys_are_stored(store: Store) -> None:
    store.documents.delete_many({})
    assert run(store, "--dry-run").stdout == "No keys are stored.\n"


def test_keys_that_are_left_are_counted_and_end_it_with_1(store: Store) -> None:
    models = {"models.0.key.kid": "nobody"}
    store.documents.update_one({"subject": "user7"}, {"$set": models})
    tampered = store.documents.find_one({"subject": "user8"})["models"][0]["key"]["jwe"]
    parts = tampered.split(".")
    parts[3] = "A" * len(parts[3])
    store.documents.update_one(
        {"subject": "user8"}, {"$set": {"models.0.key.jwe": ".".join(parts)}}
    )
    before = list(store.documents.find({"subject": {"$in": ["user7", "user8"]}}))
    done = run(store)
    assert done.returncode == 1
    first, *left = done.stdout.splitlines()
    assert first == f"998 stored keys were re-encrypted with {store.vault.primary}."
    assert sorted(left) == sorted(
        [
            "1 are left as they are, wrapped by nobody: NOT on the keyring.",
            f"1 are left as they are, wrapped by {store.old}: on the keyring.",
        ]
    )
    assert list(store.documents.find({"subject": {"$in": ["user7", "user8"]}})) == before
    assert load_keyring(store.env["AICONFIG_KEYRING"]).primary == store.vault.primary

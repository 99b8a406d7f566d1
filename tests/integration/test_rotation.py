"""Rotation beside a gateway, and the command, which may be killed at any time."""

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
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.domain import rotation
from aiconfig_plugin.domain.model import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.vault import Vault
from aiconfig_plugin.store.documents import to_document
from tests.support.builders import (
    ALICE,
    ISSUER,
    PROMPT,
    RUN,
    accept,
    new_vault,
    opened,
    started,
    submission,
    turn,
)
from tests.support.gateway import Gateway, body, entry
from tests.support.processes import aiconfig, environment


def owner(number: int) -> Owner:
    return Owner(ISSUER, f"user{number}")


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

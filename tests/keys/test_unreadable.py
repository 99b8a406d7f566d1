"""Keys that the keyring cannot open: shown as such, kept, and never in the way of a read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin import AIConfigPlugin
from aiconfig_plugin.domain.model import Owner
from aiconfig_plugin.errors import ConfigurationError, KeyUnreadable
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.store.documents import owner_id
from tests.support.builders import (
    ALICE,
    BOB,
    RUN,
    accept,
    drop,
    logged,
    new_vault,
    started,
    submission,
    turn,
)
from tests.support.gateway import OPAQUE, Gateway, User, body, entry, problem
from tests.support.processes import aiconfig, authorization_server, environment, settings_for
from tests.support.reference_jwe import b64

OTHER_PROVIDER = entry("claude", provider="Anthropic")


def find_key(documents: Any, model: str = "gpt-4", **where: Any) -> dict[str, str]:
    [found] = [m["key"] for d in documents.find(where) for m in d["models"] if m["model"] == model]
    return dict(found)


async def lose_the_primary(gateway: Gateway, keyring: Path) -> None:
    """Turn the keyring and lose what was its primary, while the gateway runs."""
    lost = load_keyring(keyring).primary
    turn(keyring)
    drop(keyring, lost)
    gateway.plugin._service._vault = new_vault(keyring)


@asynccontextmanager
async def with_an_unreadable_key(gateway: Gateway, keyring: Path) -> AsyncIterator[User]:
    """Alice, with a key that is unreadable, one that is good and an entry without."""
    alice = gateway.user("alice")
    await alice.create(body(entry(key=OPAQUE)))
    await lose_the_primary(gateway, keyring)
    response = await alice.update(body(entry(), entry("o3", key=OPAQUE), OTHER_PROVIDER))
    assert response.code == 200
    yield alice


# For its owner


@RUN
async def test_every_read_goes_on_and_tells_the_state(gateway: Gateway, keyring: Path) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        assert await alice.states() == {"gpt-4": "unreadable", "o3": "set", "claude": "unset"}
        for include in (None, "apiKeyEncrypted", "apiKeyEncrypted,keyState"):
            assert (await alice.read(include)).code == 200
        standard = json.loads((await alice.read()).body)
        assert [set(model) for model in standard["models"]] == [
            {"provider", "type", "model", "isPaid"}
        ] * 3


@RUN
async def test_only_resolving_the_very_entry_fails(gateway: Gateway, keyring: Path) -> None:
    async with with_an_unreadable_key(gateway, keyring):
        with pytest.raises(KeyUnreadable):
            await gateway.plugin.resolve("alice")
        good = await gateway.plugin.resolve("alice", model="o3")
        assert good.api_key and good.api_key.get_secret_value() == OPAQUE
        assert (await gateway.plugin.resolve("alice", model="claude")).api_key is None


@RUN
async def test_an_update_without_the_key_keeps_it_byte_for_byte(
    gateway: Gateway, keyring: Path, documents: Any
) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        before = find_key(documents)
        assert (await alice.update(body(entry("new"), entry(paid=False), prompt=""))).code == 200
        assert find_key(documents) == before
        assert await alice.states() == {"new": "unset", "gpt-4": "unreadable"}


@RUN
async def test_it_may_come_back_verbatim_and_stays(
    gateway: Gateway, keyring: Path, documents: Any
) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        keys, before = await alice.keys(), find_key(documents)
        models = [entry("o3", key=keys["o3"]), entry(key=keys["gpt-4"]), OTHER_PROVIDER]
        with logged("aiconfig_plugin") as lines:
            assert (await alice.update(body(*models))).code == 200
        assert find_key(documents) == before
        assert await alice.keys() == keys
        assert lines == [], "nothing was refused"


@RUN
async def test_it_may_move_to_another_model_of_the_same_provider(
    gateway: Gateway, keyring: Path, documents: Any
) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        keys, before = await alice.keys(), find_key(documents)
        assert (await alice.update(body(entry("gpt-5", key=keys["gpt-4"])))).code == 200
        assert find_key(documents, "gpt-5") == before


@RUN
async def test_it_is_not_accepted_for_another_provider(
    gateway: Gateway, keyring: Path, documents: Any
) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        key = (await alice.keys())["gpt-4"]
        before = list(documents.find())
        for sent in (key, key and key[:-1] + ("A" if key[-1] != "A" else "Q")):
            refused = await alice.update(
                body(entry(), entry("claude", provider="Anthropic", key=sent))
            )
            problem(refused, 422, "key-not-accepted")
        assert list(documents.find()) == before


@RUN
async def test_another_owner_s_is_not_accepted(
    gateway: Gateway, keyring: Path, documents: Any
) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        key = (await alice.keys())["gpt-4"]
        bob = gateway.user("bob")
        problem(await bob.create(body(entry(key=key))), 422, "key-not-accepted")
        await bob.create(body(entry()))
        problem(await bob.update(body(entry(key=key))), 422, "key-not-accepted")
        owners = documents.find_one({"subject": "bob"})
        assert all("key" not in model for model in owners["models"])


@RUN
async def test_what_else_is_wrong_is_told_beside_it_and_not_of_it(
    gateway: Gateway, keyring: Path
) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        key = (await alice.keys())["gpt-4"]
        models = [entry("plain", key="sk-" + "x" * 40), entry(key=key)]
        refused = problem(await alice.update(body(*models)), 422, "key-not-encrypted")
        assert [e["pointer"] for e in refused["errors"]] == ["/models/0/apiKeyEncrypted"]
        models.reverse()
        refused = problem(await alice.update(body(*models)), 422, "key-not-encrypted")
        assert [e["pointer"] for e in refused["errors"]] == ["/models/1/apiKeyEncrypted"]


@RUN
async def test_null_removes_it_and_a_new_key_replaces_it(gateway: Gateway, keyring: Path) -> None:
    async with with_an_unreadable_key(gateway, keyring) as alice:
        assert (await alice.update(body(entry(key=OPAQUE)))).code == 200
        assert await alice.states() == {"gpt-4": "set"}
        assert (await alice.update(body(entry(key=None)))).code == 200
        assert await alice.states() == {"gpt-4": "unset"}


@RUN
async def test_it_opens_again_when_the_key_is_found(gateway: Gateway, keyring: Path) -> None:
    alice = gateway.user("alice")
    await alice.create(body(entry(key=OPAQUE)))
    whole = new_vault(keyring)
    await lose_the_primary(gateway, keyring)
    await alice.update(body(entry(key=(await alice.keys())["gpt-4"]), prompt="New."))
    gateway.plugin._service._vault = whole
    chosen = await gateway.plugin.resolve("alice")
    assert chosen.api_key and chosen.api_key.get_secret_value() == OPAQUE


# For the operator


async def create(plugin: AIConfigPlugin, owner: Owner, *keys: str) -> None:
    models = [entry(f"m{n}", key=key) for n, key in enumerate(keys)]
    await plugin._service.create(owner, submission(*models))


def spoil(documents: Any, owner: Owner) -> None:
    """Damage an owner's first key."""
    where = {"_id": owner_id(owner)}
    parts = documents.find_one(where)["models"][0]["key"]["jwe"].split(".")
    parts[4] = b64(bytes(16))
    documents.update_one(where, {"$set": {"models.0.key.jwe": ".".join(parts)}})


@RUN
async def test_the_start_says_how_many_keys_it_cannot_open(
    keyring: Path, mongod: Any, database_name: str
) -> None:
    lost = load_keyring(keyring).primary
    async with started(keyring, mongod.uri, database_name) as plugin:
        await create(plugin, ALICE, "a", "b")
        await create(plugin, BOB, "c")
    turn(keyring)
    async with started(keyring, mongod.uri, database_name) as plugin:
        await create(plugin, Owner("https://other.example", "eve"), "d")
    drop(keyring, lost)
    with logged("aiconfig_plugin") as lines:
        async with started(keyring, mongod.uri, database_name):
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
    keyring: Path, mongod: Any, database_name: str
) -> None:
    kid = load_keyring(keyring).primary
    async with started(keyring, mongod.uri, database_name) as plugin:
        await create(plugin, ALICE, "a")
        await create(plugin, BOB, "b")
    other_material(keyring, kid)
    with pytest.raises(ConfigurationError, match=f"AICONFIG_KEYRING: key {kid} opens none"):
        async with started(keyring, mongod.uri, database_name):
            pass


@RUN
async def test_of_several_keys_one_that_fits_nothing_is_told(
    keyring: Path, mongod: Any, database_name: str
) -> None:
    kid = load_keyring(keyring).primary
    async with started(keyring, mongod.uri, database_name) as plugin:
        await create(plugin, ALICE, "a")
    turn(keyring)
    async with started(keyring, mongod.uri, database_name) as plugin:
        await create(plugin, BOB, "b")
    other_material(keyring, kid)
    with logged("aiconfig_plugin") as lines:
        async with started(keyring, mongod.uri, database_name):
            pass
    assert any(kid in line for line in lines)


@RUN
async def test_one_damaged_document_among_good_ones_does_not_stop_the_start(
    keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    async with started(keyring, mongod.uri, database_name) as plugin:
        await create(plugin, ALICE, "a")
        await create(plugin, BOB, "b")
    for owner in (ALICE, BOB):
        before = list(documents.find())
        spoil(documents, owner)
        async with started(keyring, mongod.uri, database_name):
            pass
        for document in before:
            documents.replace_one({"_id": document["_id"]}, document)


@RUN
async def test_a_damaged_key_that_a_rotation_left_does_not_stop_the_start(
    keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    async with started(keyring, mongod.uri, database_name) as plugin:
        await create(plugin, ALICE, "a")
        await create(plugin, BOB, "b")
    spoil(documents, ALICE)
    turn(keyring)
    async with started(keyring, mongod.uri, database_name) as plugin:
        assert sum((await plugin.rotate()).left.values()) == 1
    async with started(keyring, mongod.uri, database_name) as plugin:
        assert (await plugin.resolve("bob")).api_key


def test_the_check_ends_with_1(
    keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    vault = new_vault(keyring)
    documents.insert_one(
        {
            "_id": owner_id(ALICE),
            "issuer": ALICE.issuer,
            "subject": ALICE.subject,
            "models": [
                {
                    "provider": "OpenAI",
                    "type": "chat",
                    "model": "gpt-4",
                    "isPaid": True,
                    "key": vars(accept(vault, OPAQUE)),
                }
            ],
            "system_prompt": "",
            "revision": "r1",
        }
    )
    with authorization_server() as server:
        env = environment(**settings_for(server, mongod.uri, database_name, keyring))

        def check() -> tuple[int, str]:
            ran = subprocess.run(
                [aiconfig(), "check"], env=env, capture_output=True, text=True, timeout=60
            )
            assert "Traceback" not in ran.stderr
            return ran.returncode, ran.stdout

        code, out = check()
        assert code == 0, out
        turn(keyring)
        drop(keyring, vault.primary)
        code, out = check()
        assert code == 1
        [line] = [line for line in out.splitlines() if "FAILED" in line]
        assert line.startswith("store ") and f"1 by {vault.primary}" in line

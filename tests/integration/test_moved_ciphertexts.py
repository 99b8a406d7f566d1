"""A writer with every right on the database moves ciphertexts about; none opens elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin import AIConfigPlugin
from aiconfig_plugin.domain.model import KeyState, Owner
from aiconfig_plugin.errors import ConfigNotFound, KeyUnreadable, ModelNotConfigured
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.store.documents import owner_id
from tests.support.builders import ALICE, BOB, ISSUER, RUN, logged, started, submission, turn
from tests.support.gateway import entry
from tests.support.reference_jwe import b64, unb64

Document = dict[str, Any]

KEYS = {
    (owner.subject, provider): f"{owner.subject}'s key at {provider}"
    for owner in (ALICE, BOB)
    for provider in ("OpenAI", "Anthropic", "Mistral")
}


@asynccontextmanager
async def two_owners(keyring: Path, uri: str, name: str) -> AsyncIterator[AIConfigPlugin]:
    """A gateway's plugin, with three keys of each owner, wrapped by two generations of keys."""
    async with started(keyring, uri, name) as plugin:
        for owner in (ALICE, BOB):
            models = [
                entry(f"{provider}-1", provider=provider, key=key)
                for (subject, provider), key in KEYS.items()
                if subject == owner.subject
            ]
            await plugin._service.create(owner, submission(*models))
        yield plugin


async def expect_nothing_where_it_does_not_belong(plugin: AIConfigPlugin) -> None:
    """Every entry of every owner is read; it opens to the owner's own key for it, or not at all."""
    for owner in (ALICE, BOB, Owner("https://other.example", "alice")):
        try:
            config = await plugin._service.read(owner, with_keys=True)
        except ConfigNotFound:
            continue
        for item in config.models:
            assert plugin._service.key_state(item) in KeyState
            try:
                chosen = await plugin.resolve(
                    owner.subject, issuer=owner.issuer, provider=item.provider, model=item.model
                )
            except KeyUnreadable:
                continue
            if chosen.api_key:
                assert owner.issuer == ISSUER
                opened = chosen.api_key.get_secret_value()
                assert opened == KEYS[owner.subject, item.provider]


def _header(jwe: str, **members: str) -> str:
    head, _, rest = jwe.partition(".")
    changed = {**json.loads(unb64(head)), **members}
    return f"{b64(json.dumps(changed, separators=(',', ':')).encode())}.{rest}"


def _key_of_another_owner(alice: Document, bob: Document) -> None:
    alice["models"][0]["key"] = bob["models"][0]["key"]


def _all_models_of_another_owner(alice: Document, bob: Document) -> None:
    alice["models"] = bob["models"]


def _the_document_of_another_owner(alice: Document, bob: Document) -> None:
    identity = {name: alice[name] for name in ("_id", "issuer", "subject")}
    alice.update({**bob, **identity})


def _only_the_id_of_the_victim(alice: Document, bob: Document) -> None:
    alice.update({**bob, "_id": alice["_id"]})


def _key_of_another_provider(alice: Document, bob: Document) -> None:
    alice["models"][0]["key"] = alice["models"][1]["key"]


def _keys_swapped(alice: Document, bob: Document) -> None:
    first, second, *_ = alice["models"]
    first["key"], second["key"] = second["key"], first["key"]


def _provider_renamed(alice: Document, bob: Document) -> None:
    alice["models"][0]["provider"] = "Mallory"


def _provider_in_another_case(alice: Document, bob: Document) -> None:
    alice["models"][0]["provider"] = "openai"


def _kid_of_a_key_that_is_held(alice: Document, bob: Document) -> None:
    alice["models"][0]["key"]["kid"] = "OTHER"


def _kid_of_no_key(alice: Document, bob: Document) -> None:
    alice["models"][0]["key"]["kid"] = "nobody"


def _kid_changed_in_both_places(alice: Document, bob: Document) -> None:
    key = alice["models"][0]["key"]
    key.update(kid="OTHER", jwe=_header(key["jwe"], kid="OTHER"))


def _kid_changed_in_the_header_alone(alice: Document, bob: Document) -> None:
    key = alice["models"][0]["key"]
    key["jwe"] = _header(key["jwe"], kid="OTHER")


def _context_put_right(alice: Document, bob: Document) -> None:
    jwe = alice["models"][0]["key"]["jwe"]
    context = json.loads(unb64(jwe.partition(".")[0]))["ctx"]
    theirs = bob["models"][0]["key"]
    alice["models"][0]["key"] = {**theirs, "jwe": _header(theirs["jwe"], ctx=context)}


def _parts_mixed(alice: Document, bob: Document) -> None:
    mine, theirs = (document["models"][0]["key"]["jwe"].split(".") for document in (alice, bob))
    alice["models"][0]["key"]["jwe"] = ".".join([mine[0], *theirs[1:]])


def _no_jwe_at_all(alice: Document, bob: Document) -> None:
    alice["models"][0]["key"]["jwe"] = "sk-plain"


MOVES: list[Callable[[Document, Document], None]] = [
    _key_of_another_owner,
    _all_models_of_another_owner,
    _the_document_of_another_owner,
    _only_the_id_of_the_victim,
    _key_of_another_provider,
    _keys_swapped,
    _provider_renamed,
    _provider_in_another_case,
    _kid_of_a_key_that_is_held,
    _kid_of_no_key,
    _kid_changed_in_both_places,
    _kid_changed_in_the_header_alone,
    _context_put_right,
    _parts_mixed,
    _no_jwe_at_all,
]


def put(documents: Any, document: Document) -> None:
    """Write it past the validator."""
    documents.replace_one(
        {"_id": document["_id"]}, document, upsert=True, bypass_document_validation=True
    )


def written(documents: Any, move: Callable[[Document, Document], None], other_kid: str) -> None:
    alice, bob = (documents.find_one({"_id": owner_id(owner)}) for owner in (ALICE, BOB))
    move(alice, bob)
    put(documents, json.loads(json.dumps(alice).replace('"OTHER"', json.dumps(other_kid))))


@RUN
@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__.strip("_"))
async def test_what_was_moved_does_not_open_and_the_rest_can_be_read(
    keyring: Path, mongod: Any, database_name: str, documents: Any, move: Any
) -> None:
    old = load_keyring(keyring).primary
    turn(keyring)
    async with two_owners(keyring, mongod.uri, database_name) as plugin:
        written(documents, move, old)
        with pytest.raises(KeyUnreadable) as unreadable:
            await plugin.resolve("alice")
        assert not any(key in str(unreadable.value) for key in KEYS.values())
        await expect_nothing_where_it_does_not_belong(plugin)
        assert (await plugin.resolve("bob")).api_key is not None


@RUN
@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__.strip("_"))
async def test_a_rotation_ends_and_opens_nothing_that_was_moved(
    keyring: Path, mongod: Any, database_name: str, documents: Any, move: Any
) -> None:
    old = load_keyring(keyring).primary
    async with two_owners(keyring, mongod.uri, database_name):
        turn(keyring)
    async with started(keyring, mongod.uri, database_name) as plugin:
        written(documents, move, load_keyring(keyring).primary)
        before = documents.find_one({"_id": owner_id(ALICE)})["models"][0]
        done = await asyncio.wait_for(plugin.rotate(), 5)
        assert documents.find_one({"_id": owner_id(ALICE)})["models"][0] == before
        with pytest.raises(KeyUnreadable):
            await plugin.resolve("alice", model=before["model"])
        await expect_nothing_where_it_does_not_belong(plugin)
        bobs = documents.find_one({"_id": owner_id(BOB)})["models"]
        assert old not in [item["key"]["kid"] for item in bobs]
        assert done.rewrapped >= 3


@RUN
async def test_another_issuer_s_user_of_the_same_name_gets_nothing(
    keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    other = Owner("https://other.example", "alice")
    async with two_owners(keyring, mongod.uri, database_name) as plugin:
        document = documents.find_one({"_id": owner_id(ALICE)})
        put(documents, {**document, "_id": owner_id(other), "issuer": other.issuer})
        with pytest.raises(KeyUnreadable):
            await plugin.resolve("alice", issuer=other.issuer)
        await expect_nothing_where_it_does_not_belong(plugin)


@RUN
async def test_an_older_document_of_the_same_owner_is_that_and_no_more(
    keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    async with two_owners(keyring, mongod.uri, database_name) as plugin:
        older = documents.find_one({"_id": owner_id(ALICE)})
        await plugin._service.update(
            ALICE, submission(entry("OpenAI-1", key=None), entry("new", key="ciphertext"))
        )
        put(documents, older)
        await expect_nothing_where_it_does_not_belong(plugin)
        with pytest.raises(ModelNotConfigured):
            await plugin.resolve("alice", model="new")
        put(documents, {**older, "_id": owner_id(BOB), "subject": "bob"})
        await expect_nothing_where_it_does_not_belong(plugin)
        with pytest.raises(KeyUnreadable):
            await plugin.resolve("bob")


@RUN
@pytest.mark.parametrize("place", ["0" * 43, "z" * 43])
async def test_a_copy_under_an_id_of_nobody_does_not_keep_a_rotation_going(
    keyring: Path, mongod: Any, database_name: str, documents: Any, place: str
) -> None:
    async with two_owners(keyring, mongod.uri, database_name):
        turn(keyring)
    document = documents.find_one({"_id": owner_id(ALICE)})
    put(documents, {**document, "_id": place, "revision": "copied"})
    async with started(keyring, mongod.uri, database_name) as plugin:
        await asyncio.wait_for(plugin.rotate(), 5)
        await expect_nothing_where_it_does_not_belong(plugin)


@RUN
async def test_the_start_survives_a_moved_key(
    keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    async with two_owners(keyring, mongod.uri, database_name):
        written(documents, _keys_swapped, "unused")
    with logged("aiconfig_plugin") as lines:
        async with started(keyring, mongod.uri, database_name):
            pass
    assert lines == []

"""Every repository keeps one contract; MongoDB's also keeps promises about its documents."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient, ReadPreference, WriteConcern
from pymongo.errors import OperationFailure, WriteError
from pymongo.server_api import ServerApi
from tornado.ioloop import IOLoop

from aiconfig_plugin.demo.mongod import Mongod, free_port
from aiconfig_plugin.domain.model import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.domain.ports import Replaced, Repository, Rewrapping
from aiconfig_plugin.errors import (
    AIConfigError,
    ConfigExists,
    ConfigNotFound,
    ConfigurationError,
    RevisionMismatch,
    StorageUnavailable,
)
from aiconfig_plugin.store import MongoStores
from aiconfig_plugin.store.documents import COLLECTION, to_document
from aiconfig_plugin.store.repository import MongoRepository
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.commands import CommandRecorder

Document: TypeAlias = dict[str, Any]

OWNER = Owner("https://issuer.example", "alice")
KEY = StoredKey("k1", "eyJh.a.b.c.d")
OTHER_KEY = StoredKey("k2", "eyJh.e.f.g.h")
HOSTILE = ["$models", "$$ROOT", '{"$literal": 1}', "$", "a.b.c", "nul\0inside", "ünï", "\U0001f511"]
MONGO_KINDS = ["motor uri", "pymongo uri", "motor database", "pymongo database"]
STRICT = "pymongo strict database"
RUN = pytest.mark.gen_test(timeout=60)


def entry(
    model: str = "gpt-4",
    key: StoredKey | None = None,
    *,
    provider: str = "OpenAI",
    paid: bool = True,
) -> ModelEntry:
    return ModelEntry(provider, "chat", model, paid, key)


def config(*entries: ModelEntry, revision: str = "r1", prompt: str = "Be kind.") -> AIConfig:
    return AIConfig(entries or (entry(),), prompt, revision)


@asynccontextmanager
async def opened(
    kind: str, uri: str, name: str, timeout: float = 10.0
) -> AsyncIterator[MongoRepository]:
    """A repository of that kind, not started; a host's client is closed at the end."""
    client: Any = None
    driver: Any = kind.partition(" ")[0]
    if kind.endswith("uri"):
        repository = MongoStores.connect(uri, name, driver=driver, timeout=timeout).repository
    else:
        strict: Document = {"server_api": ServerApi("1", strict=True)} if kind == STRICT else {}
        client = (AsyncIOMotorClient if driver == "motor" else AsyncMongoClient)(uri, **strict)
        repository = MongoStores(client[name], timeout=timeout).repository
    try:
        yield repository
    finally:
        await repository.close()
        if client is not None:
            closing = client.close()
            await closing if closing is not None else None


@pytest.fixture(params=["memory", *MONGO_KINDS, STRICT])
def repository(request: pytest.FixtureRequest, io_loop: IOLoop) -> Iterator[Repository]:
    if request.param == "memory":
        memory = InMemoryRepository()
        io_loop.run_sync(memory.start)
        yield memory
        return
    uri = request.getfixturevalue("mongod").uri
    manager = opened(request.param, uri, request.getfixturevalue("database_name"))
    mongo = io_loop.run_sync(manager.__aenter__)
    io_loop.run_sync(mongo.start)
    yield mongo
    io_loop.run_sync(lambda: manager.__aexit__(None, None, None))


@RUN
async def test_without_a_configuration_everything_but_create_is_not_found(
    repository: Repository,
) -> None:
    for call in (
        repository.read(OWNER),
        repository.replace(OWNER, config()),
        repository.replace(OWNER, config(), if_match=["r1"]),
        repository.delete(OWNER),
        repository.delete(OWNER, if_match=["r1"]),
    ):
        with pytest.raises(ConfigNotFound):
            await call
    assert await repository.count_by_kid() == {}
    assert not await repository.kids()


@RUN
async def test_what_is_created_is_read(repository: Repository) -> None:
    made = config(entry(key=KEY), entry("llama3", provider="Ollama", paid=False), prompt="")
    await repository.create(OWNER, made)
    assert await repository.read(OWNER) == made


@RUN
async def test_a_second_create_changes_nothing(repository: Repository) -> None:
    await repository.create(OWNER, config())
    with pytest.raises(ConfigExists):
        await repository.create(OWNER, config(revision="r2"))
    assert await repository.read(OWNER) == config()


@RUN
async def test_owners_are_told_apart_wherever_the_border_is(repository: Repository) -> None:
    owners = [Owner("a|b", "c"), Owner("a", "b|c"), Owner('a","b', "c"), Owner("a", 'b","c')]
    for number, owner in enumerate(owners):
        await repository.create(owner, config(revision=f"r{number}"))
    assert [(await repository.read(owner)).revision for owner in owners] == ["r0", "r1", "r2", "r3"]


@RUN
async def test_writes_return_what_is_stored_and_what_was(repository: Repository) -> None:
    before = config(entry(key=KEY), entry("o3", OTHER_KEY))
    assert await repository.create(OWNER, before) == before
    after = config(entry("o3"), entry("new"), revision="r2", prompt="New.")
    replaced = await repository.replace(OWNER, after, keep=[0, 1])
    kept = config(entry("o3", OTHER_KEY), entry("new"), revision="r2", prompt="New.")
    assert (replaced.before, replaced.after) == (before, kept)
    assert await repository.read(OWNER) == kept
    assert (await repository.replace(OWNER, after)).after == after


@RUN
async def test_delete_returns_what_was_there(repository: Repository) -> None:
    await repository.create(OWNER, config())
    assert await repository.delete(OWNER) == config()
    with pytest.raises(ConfigNotFound):
        await repository.read(OWNER)


@RUN
@pytest.mark.parametrize("revisions", [(), ("r0",), ("R1", "r11")])
async def test_another_revision_changes_nothing(
    repository: Repository, revisions: tuple[str, ...]
) -> None:
    await repository.create(OWNER, config(entry(key=KEY)))
    with pytest.raises(RevisionMismatch):
        await repository.replace(OWNER, config(revision="r2"), keep=[0], if_match=revisions)
    with pytest.raises(RevisionMismatch):
        await repository.delete(OWNER, if_match=revisions)
    assert await repository.read(OWNER) == config(entry(key=KEY))


@RUN
async def test_one_of_several_revisions_is_enough(repository: Repository) -> None:
    await repository.create(OWNER, config())
    await repository.replace(OWNER, config(revision="r2"), if_match=["r0", "r1"])
    assert (await repository.delete(OWNER, if_match=["r2", "r1"])).revision == "r2"


@RUN
async def test_a_kept_key_follows_its_entry_through_a_new_order(repository: Repository) -> None:
    twin = entry(key=OTHER_KEY, provider="Azure")
    await repository.create(OWNER, config(entry(key=KEY), entry("o3"), twin))
    after = config(
        entry(provider="Azure", paid=False), entry("new"), entry("o3"), entry(), revision="r2"
    )
    await repository.replace(OWNER, after, keep=range(4))
    assert (await repository.read(OWNER)).models == (
        entry(key=OTHER_KEY, provider="Azure", paid=False),
        entry("new"),
        entry("o3"),
        entry(key=KEY),
    )


@RUN
async def test_a_key_that_is_not_kept_is_gone(repository: Repository) -> None:
    await repository.create(OWNER, config(entry(key=KEY), entry("o3", KEY), entry("o4", KEY)))
    after = config(entry(), entry("o3", OTHER_KEY), entry("o4"), revision="r2")
    await repository.replace(OWNER, after, keep={2}, if_match=["r1"])
    stored = (await repository.read(OWNER)).models
    assert [e.key for e in stored] == [None, OTHER_KEY, KEY]


@RUN
async def test_a_hundred_keys_are_kept(repository: Repository) -> None:
    models = [entry(f"m{n}", StoredKey("k1", f"a.b.c.d.{n}")) for n in range(100)]
    await repository.create(OWNER, config(*models))
    bare = [entry(f"m{n}") for n in range(100)]
    await repository.replace(OWNER, config(*reversed(bare), revision="r2"), keep=range(100))
    assert (await repository.read(OWNER)).models == tuple(reversed(models))


@RUN
async def test_no_string_is_taken_for_an_expression(repository: Repository) -> None:
    for number, text in enumerate(HOSTILE):
        owner = Owner(text, text)
        first = config(entry(text, KEY, provider=text), revision=text, prompt=text)
        await repository.create(owner, first)
        assert await repository.read(owner) == first
        second = config(entry(text, provider=text), revision=f"{text}{number}", prompt=text * 2)
        assert (await repository.replace(owner, second, keep=[0], if_match=[text])).before == first
        assert await repository.read(owner) == config(
            entry(text, KEY, provider=text), revision=f"{text}{number}", prompt=text * 2
        )
        third = config(entry(text, provider=text), revision=text, prompt=text)
        await repository.replace(owner, third)
        assert await repository.delete(owner) == third


@RUN
async def test_of_racing_creates_one_wins(repository: Repository) -> None:
    results = await asyncio.gather(
        *(repository.create(OWNER, config(revision=f"r{n}")) for n in range(20)),
        return_exceptions=True,
    )
    assert sorted(type(r).__name__ for r in results) == ["AIConfig"] + ["ConfigExists"] * 19
    assert await repository.read(OWNER) in results


@RUN
async def test_of_racing_conditional_replaces_one_wins(repository: Repository) -> None:
    await repository.create(OWNER, config(revision="start"))
    results = await asyncio.gather(
        *(
            repository.replace(OWNER, config(revision=f"r{n}"), if_match=["start"])
            for n in range(20)
        ),
        return_exceptions=True,
    )
    winners = [n for n, result in enumerate(results) if isinstance(result, Replaced)]
    assert [type(r) for r in results].count(RevisionMismatch) == 19
    assert [(await repository.read(OWNER)).revision] == [f"r{n}" for n in winners]


@RUN
async def test_racing_replaces_never_leave_a_mixture(repository: Repository) -> None:
    bodies = [
        config(*(entry(f"{n}-{i}") for i in range(n + 1)), revision=f"r{n}", prompt=f"p{n}")
        for n in range(20)
    ]
    start = config(revision="start")
    await repository.create(OWNER, start)
    replaced = await asyncio.gather(*(repository.replace(OWNER, body) for body in bodies))
    # A chain: every body was there once, and was seen whole by the write that replaced it.
    seen = [*(each.before for each in replaced), await repository.read(OWNER)]
    assert {c.revision: c for c in seen} == {c.revision: c for c in [start, *bodies]}


@RUN
async def test_keeping_never_brings_an_old_key_back(repository: Repository) -> None:
    await repository.create(OWNER, config(entry(key=KEY)))
    for number in range(10):
        new = StoredKey("k2", f"a.b.c.d.{number}")
        await asyncio.gather(
            repository.replace(OWNER, config(revision=f"kept{number}"), keep=[0]),
            repository.replace(OWNER, config(entry(key=new), revision=f"set{number}")),
        )
        assert (await repository.read(OWNER)).models[0].key == new


@RUN
async def test_stored_keys_are_counted_by_kid(repository: Repository) -> None:
    await repository.create(OWNER, config(entry(key=KEY), entry("o3", OTHER_KEY), entry("o4")))
    await repository.create(Owner("i", "bob"), config(entry(key=KEY)))
    await repository.create(Owner("i", "eve"), config(entry()))
    assert await repository.count_by_kid() == {"k1": 2, "k2": 1}
    assert set(await repository.kids()) == {"k1", "k2"}


@RUN
async def test_keys_are_found_by_kid_and_wrapped_anew(repository: Repository) -> None:
    owners = [Owner("https://issuer.example", f"user{number}") for number in range(5)]
    for owner in owners:
        await repository.create(owner, config(entry("a"), entry("b", KEY), entry("c", OTHER_KEY)))
    first = await repository.wrapped_by("k1", limit=3)
    rest = await repository.wrapped_by("k1", after=first[-1].id, limit=3)
    assert {stored.owner for stored in (*first, *rest)} == set(owners)
    assert (len(first), len(rest)) == (3, 2)

    anew = StoredKey("k3", "eyJh.i.j.k.l")
    assert await repository.rewrap([]) == 0
    asked = [Rewrapping(stored.id, stored.config.revision, {1: anew}) for stored in first]
    asked.append(Rewrapping(rest[0].id, "another revision", {1: anew}))
    assert await repository.rewrap(asked) == 3
    assert await repository.count_by_kid() == {"k1": 2, "k2": 5, "k3": 3}
    after = config(entry("a"), entry("b", anew), entry("c", OTHER_KEY))
    assert await repository.read(first[0].owner) == after
    assert await repository.wrapped_by("k1", limit=9) == rest


@RUN
async def test_it_works_only_between_start_and_close(repository: Repository) -> None:
    await repository.create(OWNER, config())
    await repository.start()
    await repository.close()
    await repository.close()
    for call in (
        repository.read(OWNER),
        repository.create(OWNER, config()),
        repository.replace(OWNER, config()),
        repository.delete(OWNER),
        repository.kids(),
        repository.count_by_kid(),
    ):
        with pytest.raises(RuntimeError):
            await call
    await repository.start()
    assert await repository.read(OWNER) == config()


@pytest.fixture
def raw(mongod: Mongod, database_name: str) -> Iterator[Any]:
    """The database as a plain client sees it."""
    with MongoClient[Document](mongod.uri) as client:
        yield client[database_name]


@pytest.fixture
def mongo(mongod: Mongod, database_name: str, io_loop: IOLoop) -> Iterator[MongoRepository]:
    repository = MongoStores.connect(mongod.uri, database_name).repository
    io_loop.run_sync(repository.start)
    yield repository
    io_loop.run_sync(repository.close)


@RUN
async def test_a_document_holds_exactly_this(mongo: MongoRepository, raw: Any) -> None:
    await mongo.create(OWNER, config(entry(key=KEY), entry("llama3", provider="Ollama")))
    assert list(raw[COLLECTION].find()) == [
        {
            # base64url(SHA-256('["https://issuer.example","alice"]')), made with another tool.
            "_id": "ylC0vCMqrWEk_8-XCCHWCPpELCB03JtK_IncGhWFP_8",
            "issuer": "https://issuer.example",
            "subject": "alice",
            "models": [
                {
                    "provider": "OpenAI",
                    "type": "chat",
                    "model": "gpt-4",
                    "isPaid": True,
                    "key": {"kid": "k1", "jwe": KEY.jwe},
                },
                {"provider": "Ollama", "type": "chat", "model": "llama3", "isPaid": True},
            ],
            "system_prompt": "Be kind.",
            "revision": "r1",
        }
    ]


# Where in a document that is as large as it may be, and what is put there.
INVALID: dict[str, tuple[str, Any]] = {
    "plain text beside the key": ("models.0.apiKey", "sk-plain"),
    "plain text inside the key": ("models.0.key.plain", "sk-plain"),
    "plain text for the JWE": ("models.0.key.jwe", "sk-plain"),
    "plain text for the key": ("models.0.key", "sk-plain"),
    "a line feed after the JWE": ("models.0.key.jwe", KEY.jwe + "\n"),
    "a JWE of four parts": ("models.0.key.jwe", "a.b.c.d"),
    "a kid of nothing": ("models.0.key.kid", ""),
    "a model too long": ("models.0.model", "m" * 201),
    "a model of nothing": ("models.0.model", ""),
    "a provider too long": ("models.0.provider", "p" * 65),
    "a type too long": ("models.0.type", "t" * 33),
    "a type in capitals": ("models.0.type", "Chat"),
    "a number for a boolean": ("models.0.isPaid", 1),
    "an entry too many": ("models.100", {}),
    "an object for the entries": ("models", {}),
    "a prompt too long": ("system_prompt", "ü" * 32_769),
    "an empty revision": ("revision", ""),
    "another member": ("extra", 1),
}


def put(document: Any, path: str, value: Any) -> None:
    *parents, last = [int(name) if name.isdecimal() else name for name in path.split(".")]
    for name in parents:
        document = document[name]
    if last == 100:
        document.append(document[0])
    else:
        document[last] = value


@RUN
async def test_the_validator_refuses_what_no_configuration_holds(
    mongo: MongoRepository, raw: Any
) -> None:
    first = ModelEntry("p" * 64, "t" * 32, "m" * 200, True, KEY)
    entries = (first, *(entry(str(number)) for number in range(99)))
    await mongo.create(OWNER, config(*entries, prompt="ü" * 32_768))
    await mongo.create(Owner("i", "empty"), AIConfig((), "", "r"))
    accepted = []
    for name, (path, value) in INVALID.items():
        document = raw[COLLECTION].find_one({"subject": OWNER.subject})
        put(document, path, value)
        try:
            raw[COLLECTION].replace_one({"_id": document["_id"]}, document)
            accepted.append(name)
        except WriteError as refused:
            assert refused.code == 121
    assert accepted == []


@RUN
async def test_what_the_validator_refuses_is_our_defect_and_not_repeated(
    mongo: MongoRepository,
) -> None:
    plain = config(entry(key=StoredKey("k1", "sk-plain")))
    with pytest.raises(AIConfigError) as created:
        await mongo.create(OWNER, plain)
    await mongo.create(OWNER, config())
    with pytest.raises(AIConfigError) as replaced:
        await mongo.replace(OWNER, plain, keep=[])
    for refused in (created, replaced):
        assert refused.value.status == 500
        assert "sk-plain" not in "".join(traceback.format_exception(refused.value))


@RUN
async def test_an_index_finds_documents_by_kid(mongo: MongoRepository, raw: Any) -> None:
    await mongo.create(OWNER, config(entry(key=KEY)))
    plan = raw[COLLECTION].find({"models.key.kid": "k1"}).explain()["queryPlanner"]["winningPlan"]
    assert "'indexName': 'models.key.kid_1__id_1'" in str(plan)


@RUN
async def test_the_kids_are_told_by_a_look_at_one_document_each(
    mongod: Mongod, database_name: str, raw: Any
) -> None:
    recorder = CommandRecorder()
    async with AsyncMongoClient[Document](mongod.uri, event_listeners=[recorder]) as client:
        mongo = MongoStores(client[database_name]).repository
        await mongo.start()
        for number in range(30):
            made = config(entry("a", key=KEY), entry("b"), entry("c", key=OTHER_KEY))
            await mongo.create(Owner("i", str(number)), made)
        await mongo.create(OWNER, config(entry(key=StoredKey("k0", KEY.jwe))))
        recorder.clear()
        assert set(await mongo.kids()) == {"k0", "k1", "k2"}
        asked = [
            {name: command[name] for name in ("find", "filter", "limit")}
            for command in recorder.commands
        ]
    for each in asked:
        explained = raw.command({"explain": each, "verbosity": "executionStats"})
        told = explained["executionStats"]
        assert told["totalDocsExamined"] <= (1 if each != asked[-1] else 0)
        assert told["totalKeysExamined"] < 10


@RUN
async def test_the_host_s_own_defaults_do_not_weaken_a_write(
    mongod: Mongod, database_name: str
) -> None:
    commands = CommandRecorder()
    async with AsyncMongoClient[Document](mongod.uri, event_listeners=[commands]) as client:
        database = client.get_database(
            database_name,
            write_concern=WriteConcern(0),
            read_preference=ReadPreference.SECONDARY_PREFERRED,
        )
        repository = MongoStores(database).repository
        await repository.start()
        commands.clear()
        await repository.create(OWNER, config())
        await repository.replace(OWNER, config(revision="r2"))
        await repository.replace(OWNER, config(revision="r3"), keep=[0], if_match=["r2"])
        await repository.read(OWNER)
        await repository.delete(OWNER)
        names, sent = commands.names, commands.commands
    assert names == [
        "insert",
        "findAndModify",
        "findAndModify",
        "find",
        "findAndModify",
    ]
    *writes, read, deletion = sent
    # PyMongo adds the rest of the time as wtimeout.
    assert {write["writeConcern"]["w"] for write in [*writes, deletion]} == {"majority"}
    assert read["readConcern"] == {"level": "majority"}
    assert read.get("$readPreference", {"mode": "primary"})["mode"] != "secondaryPreferred"
    assert "$map" not in str(writes[1])
    assert "$map" in str(writes[2])


@RUN
async def test_many_gateways_may_start_at_once(mongod: Mongod, database_name: str) -> None:
    gateways = [MongoStores.connect(mongod.uri, database_name).repository for _ in range(8)]
    await asyncio.gather(*(gateway.start() for gateway in gateways))
    await gateways[0].create(OWNER, config())
    assert await gateways[7].read(OWNER) == config()
    await asyncio.gather(*(gateway.close() for gateway in gateways))


@RUN
async def test_an_older_validator_is_brought_up_to_date_once(
    mongod: Mongod, database_name: str, raw: Any
) -> None:
    raw.create_collection(
        COLLECTION, validator={"$jsonSchema": {"required": ["old"]}}, validationAction="warn"
    )
    commands = CommandRecorder()
    async with AsyncMongoClient[Document](mongod.uri, event_listeners=[commands]) as client:
        await MongoStores(client[database_name]).repository.start()
        await MongoStores(client[database_name]).repository.start()
    assert commands.names.count("collMod") == 1
    assert COLLECTION not in [command.get("create") for command in commands.commands]
    with pytest.raises(WriteError):
        raw[COLLECTION].insert_one({"old": 1})


@RUN
@pytest.mark.parametrize("kind", MONGO_KINDS[2:])
async def test_a_host_s_database_stays_open(mongod: Mongod, database_name: str, kind: str) -> None:
    async with opened(kind, mongod.uri, database_name) as repository:
        await repository.start()
        await repository.close()
        await repository.start()
        await repository.create(OWNER, config())


@RUN
@pytest.mark.parametrize("kind", MONGO_KINDS)
async def test_before_the_start_it_is_an_error(kind: str) -> None:
    async with opened(kind, "mongodb://127.0.0.1:1", "unused") as repository:
        with pytest.raises(RuntimeError):
            await repository.read(OWNER)


@RUN
@pytest.mark.parametrize(
    "uri",
    [
        "geheim",
        "http://geheim",
        "mongodb://u:geheim@",
        "mongodb://u:ge@heim@127.0.0.1",
        "mongodb://127.0.0.1:geheim",
        "mongodb://127.0.0.1/?geheim",
        "mongodb://127.0.0.1/?geheim=1",
        "mongodb://127.0.0.1/?tls=geheim",
        "mongodb://127.0.0.1/?tls=true&tlsCAFile=/geheim",
        "mongodb://127.0.0.1/?replicaSet=x&authMechanism=geheim",
        "mongodb+srv://u:geheim@127.0.0.1",
    ],
)
async def test_a_wrong_uri_is_named_and_not_repeated(uri: str) -> None:
    repository = MongoStores.connect(uri, "aiconfig").repository
    with pytest.raises(ConfigurationError, match="AICONFIG_MONGODB_URI") as wrong:
        await repository.start()
    assert "heim" not in "".join(traceback.format_exception(wrong.value))
    assert "heim" not in repr(repository)


@RUN
async def test_a_wrong_database_name_is_named() -> None:
    with pytest.raises(ConfigurationError, match="AICONFIG_MONGODB_DATABASE"):
        await MongoStores.connect("mongodb://127.0.0.1", "a b").repository.start()


def test_a_timeout_of_nothing_would_be_no_bound() -> None:
    with pytest.raises(ValueError, match="timeout"):
        MongoStores.connect("mongodb://127.0.0.1", "aiconfig", timeout=0)


@contextmanager
def outage(within: float) -> Iterator[None]:
    """Expect an outage within so many seconds, told without a word about the store's address."""
    before = time.monotonic()
    with pytest.raises(StorageUnavailable) as down:
        yield
    assert time.monotonic() - before < within
    assert "127.0.0.1" not in down.value.detail


async def expect_outage_of_every_call(repository: MongoRepository) -> None:
    for call in (
        repository.start(),
        repository.read(OWNER),
        repository.create(OWNER, config()),
        repository.replace(OWNER, config(), keep=[0]),
        repository.delete(OWNER, if_match=["r1"]),
        repository.kids(),
        repository.count_by_kid(),
    ):
        with outage(within=5.0):
            await call


# Not with AsyncMongoClient: closed while it connects, as here, it leaves a socket open (4.20).
@RUN
@pytest.mark.parametrize("kind", ["motor uri", "motor database"])
async def test_nobody_there_at_the_start_is_an_outage(kind: str) -> None:
    uri = f"mongodb://127.0.0.1:{free_port()}"
    async with opened(kind, uri, "unused", timeout=0.3) as repository:
        with outage(within=5.0):
            await repository.start()
        with pytest.raises(RuntimeError):
            await repository.read(OWNER)


@pytest.fixture(scope="module")
def own_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """One that these tests alone use, for they stop it and make it fail."""
    data: Path = tmp_path_factory.mktemp("own_mongod")
    with Mongod(data, arguments=["--setParameter", "enableTestCommands=1"]) as started:
        yield started


@RUN
@pytest.mark.parametrize("kind", MONGO_KINDS)
async def test_it_recovers_when_the_store_is_back(own_mongod: Mongod, kind: str) -> None:
    async with opened(kind, own_mongod.uri, f"back{MONGO_KINDS.index(kind)}", 0.5) as repository:
        await repository.start()
        await repository.create(OWNER, config())
        own_mongod.stop()
        try:
            await expect_outage_of_every_call(repository)
        finally:
            own_mongod.start()
        await patiently(repository)
        assert await repository.read(OWNER) == config()


async def patiently(repository: MongoRepository) -> None:
    """Start it again; a driver looks at a server that was down at most every half second."""
    for _ in range(20):
        try:
            return await repository.start()
        except StorageUnavailable:
            continue
    raise AssertionError("it does not recover")


@contextmanager
def hanging(mongod: Mongod) -> Iterator[None]:
    """Let it accept connections and answer nothing."""
    os.kill(mongod.pid, signal.SIGSTOP)
    try:
        os.waitpid(mongod.pid, os.WUNTRACED)  # the signal takes a moment to arrive
        yield
    finally:
        os.kill(mongod.pid, signal.SIGCONT)


@RUN
@pytest.mark.parametrize("kind", MONGO_KINDS)
async def test_a_store_that_hangs_is_an_outage(own_mongod: Mongod, kind: str) -> None:
    async with opened(kind, own_mongod.uri, f"hang{MONGO_KINDS.index(kind)}", 0.5) as repository:
        await repository.start()
        with hanging(own_mongod):
            await expect_outage_of_every_call(repository)
        await patiently(repository)


REPLACE_FAILS = {"failCommands": ["findAndModify"]}


@contextmanager
def failing(mongod: Mongod, data: Document) -> Iterator[None]:
    fail = {"configureFailPoint": "failCommand"}
    with MongoClient[Document](mongod.uri) as client:
        client.admin.command({**fail, "mode": "alwaysOn", "data": data})
        try:
            yield
        finally:
            client.admin.command({**fail, "mode": "off"})


@RUN
@pytest.mark.parametrize("kind", MONGO_KINDS)
@pytest.mark.parametrize("code", [13, 91, 11600])
async def test_a_server_s_own_trouble_is_an_outage(
    own_mongod: Mongod, kind: str, code: int
) -> None:
    async with opened(kind, own_mongod.uri, "trouble", 1.0) as repository:
        await repository.start()
        with (
            failing(own_mongod, {**REPLACE_FAILS, "errorCode": code}),
            outage(within=5.0),
        ):
            await repository.replace(OWNER, config())


@RUN
async def test_a_defect_is_not_called_an_outage(own_mongod: Mongod) -> None:
    async with opened("motor uri", own_mongod.uri, "trouble") as repository:
        await repository.start()
        with (
            failing(own_mongod, {**REPLACE_FAILS, "errorCode": 9}),
            pytest.raises(OperationFailure),
        ):  # FailedToParse
            await repository.delete(OWNER)


@RUN
async def test_a_wrong_password_is_told_as_one(own_mongod: Mongod) -> None:
    uri = own_mongod.uri.replace("mongodb://", "mongodb://nobody:geheim@")
    with pytest.raises(StorageUnavailable, match=r"rejected .* \(authenticate\)"):
        await MongoStores.connect(uri, "unused").repository.start()


@RUN
async def test_a_rotation_is_told_what_the_store_did_not_apply(own_mongod: Mongod) -> None:
    async with opened("motor uri", own_mongod.uri, "rewrapped") as repository:
        await repository.start()
        for owner in (OWNER, Owner("i", "bob")):
            await repository.create(owner, config(entry(key=KEY)))
        stored = await repository.wrapped_by("k1", limit=9)
        asked = [Rewrapping(each.id, each.config.revision, {0: OTHER_KEY}) for each in stored]
        await repository.delete(stored[0].owner)
        refused = Rewrapping(stored[1].id, "r1", {0: StoredKey("k2", "sk-plain")})
        assert await repository.rewrap([asked[0], refused]) == 0
        unconfirmed = {"code": 64, "errmsg": "waiting for replication timed out"}
        fault = {"failCommands": ["update"], "writeConcernError": unconfirmed}
        with failing(own_mongod, fault), pytest.raises(StorageUnavailable):
            await repository.rewrap(asked)
        assert await repository.rewrap(asked) == 0, "what was applied before is not counted again"
        with MongoClient[Document](own_mongod.uri) as client:
            client["rewrapped"][COLLECTION].update_one(
                {}, {"$set": {"models": "damaged"}}, bypass_document_validation=True
            )
        with pytest.raises(StorageUnavailable):
            await repository.rewrap(asked)


@RUN
async def test_a_create_that_meets_a_deletion_is_tried_again(
    mongod: Mongod, database_name: str, raw: Any
) -> None:
    """A duplicate key is no conflict where the document is gone by the time of the answer."""

    class Deleting(CommandRecorder):
        def failed(self, event: Any) -> None: ...

        def started(self, event: Any) -> None:
            super().started(event)
            if event.command_name == "find" and self.deletions:
                self.deletions -= 1
                raw[COLLECTION].delete_one({})

        deletions = 1

    async with AsyncMongoClient[Document](mongod.uri, event_listeners=[made := Deleting()]) as host:
        repository = MongoStores(host[database_name]).repository
        await repository.start()
        raw[COLLECTION].insert_one(to_document(OWNER, config()))
        after = config(revision="r2")
        assert await repository.create(OWNER, after) == after
        assert made.names.count("insert") == 2
        assert await repository.read(OWNER) == after


@RUN
async def test_a_write_that_is_overtaken_time_and_again_is_given_up(
    mongod: Mongod, database_name: str, raw: Any
) -> None:
    class Racing(CommandRecorder):
        """Creates it ahead of each confirmation that it is not there."""

        def started(self, event: Any) -> None:
            super().started(event)
            if event.command_name == "find":
                raw[COLLECTION].insert_one(to_document(OWNER, config()))
            elif event.command_name == "findAndModify":
                raw[COLLECTION].delete_many({})

    async with AsyncMongoClient[Document](mongod.uri, event_listeners=[made := Racing()]) as host:
        repository = MongoStores(host[database_name]).repository
        await repository.start()
        with pytest.raises(StorageUnavailable) as overtaken:
            await repository.replace(OWNER, config())
    assert overtaken.value.outcome == "nothing-changed"
    assert made.names.count("findAndModify") == 5


@RUN
@pytest.mark.parametrize(
    ("driver", "loaded"), [("motor", "True"), ("pymongo", "False"), ("database", "False")]
)
async def test_motor_is_loaded_only_where_it_is_used(driver: str, loaded: str) -> None:
    source = (
        "MongoStores(AsyncMongoClient()['aiconfig'])"
        if driver == "database"
        else f"MongoStores.connect('mongodb://127.0.0.1:1', 'x', driver='{driver}', timeout=.1)"
    )
    code = f"""
import asyncio, sys
from pymongo import AsyncMongoClient
import aiconfig_plugin
from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.store import MongoStores
async def run():
    stores = {source}
    if {driver != "database"}:
        try:
            await stores.start()
        except StorageUnavailable:
            pass
asyncio.run(run())
print("motor" in sys.modules)
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", code, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert printed.decode().strip() == loaded

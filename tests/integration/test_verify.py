"""What a provider says of a stored key: asked for over HTTP, reported by the gateway, and shown."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pymongo import MongoClient
from tornado.httpclient import HTTPResponse

from aiconfig_plugin import Principal, ResolvedModel
from aiconfig_plugin.store.key_use import COLLECTION
from tests.support.builders import ISSUER, RUN, drop, turn
from tests.support.commands import recorded
from tests.support.gateway import (
    BOTH,
    OPAQUE,
    READ,
    VERIFY_PATH,
    Gateway,
    User,
    body,
    entry,
    problem,
)
from tests.support.providers import GOOD, NO_QUOTA, providers

GPT4 = {"provider": "OpenAI", "type": "chat", "model": "gpt-4"}
UNKNOWN = {"lastUsedAt": None, "lastResult": None, "lastResultAt": None}

MakeGateway = Callable[..., Awaitable[Gateway]]


async def alice_anyway(_request: object) -> Principal:
    """Authenticate whatever request, so that several gateways agree who makes it."""
    return Principal(ISSUER, "alice", BOTH)


# The keyword arguments of gateways that share their users.
SHARED: dict[str, Any] = {"authenticate": alice_anyway, "issuer": ISSUER}


async def ask(user: User, entry: Any = GPT4) -> HTTPResponse:
    return await user.gateway.call("POST", VERIFY_PATH, entry, user.auth)


async def verified(user: User, entry: Any = GPT4) -> tuple[str, str]:
    """The result and its detail."""
    response = await ask(user, entry)
    assert response.code == 200, response.body
    assert response.headers["Cache-Control"] == "no-store"
    document = json.loads(response.body)
    assert set(document) == {"result", "detail"}
    return document["result"], document["detail"]


async def uses(user: User) -> list[Any]:
    """The ``keyUse`` of each entry."""
    response = await user.read("keyUse")
    assert response.code == 200, response.body
    assert response.headers["Cache-Control"] == "no-store"
    return [model["keyUse"] for model in json.loads(response.body)["models"]]


async def sealed(user: User, key: str = GOOD, **members: str) -> dict[str, Any]:
    return {**entry(key=await user.seal(key)), **members}


def is_now(text: str | None) -> bool:
    """Tell whether it is a time of this minute, as the representation writes it."""
    assert text is not None and len(text) == len("2026-11-24T10:00:00Z")
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return timedelta() <= datetime.now(timezone.utc) - moment < timedelta(minutes=1)


# Asked for over HTTP


@RUN
async def test_the_provider_is_asked_at_the_entry_s_endpoint(make_gateway: MakeGateway) -> None:
    async with providers() as made:
        alice = (await make_gateway(base_urls=[made.url])).user("alice")
        base_url = f"{made.url}/openai/v1"
        good = await sealed(alice, baseUrl=base_url)
        poor = await sealed(alice, NO_QUOTA, baseUrl=base_url, label="poor")
        none = await sealed(alice, "sk-none", baseUrl=base_url, label="none")
        assert (await alice.create(body(good, poor, none))).code == 201
        assert await verified(alice) == (
            "accepted",
            "The provider accepted the API key (status 200).",
        )
        assert (await verified(alice, {**GPT4, "label": "poor"}))[0] == "quota-exceeded"
        assert (await verified(alice, {**GPT4, "label": "none"}))[0] == "rejected"
        results = [use["lastResult"] for use in await uses(alice)]
        assert results == ["accepted", "quota-exceeded", "rejected"]


@RUN
async def test_without_a_catalogue_an_origin_has_to_be_allowed(make_gateway: MakeGateway) -> None:
    alice = (await make_gateway()).user("alice")
    await alice.create(body(await sealed(alice), entry("llama3", provider="Ollama")))
    for asked in (GPT4, {"provider": "Ollama", "type": "chat", "model": "llama3"}):
        result, detail = await verified(alice, asked)
        assert result == "unknown" and "endpoint" in detail
    assert await uses(alice) == [UNKNOWN, None]


@RUN
async def test_the_catalogue_names_endpoint_and_dialect(
    make_gateway: MakeGateway, tmp_path: Any
) -> None:
    async with providers() as made:
        catalog = tmp_path / "catalog.json"
        openai = {"baseUrl": f"{made.url}/anthropic", "api": "anthropic"}
        catalog.write_text(json.dumps({"providers": {"OpenAI": openai}}))
        alice = (await make_gateway(catalog=catalog)).user("alice")
        await alice.create(body(await sealed(alice)))
        assert (await verified(alice))[0] == "accepted"
        [(path, headers)] = made.requests
        assert path == "/anthropic/v1/models" and headers["x-api-key"] == GOOD


@RUN
async def test_an_opaque_key_is_not_verified(make_gateway: MakeGateway) -> None:
    async with providers() as made:
        alice = (await make_gateway(base_urls=[made.url])).user("alice")
        await alice.create(body({**entry(key=OPAQUE), "baseUrl": made.url}))
        assert (await verified(alice))[0] == "unknown"
        assert made.requests == []


@RUN
async def test_a_host_may_verify_by_its_own_means(make_gateway: MakeGateway) -> None:
    seen: list[ResolvedModel] = []

    async def verify(chosen: ResolvedModel) -> str:
        seen.append(chosen)
        return "rejected"

    alice = (await make_gateway(verify=verify)).user("alice")
    await alice.create(body(await sealed(alice, "sk-of-alice")))
    assert (await verified(alice))[0] == "rejected"
    [chosen] = seen
    assert chosen.api_key and chosen.api_key.get_secret_value() == "sk-of-alice"
    assert [use["lastResult"] for use in await uses(alice)] == ["rejected"]


@RUN
async def test_what_cannot_be_verified_is_a_problem(gateway: Gateway) -> None:
    alice = gateway.user("alice")
    problem(await ask(alice), 404, "config-not-found")
    await alice.create(body(entry(key=OPAQUE)))
    problem(await ask(alice, {**GPT4, "label": "work"}), 404, "config-not-found")
    problem(await ask(gateway.user("bob")), 404, "config-not-found")
    reader = User(gateway, gateway.auth("alice", READ))
    problem(await ask(reader), 403, "insufficient-scope")
    violated = problem(
        await ask(alice, {**GPT4, "model": 4, "isPaid": True}), 422, "schema-violation"
    )
    assert [(one["pointer"], one["code"]) for one in violated["errors"]] == [
        ("", "additionalProperties"),
        ("/model", "type"),
    ]
    problem(await ask(alice, b"{"), 400, "malformed-json")


@RUN
async def test_an_unreadable_key_is_a_conflict(make_gateway: MakeGateway, keyring: Any) -> None:
    before = await make_gateway(**SHARED)
    await User(before, {}).create(body(entry(key=OPAQUE)))
    await before.plugin.close()
    turn(keyring)
    drop(keyring, before.plugin._vault.primary)
    alice = User(await make_gateway(**SHARED), {})
    problem(await ask(alice), 409, "key-unreadable")
    assert await uses(alice) == [UNKNOWN]


@RUN
async def test_the_eleventh_in_a_minute_has_to_wait(make_gateway: MakeGateway) -> None:
    async def verify(_chosen: ResolvedModel) -> str:
        return "accepted"

    alice = (await make_gateway(verify=verify)).user("alice")
    await alice.create(body(entry(key=OPAQUE)))
    for _ in range(10):
        await verified(alice)
    refused = await ask(alice)
    problem(refused, 429, "too-many-requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


# Reported by the gateway


@RUN
async def test_a_resolved_key_is_used_and_its_result_is_told(gateway: Gateway) -> None:
    alice, plugin = gateway.user("alice"), gateway.plugin
    await alice.create(body(await sealed(alice), entry("llama3", provider="Ollama")))
    assert await uses(alice) == [UNKNOWN, None]
    chosen = await plugin.resolve("alice")
    [use, _] = await uses(alice)
    assert is_now(use["lastUsedAt"]) and use["lastResult"] is None
    await plugin.report(chosen, "quota-exceeded")
    [use, _] = await uses(alice)
    assert use["lastResult"] == "quota-exceeded" and is_now(use["lastResultAt"])
    await plugin.report(await plugin.resolve("alice", provider="Ollama"), "accepted")
    assert (await uses(alice))[1] is None
    for result in ("unknown", "unreachable", "fine", ""):
        with pytest.raises(ValueError, match="accepted, rejected, quota-exceeded"):
            await plugin.report(chosen, result)  # type: ignore[arg-type]


@RUN
async def test_of_the_operator_s_own_key_nothing_is_kept(
    make_gateway: MakeGateway, tmp_path: Any
) -> None:
    catalog, shared = tmp_path / "catalog.json", tmp_path / "shared.json"
    catalog.write_text(json.dumps({"providers": {"OpenAI": {"sharedKey": "only"}}}))
    shared.write_text(json.dumps({"OpenAI": "sk-shared"}))
    shared.chmod(0o600)
    gateway = await make_gateway(catalog=catalog, shared_keys=shared)
    alice = gateway.user("alice")
    await alice.create(body(await sealed(alice)))
    chosen = await gateway.plugin.resolve("alice")
    assert chosen.key_source == "shared"
    await gateway.plugin.report(chosen, "rejected")
    assert await uses(alice) == [UNKNOWN]


@RUN
async def test_the_revision_stays_whatever_is_reported(gateway: Gateway) -> None:
    alice = gateway.user("alice")
    created = await alice.create(body(await sealed(alice)))
    await gateway.plugin.report(await gateway.plugin.resolve("alice"), "accepted")
    read = await alice.read()
    assert read.headers["ETag"] == created.headers["ETag"]
    assert "keyUse" not in read.body.decode()


@RUN
async def test_other_processes_know_it_once_it_is_written(make_gateway: MakeGateway) -> None:
    first, second = await make_gateway(**SHARED), await make_gateway(**SHARED)
    alice, there = User(first, {}), User(second, {})
    await alice.create(body(await sealed(alice)))
    await first.plugin.report(await first.plugin.resolve("alice"), "rejected")
    assert await uses(there) == [UNKNOWN]
    await first.plugin.close()
    assert [use["lastResult"] for use in await uses(there)] == ["rejected"]


# The key that is stored now


async def last_results(user: User) -> list[str | None]:
    return [use and use["lastResult"] for use in await uses(user)]


@RUN
async def test_it_goes_with_the_key(gateway: Gateway) -> None:
    alice, plugin = gateway.user("alice"), gateway.plugin
    await alice.create(body(await sealed(alice)))
    await plugin.report(await plugin.resolve("alice"), "accepted")
    # Kept, sent back, and copied to another entry, it is the same key.
    stored = (await alice.keys())["gpt-4"]
    await alice.update(body(entry()))
    assert await last_results(alice) == ["accepted"]
    await alice.update(body(entry(key=stored), entry("gpt-5", key=stored), entry("o3")))
    assert await last_results(alice) == ["accepted", "accepted", None]
    # Another one, removed, and sent back once more.
    await alice.update(body(await sealed(alice), entry("gpt-5", key=None)))
    assert await uses(alice) == [UNKNOWN, None]
    await alice.update(body(entry(key=stored)))
    assert await last_results(alice) == ["accepted"]


@RUN
async def test_rotation_keeps_it(make_gateway: MakeGateway, keyring: Any) -> None:
    before = await make_gateway(**SHARED)
    alice = User(before, {})
    await alice.create(body(await sealed(alice), entry("o3", key=OPAQUE)))
    old = (await alice.keys())["gpt-4"]
    for model in ("gpt-4", "o3"):
        await before.plugin.report(await before.plugin.resolve("alice", model=model), "rejected")
    await before.plugin.close()
    turn(keyring)
    after = await make_gateway(**SHARED)
    alice = User(after, {})
    assert (await after.plugin.rotate()).rewrapped == 2
    assert (await alice.keys())["gpt-4"] != old
    assert await last_results(alice) == ["rejected", "rejected"]
    # An old copy that comes back is wrapped anew, too.
    await alice.update(body(entry(key=old), entry("o3")))
    assert (await alice.keys())["gpt-4"] != old
    assert await last_results(alice) == ["rejected", "rejected"]


@RUN
async def test_deleting_a_configuration_deletes_it(
    make_gateway: MakeGateway, mongod: Any, database_name: str
) -> None:
    gateway = await make_gateway()
    alice = gateway.user("alice")
    await alice.create(body(await sealed(alice)))
    stored = (await alice.keys())["gpt-4"]
    await gateway.plugin.report(await gateway.plugin.resolve("alice"), "rejected")
    await gateway.plugin._key_use.flush()
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        collection = client[database_name][COLLECTION]
        assert collection.count_documents({}) == 1
        await alice.delete()
        await alice.create(body(entry(key=stored)))
        assert await uses(alice) == [UNKNOWN]
        await gateway.plugin._key_use.flush()
        assert collection.count_documents({}) == 0
    assert await uses(alice) == [UNKNOWN]


# What it costs


@RUN
async def test_only_who_asks_for_it_reads_it(
    make_gateway: MakeGateway, mongod: Any, database_name: str
) -> None:
    with recorded(mongod.uri, database_name) as (database, commands):
        gateway = await make_gateway(database=database)
        alice = gateway.user("alice")
        await alice.create(body(await sealed(alice)))
        for include, asked in ((None, 1), ("keyState,apiKeyEncrypted", 1), ("keyUse", 2)):
            commands.clear()
            assert (await alice.read(include)).code == 200
            assert commands.names == ["find"] * asked
        commands.clear()
        await gateway.plugin.report(await gateway.plugin.resolve("alice"), "accepted")
        assert commands.names == ["find"]
        await gateway.plugin._key_use.flush()
        assert commands.names == ["find", "update"]
        await gateway.plugin.close()

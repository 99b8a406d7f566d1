"""The audit trail: a record for each use, of where it changed something, without a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import audit
from aiconfig_plugin.domain.model import Owner
from aiconfig_plugin.errors import KeyUnreadable
from aiconfig_plugin.keys.keyring import load_keyring
from tests.support.builders import RUN, drop, logged, new_vault, turn
from tests.support.gateway import OPAQUE, READ_PATH, Gateway, User, body, entry, problem

CLIENT = "demo-spa"


@pytest.fixture
def trail() -> Iterator[list[str]]:
    with logged("aiconfig_plugin.audit") as messages:
        yield messages


def taken(trail: list[str]) -> list[dict[str, Any]]:
    """The records since the last look."""
    records = [json.loads(message) for message in trail]
    trail.clear()
    return records


def last(trail: list[str], action: str, changed: list[str]) -> dict[str, Any]:
    """The one record since the last look; checks it whole, but for its revision."""
    [record] = taken(trail)
    assert set(record) == {
        "time", "action", "issuer", "subject", "client_id", "revision", "changed",
    }  # fmt: skip
    age = datetime.now(timezone.utc) - datetime.fromisoformat(record["time"])
    assert timedelta(seconds=-1) < age < timedelta(seconds=30)
    assert (record["action"], record["changed"]) == (action, changed)
    assert record["subject"] == "alice"
    return record


def revision_of(response: Any) -> str:
    tag: str = response.headers["ETag"]
    return tag.strip('"')


def _owner(gateway: Gateway, subject: str) -> Owner:
    return Owner(gateway.issuer, subject)


# What is recorded


@RUN
async def test_each_use_leaves_one_record_of_who_what_and_when(
    gateway: Gateway, trail: list[str]
) -> None:
    alice = gateway.user("alice")
    created = await alice.create(body(entry(key=OPAQUE)))
    record = last(trail, "create", [""])
    assert record["issuer"] == gateway.issuer
    client = record["client_id"]
    assert client == CLIENT
    assert record["revision"] == revision_of(created)

    await alice.read("apiKeyEncrypted")
    record = last(trail, "read-keys", [])
    assert (record["client_id"], record["revision"]) == (client, revision_of(created))

    updated = await alice.update(body(entry(), prompt="New."))
    record = last(trail, "update", ["/system_prompt"])
    assert (record["client_id"], record["revision"]) == (client, revision_of(updated))

    await gateway.plugin.resolve("alice")
    record = last(trail, "resolve", [])
    assert (record["client_id"], record["revision"]) == (None, revision_of(updated))

    await alice.delete()
    record = last(trail, "delete", [""])
    assert (record["client_id"], record["revision"]) == (client, revision_of(updated))


@RUN
async def test_a_plain_read_leaves_none(gateway: Gateway, trail: list[str]) -> None:
    alice = gateway.user("alice")
    await alice.create(body(entry(key=OPAQUE)))
    taken(trail)
    for include in (None, "keyState"):
        assert (await alice.read(include)).code == 200
    assert (await gateway.call("GET", f"{READ_PATH}/encryption-key", None, alice.auth)).code == 200
    assert (await gateway.call("HEAD", READ_PATH, None, alice.auth)).code == 200
    assert taken(trail) == []


@RUN
async def test_a_stored_key_that_comes_back_is_no_change(
    gateway: Gateway, trail: list[str]
) -> None:
    alice = gateway.user("alice")
    await alice.create(body(entry("a", key=OPAQUE)))
    key = (await alice.keys())["a"]
    taken(trail)
    await alice.update(body(entry("a", key=key)))
    last(trail, "update", [])


# What was refused


def refusals(trail: list[str]) -> list[str]:
    return [f"{record['action']} {record['refused']}" for record in taken(trail)]


@RUN
async def test_what_was_refused_leaves_one_where_it_is_about_keys_or_the_revision(
    gateway: Gateway, keyring: Path, trail: list[str]
) -> None:
    alice = gateway.user("alice")
    sealed_to_bob = seal(gateway.plugin._vault.recipient(_owner(gateway, "bob")), "k")

    async def refuse(user: User) -> None:
        problem(await user.update(body()), 404, "config-not-found")
        problem(await user.delete(), 404, "config-not-found")
        problem(await user.read("apiKeyEncrypted"), 404, "config-not-found")
        problem(await user.create(body(entry(key=sealed_to_bob))), 422, "key-not-accepted")
        problem(await user.create(body(entry(key="sk-" + "x" * 40))), 422, "key-not-encrypted")
        problem(await user.create({}), 422, "schema-violation")
        problem(await user.create(body(entry(), entry())), 422, "duplicate-model")

    await refuse(alice)
    assert refusals(trail) == ["create key-not-accepted", "create key-not-encrypted"]
    await alice.create(body(entry(key=OPAQUE)))
    taken(trail)
    problem(await alice.create(body()), 409, "config-exists")
    problem(await alice.update(body(), If_Match='"other"'), 412, "revision-mismatch")
    problem(await alice.delete(If_Match='"other"'), 412, "revision-mismatch")
    problem(await alice.update(body(entry(key=sealed_to_bob))), 422, "key-not-accepted")
    problem(await alice.read("everything"), 400, "invalid-parameter")
    lost = load_keyring(keyring).primary
    turn(keyring)
    drop(keyring, lost)
    gateway.plugin._service._vault = new_vault(keyring)
    with pytest.raises(KeyUnreadable):
        await gateway.plugin.resolve("alice")
    assert refusals(trail) == [
        "update revision-mismatch",
        "delete revision-mismatch",
        "update key-not-accepted",
        "resolve key-unreadable",
    ]


# What is not recorded


@RUN
async def test_no_record_holds_a_key_a_ciphertext_a_token_or_a_prompt(
    gateway: Gateway, trail: list[str]
) -> None:
    alice = gateway.user("alice")
    secret, prompt = "sk-live-the-secret", "The text of a prompt"
    sealed = seal(gateway.plugin._vault.recipient(_owner(gateway, "alice")), secret)
    await alice.create(body(entry(key=sealed), entry("o3", key=OPAQUE), prompt=prompt))
    keys = await alice.keys()
    await alice.update(body(entry(key=keys["gpt-4"]), entry("o3", key=None), prompt=prompt * 2))
    await gateway.plugin.resolve("alice")
    await alice.delete()
    shown = "\n".join(trail)
    assert len(trail) == 5
    hidden = [secret, prompt, sealed, OPAQUE, alice.auth["Authorization"].split()[1]]
    hidden += [key for key in keys.values() if key]
    for text in hidden:
        assert text not in shown and all(p not in shown for p in text.split(".") if len(p) > 8)


@RUN
async def test_a_name_with_a_line_feed_stays_in_its_record(
    gateway: Gateway, trail: list[str]
) -> None:
    audit.record("delete", _owner(gateway, 'x\n{"action": "forged"}\u2028'), "r1")
    [message] = trail
    assert len(message.splitlines()) == 1
    assert json.loads(message)["subject"] == 'x\n{"action": "forged"}\u2028'

"""Entries with endpoints of their own: what is allowed, what is kept, and where a key may go."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from aiconfig_plugin import Principal
from aiconfig_plugin.errors import BaseURLRefused, KeyUnreadable, ModelNotConfigured
from tests.support.builders import turn
from tests.support.gateway import (
    BOTH,
    CREATE_PATH,
    UPDATE_PATH,
    Gateway,
    body,
    entry,
    problem,
)

MakeGateway = Callable[..., Awaitable[Gateway]]
RUN = pytest.mark.gen_test(timeout=60)

AZURE, VLLM = "https://azure.example/openai", "http://127.0.0.1:8000/v1"
MEMBERS: dict[str, Any] = {
    "label": "work",
    "enabled": False,
    "baseUrl": AZURE,
    "options": {"apiVersion": "2026-01-01", "timeout": 2.5, "stream": True, "a.b": 1},
}
ALLOWED = ("https://azure.example", "https://other.example", "http://127.0.0.1:8000")


@RUN
async def test_members_that_are_given_come_back_as_they_were(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(base_urls=ALLOWED)
    alice = gateway.user("alice")
    given = body(entry(), {**entry(), **MEMBERS}, {**entry(), "label": "home", "options": {}})
    for send in (alice.create, alice.update):
        response = await send(given)
        assert response.code in (200, 201), response.body
        assert json.loads(response.body) == given
    assert json.loads((await alice.read()).body) == given


@RUN
async def test_the_documents_carry_the_names_of_the_json(
    make_gateway: MakeGateway, documents: Any
) -> None:
    gateway = await make_gateway(base_urls=ALLOWED)
    await gateway.user("alice").create(body(entry(), {**entry(), **MEMBERS}))
    plain, more = documents.find_one()["models"]
    assert plain == entry()
    assert more == {**entry(), **MEMBERS, "origin": "https://azure.example"}


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"label": ""}, "/label", "minLength"),
        ({"label": " work"}, "/label", "pattern"),
        ({"label": "x" * 81}, "/label", "maxLength"),
        ({"label": None}, "/label", "type"),
        ({"enabled": 1}, "/enabled", "type"),
        ({"baseUrl": ""}, "/baseUrl", "minLength"),
        ({"baseUrl": "azure.example"}, "/baseUrl", "format"),
        ({"baseUrl": "https://user:sk-secret@azure.example"}, "/baseUrl", "format"),
        ({"baseUrl": "http://2130706433/"}, "/baseUrl", "format"),
        ({"baseUrl": "https://azure.example/" + "x" * 500}, "/baseUrl", "maxLength"),
        ({"options": []}, "/options", "type"),
        ({"options": {"1": 1}}, "/options", "additionalProperties"),
        ({"options": {"a\n": 1}}, "/options", "additionalProperties"),
        ({"options": {f"n{i}": 1 for i in range(33)}}, "/options", "maxProperties"),
        ({"options": {"n": None}}, "/options/n", "type"),
        ({"options": {"n": {"m": 1}}}, "/options/n", "type"),
        ({"options": {"n": "x" * 1025}}, "/options/n", "maxLength"),
        ({"options": {"n": 2**53}}, "/options/n", "maximum"),
        ({"options": {"n": -(10**400)}}, "/options/n", "minimum"),
        ({"options": {f"n{i}": "x" * 1020 for i in range(4)}}, "/options", "x-maxBytes"),
    ],
)
@RUN
async def test_a_bad_member_is_told_by_its_place(
    gateway: Gateway, members: dict[str, Any], pointer: str, code: str
) -> None:
    response = await gateway.user("alice").create(body({**entry(), **members}))
    found = problem(response, 422, "schema-violation")["errors"]
    assert (f"/models/0{pointer}", code) in [(one["pointer"], one["code"]) for one in found]
    assert b"sk-secret" not in response.body


@RUN
async def test_a_number_that_is_none_for_json_is_refused(gateway: Gateway) -> None:
    raw = json.dumps(body({**entry(), "options": {"n": 1}})).replace('"n": 1', '"n": 1e400')
    response = await gateway.user("alice").create(raw.encode())
    [found] = problem(response, 422, "schema-violation")["errors"]
    assert (found["pointer"], found["code"]) == ("/models/0/options/n", "maximum")


@RUN
async def test_only_what_the_operator_allows_may_be_a_base_url(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(base_urls="public, http://127.0.0.1:8000")
    alice = gateway.user("alice")
    urls = [AZURE, "http://azure.example", VLLM, "http://127.0.0.1:9000"]
    given = [{**entry(f"m{n}"), "baseUrl": url} for n, url in enumerate(urls)]
    found = problem(await alice.create(body(*given)), 422, "base-url-not-allowed")
    assert [one["pointer"] for one in found["errors"]] == ["/models/1/baseUrl", "/models/3/baseUrl"]
    assert (await alice.create(body(given[0], given[2]))).code == 201


@RUN
async def test_without_a_setting_no_base_url_is_allowed(gateway: Gateway) -> None:
    response = await gateway.user("alice").create(body({**entry(), "baseUrl": AZURE}))
    problem(response, 422, "base-url-not-allowed")


@RUN
async def test_an_api_key_among_the_options_is_refused(gateway: Gateway) -> None:
    given = {**entry(), "options": {"region": "eu", "key": "sk-" + "x" * 40}}
    response = await gateway.user("alice").create(body(given))
    [found] = problem(response, 422, "key-not-encrypted")["errors"]
    assert found["pointer"] == "/models/0/options/key"
    assert b"sk-x" not in response.body


@RUN
async def test_an_origin_that_is_taken_off_the_list_leaves_its_entries_unused(
    make_gateway: MakeGateway,
) -> None:
    async def alice(_request: object) -> Principal:
        return Principal("https://issuer.example", "alice", BOTH)

    given = body({**entry(), "baseUrl": AZURE}, entry("fallback"))
    before = await make_gateway(authenticate=alice, base_urls=ALLOWED)
    assert (await before.call("POST", CREATE_PATH, given)).code == 201
    after = await make_gateway(authenticate=alice, issuer="https://issuer.example")
    response = await after.call("PUT", UPDATE_PATH, given)
    assert response.code == 200 and json.loads(response.body) == given
    assert (await after.plugin.resolve("alice")).model == "fallback"
    moved = body({**entry(), "baseUrl": "https://other.example"})
    problem(await after.call("PUT", UPDATE_PATH, moved), 422, "base-url-not-allowed")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, AZURE),
        (AZURE, None),
        (AZURE, "https://other.example"),
        (VLLM, "https://azure.example/v1"),
    ],
)
@RUN
async def test_a_key_does_not_follow_its_entry_to_another_origin(
    make_gateway: MakeGateway, documents: Any, before: str | None, after: str | None
) -> None:
    gateway = await make_gateway(base_urls=ALLOWED)
    alice = gateway.user("alice")

    def at(url: str | None, **members: Any) -> Any:
        other = entry("other")
        return body(other, {**entry(**members), **({} if url is None else {"baseUrl": url})})

    key = await alice.seal("sk-first")
    assert (await alice.create(at(before, key=key))).code == 201
    stored = documents.find_one()
    [found] = problem(await alice.update(at(after)), 422, "key-required")["errors"]
    assert found["pointer"] == "/models/1/apiKeyEncrypted"
    returned = (await alice.keys())["gpt-4"]
    [found] = problem(await alice.update(at(after, key=returned)), 422, "key-not-accepted")[
        "errors"
    ]
    assert found["pointer"] == "/models/1/apiKeyEncrypted"
    assert documents.find_one() == stored
    for key in (None, await alice.seal("sk-second")):
        assert (await alice.update(at(after, key=key))).code == 200
    chosen = await gateway.plugin.resolve("alice", model="gpt-4")
    assert chosen.api_key and chosen.api_key.get_secret_value() == "sk-second"
    assert chosen.base_url == after


@RUN
async def test_a_key_stays_where_only_the_path_or_the_spelling_changes(
    make_gateway: MakeGateway,
) -> None:
    gateway = await make_gateway(base_urls=ALLOWED)
    alice = gateway.user("alice")
    key = await alice.seal("sk-first")
    assert (await alice.create(body({**entry(key=key), "baseUrl": AZURE}))).code == 201
    for url in ("https://AZURE.example:443/v2", "https://azure.example"):
        assert (await alice.update(body({**entry(), "baseUrl": url}))).code == 200
    chosen = await gateway.plugin.resolve("alice")
    assert chosen.api_key and chosen.api_key.get_secret_value() == "sk-first"


@pytest.mark.parametrize(
    "change",
    [
        {"models.0.baseUrl": "https://other.example"},
        {"models.0.baseUrl": "https://other.example", "models.0.origin": "https://azure.example"},
        {"models.0.baseUrl": "no url", "models.0.origin": "https://azure.example"},
        {"models.0.provider": "Other"},
    ],
)
@RUN
async def test_a_hand_in_the_database_sends_no_key_elsewhere(
    make_gateway: MakeGateway, documents: Any, change: dict[str, str]
) -> None:
    gateway = await make_gateway(base_urls=ALLOWED)
    alice = gateway.user("alice")
    key = await alice.seal("sk-first")
    await alice.create(body({**entry(key=key), "baseUrl": AZURE}))
    documents.update_one({}, {"$set": change})
    with pytest.raises((KeyUnreadable, ModelNotConfigured)):
        await gateway.plugin.resolve("alice")


@RUN
async def test_entries_for_one_model_differ_by_their_labels(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway()
    alice = gateway.user("alice")
    named = {n: {**entry(key=await alice.seal(f"sk-{n}")), "label": n} for n in ("work", "home")}
    assert (await alice.create(body(named["work"], named["home"]))).code == 201
    swapped = [{**entry(), "label": label} for label in ("home", "work")]
    assert (await alice.update(body(*swapped))).code == 200
    for label in ("home", "work"):
        chosen = await gateway.plugin.resolve("alice", label=label)
        assert chosen.api_key and chosen.api_key.get_secret_value() == f"sk-{label}"
    problem(await alice.update(body(swapped[0], swapped[0])), 422, "duplicate-model")


class Provider(RequestHandler):
    async def post(self) -> None:
        self.write({"authorization": self.request.headers.get("Authorization")})


@RUN
async def test_a_client_reaches_the_entrys_endpoint_and_nothing_else(
    make_gateway: MakeGateway,
) -> None:
    listener, port = bind_unused_port()
    server = HTTPServer(Application([("/v1/chat/completions", Provider)]))
    server.add_socket(listener)
    gateway = await make_gateway(base_urls=f"public, http://127.0.0.1:{port}")
    alice = gateway.user("alice")
    mine = {**entry(key=await alice.seal("sk-mine")), "baseUrl": f"http://127.0.0.1:{port}/v1"}
    theirs = {**entry("theirs"), "baseUrl": "https://localhost"}
    await alice.create(body(mine, theirs, entry("nowhere")))
    chosen = await gateway.plugin.resolve("alice", model="gpt-4")
    assert chosen.api_key
    headers = {"Authorization": f"Bearer {chosen.api_key.get_secret_value()}"}
    async with gateway.plugin.client(chosen) as client:
        response = await client.post("chat/completions", headers=headers)
        assert response.json() == {"authorization": "Bearer sk-mine"}
        with pytest.raises(BaseURLRefused):
            await client.get(f"http://127.0.0.1:{gateway.port}/", headers=headers)
    async with gateway.plugin.client(
        await gateway.plugin.resolve("alice", model="theirs")
    ) as client:
        with pytest.raises(BaseURLRefused):  # "public" is not this machine
            await client.get("")
    with pytest.raises(BaseURLRefused):
        gateway.plugin.client(await gateway.plugin.resolve("alice", model="nowhere"))
    server.stop()
    await server.close_all_connections()


OLD = json.loads((Path(__file__).parents[1] / "vectors" / "documents-0.1.json").read_text("utf-8"))


@RUN
async def test_documents_of_version_0_1_are_resolved_and_rotated_and_not_rewritten_else(
    make_gateway: MakeGateway, documents: Any, tmp_path: Path
) -> None:
    (tmp_path / "old.json").touch(0o600)
    (tmp_path / "old.json").write_text(json.dumps(OLD["keyring"]), encoding="utf-8")
    documents.insert_many(OLD["documents"])
    gateway = await make_gateway(keyring="old.json", base_urls=ALLOWED)
    await _resolves_old_keys(gateway)
    assert list(documents.find({}, sort=[("_id", 1)])) == sorted(
        OLD["documents"], key=lambda document: document["_id"]
    )
    turn(tmp_path / "old.json")
    turned = await make_gateway(keyring="old.json")
    rotation = await turned.plugin.rotate()
    assert (rotation.rewrapped, rotation.left) == (3, {})
    await _resolves_old_keys(turned)


async def _resolves_old_keys(gateway: Gateway) -> None:
    for document in OLD["documents"]:
        subject = document["subject"]
        for stored, key in zip(document["models"], OLD["api_keys"][subject], strict=True):
            chosen = await gateway.plugin.resolve(
                subject, issuer="https://login.example", model=stored["model"]
            )
            assert (chosen.api_key and chosen.api_key.get_secret_value()) == key
            assert (chosen.label, chosen.options, chosen.base_url) == (None, None, None)

"""What each route does when all goes well, and what it refuses of a well-formed request."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urljoin

import pytest
from tornado.httpclient import HTTPResponse
from tornado.httputil import HTTPHeaders

from tests.support.gateway import (
    CREATE_PATH,
    DELETE_PATH,
    OPAQUE,
    OPENAPI_PATH,
    READ_PATH,
    UPDATE_PATH,
    Gateway,
    User,
    body,
    entry,
    problem,
)

# The body of the contract, and its standard representation.
BODY = {
    "models": [
        {
            "provider": "OpenAI",
            "type": "chat",
            "model": "gpt-4",
            "apiKeyEncrypted": OPAQUE,
            "isPaid": True,
        },
        {
            "provider": "Ollama",
            "type": "chat",
            "model": "llama3",
            "apiKeyEncrypted": None,
            "isPaid": False,
        },
    ],
    "system_prompt": "You are a helpful AI assistant.",
}
STANDARD = {
    "models": [
        {"provider": "OpenAI", "type": "chat", "model": "gpt-4", "isPaid": True},
        {"provider": "Ollama", "type": "chat", "model": "llama3", "isPaid": False},
    ],
    "system_prompt": "You are a helpful AI assistant.",
}
JWE = re.compile(r"[\w-]+(\.[\w-]+){4}")


@pytest.fixture
def alice(gateway: Gateway) -> User:
    return gateway.user("alice")


@pytest.fixture
def bob(gateway: Gateway) -> User:
    return gateway.user("bob")


def read(response: HTTPResponse, status: int = 200) -> Any:
    assert response.code == status, (response.code, response.body)
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.body)


# Create and read


async def test_create_answers_what_it_stored_where_it_is_and_its_revision_and_happens_once(
    gateway: Gateway, alice: User
) -> None:
    created = await alice.create(BODY)
    assert read(created, 201) == STANDARD
    assert created.headers["Location"] == "../get/ai-model-config"
    assert urljoin(CREATE_PATH, created.headers["Location"]) == READ_PATH
    assert re.fullmatch(r'"[\x21\x23-\x7e]{16,}"', created.headers["ETag"])
    problem(await alice.create(body(prompt="Another.")), 409, "config-exists")
    found = await gateway.call("GET", READ_PATH, None, alice.auth)
    assert read(found) == STANDARD
    assert found.headers["ETag"] == created.headers["ETag"]


async def test_of_racing_creates_one_wins(alice: User) -> None:
    answers = await asyncio.gather(*(alice.create(body(prompt=f"p{n}")) for n in range(8)))
    assert sorted(answer.code for answer in answers) == [201] + [409] * 7
    [winner] = [answer for answer in answers if answer.code == 201]
    assert read(await alice.read()) == read(winner, 201)


async def test_create_without_a_key_stores_none(alice: User) -> None:
    await alice.create(body(entry("absent"), entry("null", key=None), entry("set", key=OPAQUE)))
    assert await alice.states() == {"absent": "unset", "null": "unset", "set": "set"}


async def test_head_is_get_without_the_body(gateway: Gateway, alice: User) -> None:
    problem(await alice.read(), 404, "config-not-found")
    missing = await gateway.call("HEAD", READ_PATH, None, alice.auth)
    assert (missing.code, missing.body) == (404, b"")
    await alice.create(BODY)
    for query in ("", "?include=apiKeyEncrypted,keyState"):
        got = await gateway.call("GET", READ_PATH + query, None, alice.auth)
        head = await gateway.call("HEAD", READ_PATH + query, None, alice.auth)
        assert (head.code, head.body) == (200, b"")
        for name in ("ETag", "Cache-Control", "Content-Type", "Content-Length", "Vary"):
            assert head.headers[name] == got.headers[name]


async def test_entries_keep_their_order_and_every_character(alice: User) -> None:
    names = ["zeta", "$where", "a.b", "$$ROOT", "ünï/çødé", "日本", "\U0001f511", 'q"uo\\te']
    sent = body(*(entry(name, provider=name) for name in names), prompt="nul\0, \U0001f511\r\n$x")
    assert read(await alice.create(sent), 201) == sent
    assert read(await alice.read()) == sent
    assert read(await alice.update(sent)) == sent


async def test_the_limits_themselves_are_allowed(alice: User) -> None:
    many = [entry(f"{n:03}".ljust(200, "m"), provider="p" * 64, type="t" * 32) for n in range(100)]
    assert (await alice.create(body(*many, prompt="é" * 32_768))).code == 201
    assert (await alice.update(body(entry("m", key="k" * 8192), prompt=""))).code == 200


# include


ADDED = {
    "include=apiKeyEncrypted": {"apiKeyEncrypted"},
    "include=keyState": {"keyState"},
    "include=apiKeyEncrypted,keyState": {"apiKeyEncrypted", "keyState"},
    "include=keyState%2CapiKeyEncrypted": {"apiKeyEncrypted", "keyState"},
    "include=keyState&include=apiKeyEncrypted": {"apiKeyEncrypted", "keyState"},
    "include=keyState,keyState": {"keyState"},
    "other=1": set(),
}
UNKNOWN = (
    *("include=", "include", "include=,", "include=keyState,", "include=keystate"),
    *("include=apiKey", "include=*", "include=keyState;apiKeyEncrypted"),
    *("include=keyState&include=all", "include=%FF"),
)


async def test_include_adds_what_it_names_to_every_entry(gateway: Gateway, alice: User) -> None:
    await alice.create(BODY)
    for query, added in ADDED.items():
        answer = await gateway.call("GET", f"{READ_PATH}?{query}", None, alice.auth)
        models = read(answer)["models"]
        assert [set(m) for m in models] == [{"provider", "type", "model", "isPaid"} | added] * 2
        if "keyState" in added:
            assert [model["keyState"] for model in models] == ["set", "unset"]
        if "apiKeyEncrypted" in added:
            assert JWE.fullmatch(models[0]["apiKeyEncrypted"])
            assert models[1]["apiKeyEncrypted"] is None
    for query in UNKNOWN:
        answer = await gateway.call("GET", f"{READ_PATH}?{query}", None, alice.auth)
        problem(answer, 400, "invalid-parameter")


# If-None-Match


async def test_what_the_client_has_already_is_not_sent_again(alice: User) -> None:
    etag = (await alice.create(BODY)).headers["ETag"]
    for include, cache in (
        (None, "private, no-cache"),
        ("apiKeyEncrypted", "no-store"),
        ("keyState", "no-store"),
    ):
        for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = await alice.read(include, If_None_Match=given)
            assert (answer.code, answer.body) == (304, b"")
            assert answer.headers["ETag"] == etag
            assert answer.headers["Vary"] == "Authorization"
            assert answer.headers["Cache-Control"] == cache
    assert read(await alice.read(None, If_None_Match='"other"')) == STANDARD
    new = (await alice.update(BODY)).headers["ETag"]
    assert (await alice.read(None, If_None_Match=etag)).code == 200
    assert (await alice.read(None, If_None_Match=new)).code == 304


# Update, and what becomes of the keys


async def test_update_answers_what_it_stored_and_a_new_revision(alice: User) -> None:
    created = await alice.create(BODY)
    sent = body(entry("o3", paid=False), prompt="Be brief.")
    updated = await alice.update(sent)
    assert read(updated) == sent
    assert updated.headers["ETag"] != created.headers["ETag"]
    found = await alice.read()
    assert read(found) == sent
    assert found.headers["ETag"] == updated.headers["ETag"]


async def test_an_absent_key_is_kept_null_removes_it_and_a_string_replaces_it(alice: User) -> None:
    names = ("kept", "removed", "replaced", "never")
    await alice.create(body(*(entry(name, key=OPAQUE) for name in names[:3]), entry("never")))
    before = await alice.keys()
    sent = body(
        entry("kept", paid=False),
        entry("removed", key=None),
        entry("replaced", key=OPAQUE + "new"),
        entry("never"),
    )
    answer = await alice.update(sent)
    assert [set(model) for model in read(answer)["models"]] == [
        {"provider", "type", "model", "isPaid"}
    ] * 4
    after = await alice.keys()
    assert after["kept"] == before["kept"]
    assert after["removed"] is after["never"] is None
    assert after["replaced"] not in (None, before["replaced"])


async def test_kept_keys_follow_their_entries_into_a_new_order(alice: User) -> None:
    names = ("a", "b", "c")
    await alice.create(body(*(entry(name, key=OPAQUE + name) for name in names)))
    before = await alice.keys()
    await alice.update(body(entry("c"), entry("new"), entry("a"), entry("b")))
    assert await alice.keys() == {**before, "new": None}
    await alice.update(body(entry("b")))
    assert await alice.keys() == {"b": before["b"]}
    await alice.update(body(*(entry(name) for name in names)))
    assert await alice.keys() == {"a": None, "b": before["b"], "c": None}


async def test_an_entry_of_another_name_is_new_and_has_no_key(alice: User) -> None:
    await alice.create(body(entry(key=OPAQUE)))
    others = (entry("gpt-4o"), entry(provider="Azure"), entry(type="embedding"), entry("GPT-4"))
    for changed in others:
        await alice.update(body(entry(key=OPAQUE)))
        await alice.update(body(changed))
        assert set((await alice.states()).values()) == {"unset"}
        await alice.update(body(entry()))
        assert set((await alice.states()).values()) == {"unset"}


async def test_a_stored_key_sent_back_is_kept_as_it_is_and_for_nobody_else(
    alice: User, bob: User
) -> None:
    await alice.create(body(entry("one", key=OPAQUE)))
    stored = (await alice.keys())["one"]
    assert stored is not None
    await alice.update(body(entry("one", key=stored), entry("two", key=stored, type="image")))
    assert await alice.keys() == {"one": stored, "two": stored}
    await alice.delete()
    created = await alice.create(body(entry("three", key=stored)))
    assert await alice.keys() == {"three": stored}

    middle = len(stored) // 2
    damaged = stored[:middle] + ("B" if stored[middle] == "A" else "A") + stored[middle + 1 :]
    for refused in (
        entry("x", provider="openai", key=stored),
        *(entry("x", key=key) for key in (damaged, stored[:-8], stored + ".AAAA")),
    ):
        document = problem(
            await alice.update(body(entry("three"), refused)), 422, "key-not-accepted"
        )
        assert [e["pointer"] for e in document["errors"]] == ["/models/1/apiKeyEncrypted"]
    assert (await alice.read()).headers["ETag"] == created.headers["ETag"]
    assert await alice.keys() == {"three": stored}
    problem(await bob.create(body(entry("three", key=stored))), 422, "key-not-accepted")
    problem(await bob.read(), 404, "config-not-found")


async def test_a_plain_key_is_refused_and_nothing_is_stored(alice: User) -> None:
    key = "sk-" + "a1B2" * 12
    refused = await alice.create(body(entry("a"), entry("b", key=key)))
    document = problem(refused, 422, "key-not-encrypted")
    told = [(e["pointer"], e["code"]) for e in document["errors"]]
    assert told == [("/models/1/apiKeyEncrypted", "key-not-encrypted")]
    assert key.encode() not in refused.body
    problem(await alice.read(), 404, "config-not-found")
    created = await alice.create(BODY)
    problem(await alice.update(body(entry(key=key))), 422, "key-not-encrypted")
    assert (await alice.read()).headers["ETag"] == created.headers["ETag"]


async def test_two_entries_may_not_share_provider_type_and_model(alice: User) -> None:
    twins = body(entry(), entry("b"), entry(paid=False), entry(type="image"), entry("b"))
    document = problem(await alice.create(twins), 422, "duplicate-model")
    assert [e["pointer"] for e in document["errors"]] == ["/models/2", "/models/4"]
    problem(await alice.read(), 404, "config-not-found")


async def test_all_violations_are_told_in_document_order_fifty_at_most(alice: User) -> None:
    wrong = {"system_prompt": 1, "models": [{"provider": " x", "type": "Chat", "isPaid": 1}]}
    document = problem(await alice.create(wrong), 422, "schema-violation")
    assert [(e["pointer"], e["code"]) for e in document["errors"]] == [
        ("/system_prompt", "type"),
        ("/models/0", "required"),
        ("/models/0/provider", "pattern"),
        ("/models/0/type", "pattern"),
        ("/models/0/isPaid", "type"),
    ]
    many = body(*(entry("", type="X") for _ in range(100)))
    document = problem(await alice.create(many), 422, "schema-violation")
    assert len(document["errors"]) == 50
    assert document["errors"][-1]["pointer"].startswith("/models/24/")
    for other in ([], None, "text", 1, True, {}):
        problem(await alice.create(json.dumps(other).encode()), 422, "schema-violation")


async def test_a_configuration_may_have_no_entry(alice: User) -> None:
    empty = {"models": [], "system_prompt": ""}
    assert read(await alice.create(empty), 201) == empty
    assert read(await alice.read()) == empty
    await alice.update(BODY)
    assert read(await alice.update(empty)) == empty


async def test_a_key_whose_storage_key_is_gone_is_unreadable_and_still_kept(
    make_gateway: Callable[..., Awaitable[Gateway]], caplog: pytest.LogCaptureFixture
) -> None:
    # Both have the same issuer, so that alice is the same owner.
    first = await make_gateway()
    issuer = {"issuer": first.issuer, "introspection_endpoint": f"{first.issuer}/introspect"}
    alice = first.user("alice")
    await alice.create(body(entry("kept", key=OPAQUE), entry("removed", key=OPAQUE)))
    before = await alice.keys()

    second = await make_gateway(keyring="another.json", **issuer)
    assert "2 stored API keys are wrapped by key" in caplog.text
    stranger = User(second, alice.auth)
    assert await stranger.states() == {"kept": "unreadable", "removed": "unreadable"}
    assert await stranger.keys() == before
    assert (await stranger.update(body(entry("kept"), entry("removed", key=None)))).code == 200
    assert await stranger.states() == {"kept": "unreadable", "removed": "unset"}
    # What may not be read may still be sent back, but not changed or moved.
    sent_back = body(entry("kept", key=before["kept"]), entry("removed"))
    assert (await stranger.update(sent_back)).code == 200
    assert (await stranger.keys())["kept"] == before["kept"]
    for refused in (
        entry("kept", key=f"{before['kept']}AAAA"),
        entry("kept", key=before["removed"]),
        entry("kept", provider="Azure", key=before["kept"]),
    ):
        problem(await stranger.update(body(refused)), 422, "key-not-accepted")
    bob = User(second, first.auth("bob"))
    refused_of_bob = await bob.create(body(entry("kept", key=before["kept"])))
    problem(refused_of_bob, 422, "key-not-accepted")

    assert await alice.states() == {"kept": "set", "removed": "unset"}
    assert (await alice.keys())["kept"] == before["kept"]


# If-Match


@pytest.mark.parametrize("method", ["update", "delete"])
async def test_a_write_happens_only_while_if_match_names_the_revision(
    alice: User, method: str
) -> None:
    etag = (await alice.create(BODY)).headers["ETag"]
    for given in ('"other"', 'W/"other"', f"junk {etag}", f"{etag}{', ' * 4096}{etag}"):
        answer = await conditional(alice, method, given)
        problem(answer, 412, "revision-mismatch")
        found = await alice.read()
        assert (read(found), found.headers["ETag"]) == (STANDARD, etag)
    await alice.update(BODY)
    problem(await conditional(alice, method, etag), 412, "revision-mismatch")
    for given in ('"other", {}', "W/{}", "*"):  # A proxy that compresses adds the W/.
        current = (await alice.read()).headers["ETag"]
        answer = await conditional(alice, method, given.format(current))
        assert answer.code == (200 if method == "update" else 204), answer.body
        if method == "delete":
            await alice.create(BODY)


async def test_if_match_may_come_in_two_lines(gateway: Gateway, alice: User) -> None:
    etag = (await alice.create(BODY)).headers["ETag"]
    headers = HTTPHeaders({**alice.auth, "If-Match": '"other"'})
    headers.add("If-Match", etag)
    assert (await gateway.call("DELETE", DELETE_PATH, None, headers)).code == 204


async def test_where_there_is_nothing_a_write_is_not_found(alice: User) -> None:
    for method in ("update", "delete"):
        for given in (None, "*", '"any"', "junk"):
            problem(await conditional(alice, method, given), 404, "config-not-found")
    for given in ("*", '"any"'):
        problem(await alice.read(None, If_None_Match=given), 404, "config-not-found")


async def test_of_racing_writers_that_send_if_match_one_wins(alice: User) -> None:
    etag = (await alice.create(BODY)).headers["ETag"]
    answers = await asyncio.gather(
        *(alice.update(body(entry(f"m{n}"), prompt=f"p{n}"), If_Match=etag) for n in range(8))
    )
    assert sorted(answer.code for answer in answers) == [200] + [412] * 7
    [winner] = [answer for answer in answers if answer.code == 200]
    assert read(await alice.read()) == read(winner)


async def conditional(user: User, method: str, if_match: str | None) -> HTTPResponse:
    headers = {} if if_match is None else {"If_Match": if_match}
    if method == "update":
        return await user.update(body(prompt="Changed."), **headers)
    return await user.delete(**headers)


# Delete


async def test_after_a_delete_there_is_nothing_until_the_next_create(alice: User) -> None:
    created = await alice.create(BODY)
    deleted = await alice.delete()
    assert (deleted.code, deleted.body) == (204, b"")
    assert "Content-Type" not in deleted.headers and "ETag" not in deleted.headers
    problem(await alice.read(), 404, "config-not-found")
    problem(await alice.update(BODY), 404, "config-not-found")
    problem(await alice.delete(), 404, "config-not-found")
    again = await alice.create(body())
    assert again.code == 201
    assert again.headers["ETag"] != created.headers["ETag"]
    assert await alice.states() == {"gpt-4": "unset"}


# Owners


async def test_two_owners_never_see_or_touch_what_is_the_others(alice: User, bob: User) -> None:
    alices, bobs = body(entry("a", key=OPAQUE), prompt="A"), body(entry("b"), prompt="B")
    assert (await alice.create(alices)).code == 201
    problem(await bob.read(), 404, "config-not-found")
    problem(await bob.update(bobs), 404, "config-not-found")
    problem(await bob.delete(), 404, "config-not-found")
    assert (await bob.create(bobs)).code == 201
    assert read(await bob.read()) == bobs
    etag = (await alice.read()).headers["ETag"]
    problem(await bob.update(bobs, If_Match=etag), 412, "revision-mismatch")
    assert (await bob.delete()).code == 204
    found = await alice.read()
    assert found.headers["ETag"] == etag
    assert await alice.states() == {"a": "set"}


async def test_the_owner_is_the_tokens_and_never_the_requests(
    gateway: Gateway, alice: User, bob: User
) -> None:
    await alice.create(BODY)
    for extra in ("subject", "sub", "owner", "user_id", "_id", "issuer", "revision"):
        problem(await bob.create({**body(), extra: "alice"}), 422, "schema-violation")
        query = f"{READ_PATH}?{extra}=alice"
        problem(await gateway.call("GET", query, None, bob.auth), 404, "config-not-found")


# Headers


async def test_every_answer_says_how_it_may_be_kept(gateway: Gateway, alice: User) -> None:
    calls: list[tuple[str, str, Any, str]] = [
        ("POST", CREATE_PATH, BODY, "private, no-cache"),
        ("GET", READ_PATH, None, "private, no-cache"),
        ("HEAD", READ_PATH, None, "private, no-cache"),
        ("GET", READ_PATH + "?include=apiKeyEncrypted", None, "no-store"),
        ("HEAD", READ_PATH + "?include=apiKeyEncrypted", None, "no-store"),
        ("GET", READ_PATH + "?include=keyState,apiKeyEncrypted", None, "no-store"),
        ("PUT", UPDATE_PATH, BODY, "private, no-cache"),
        ("POST", CREATE_PATH, BODY, "no-store"),
        ("GET", READ_PATH + "?include=x", None, "no-store"),
        ("DELETE", DELETE_PATH, None, "no-store"),
        ("GET", READ_PATH, None, "no-store"),
    ]
    for method, path, sent, cache in calls:
        answer = await gateway.call(method, path, sent, alice.auth)
        assert answer.headers["Cache-Control"] == cache, (method, path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Vary"] == "Authorization"
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]


async def test_anyone_may_read_the_openapi_document(gateway: Gateway) -> None:
    answer = await gateway.call("GET", OPENAPI_PATH)
    document = read(answer)
    served = {(path, method.lower()) for path, method in declared(gateway)}
    written = {(path, method) for path, item in document["paths"].items() for method in item}
    assert written - served == set()
    # The browser's files are no part of the API.
    assert {path for path, _ in served if "/web/" not in path} == set(document["paths"])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def declared(gateway: Gateway) -> list[tuple[str, str]]:
    return [
        (path, method)
        for path, spec in gateway.routes().items()
        for method in spec.kwargs["route"].methods
    ]


async def test_no_answer_ever_holds_the_key_that_was_submitted(
    gateway: Gateway, alice: User, bob: User
) -> None:
    secret = "c2VjcmV0IG9mIGFsaWNl"
    answers = [
        await alice.create(body(entry(key=secret))),
        await alice.create(body(entry(key=secret))),
        await alice.read("apiKeyEncrypted,keyState"),
        await alice.update(body(entry(key=secret), entry(key=secret))),
        await alice.update(body(entry(key=secret), entry("sk", key="sk-" + secret))),
        await alice.update(body(entry(key=secret), entry("long", key=secret * 500))),
        await alice.update(body(entry(key=secret)), If_Match='"other"'),
        await alice.update(body(entry(key=secret))),
        await bob.update(body(entry(key=secret))),
        await alice.read("apiKeyEncrypted"),
    ]
    assert [answer.code for answer in answers] == [
        *(201, 409, 200, 422, 422, 422, 412, 200, 404, 200)
    ]
    for answer in answers:
        assert secret not in str(answer.headers) + answer.body.decode()

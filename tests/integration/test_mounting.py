"""The plugin in other people's applications."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import tornado
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.server_api import ServerApi
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from aiconfig_plugin import (
    AIConfigPlugin,
    AuthorizationServerUnavailable,
    ConfigurationError,
    InvalidToken,
    MissingToken,
    Principal,
    Settings,
    StorageUnavailable,
)
from aiconfig_plugin.keys.keyring_file import create_keyring
from aiconfig_plugin.store.stores import COLLECTIONS
from tests.support.gateway import (
    BOTH,
    CREATE_PATH,
    MIB,
    OPAQUE,
    OPENAPI_PATH,
    READ,
    READ_PATH,
    UPDATE_PATH,
    Gateway,
    User,
    body,
    closed_port,
    entry,
    problem,
)
from tests.support.issuer import settings_at
from tests.support.processes import environment

MakeGateway = Callable[..., Awaitable[Gateway]]


class Hello(RequestHandler):
    def get(self) -> None:
        self.write("hello")


class CatchAll(RequestHandler):
    def prepare(self) -> None:
        raise HTTPError(418)


# Hosts


async def test_it_mounts_ahead_of_a_catch_all_and_leaves_other_routes_alone(
    make_gateway: MakeGateway,
) -> None:
    gateway = await make_gateway(routes=[("/hello", Hello), (".*", CatchAll)])
    assert (await gateway.user("alice").create(body())).code == 201
    assert (await gateway.call("GET", "/hello")).body == b"hello"
    assert (await gateway.call("GET", "/other")).code == 418
    assert (await gateway.call("GET", READ_PATH + "/other")).code == 418


async def test_its_handlers_can_be_given_to_an_application(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(mount=False)
    routes: list[Any] = [("/hello", Hello), *gateway.plugin.handlers(), (".*", CatchAll)]
    gateway.http.request_callback = Application(routes)
    assert (await gateway.user("alice").create(body())).code == 201
    assert (await gateway.call("GET", "/hello")).body == b"hello"
    assert (await gateway.call("GET", "/other")).code == 418


async def test_a_bearer_token_needs_no_xsrf_cookie(make_gateway: MakeGateway) -> None:
    settings = {"xsrf_cookies": True}
    gateway = await make_gateway(routes=[("/hello", Hello)], app_settings=settings)
    await whole_journey(gateway.user("alice"))
    assert (await gateway.call("POST", "/hello", b"")).code == 403  # The host's own stay guarded.
    problem(await gateway.call("POST", CREATE_PATH, body()), 401, "missing-token")


@pytest.mark.skipif(tornado.version_info < (6, 6), reason="new in Tornado 6.6")
@pytest.mark.parametrize(
    "foreign",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
async def test_a_bearer_token_counts_whatever_the_origin(
    make_gateway: MakeGateway, foreign: dict[str, str]
) -> None:
    settings = {"cross_origin_protection": True}
    gateway = await make_gateway(routes=[("/hello", Hello)], app_settings=settings)
    alice = gateway.user("alice")
    await whole_journey(User(gateway, {**alice.auth, **foreign}))
    answer = await gateway.call("POST", "/hello", b"", foreign)
    assert answer.code == 403  # The host's own stay guarded.
    problem(await gateway.call("POST", CREATE_PATH, body(), foreign), 401, "missing-token")


@pytest.mark.skipif(tornado.version_info < (6, 6), reason="new in Tornado 6.6")
async def test_what_the_host_itself_refuses_is_no_internal_error(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    # Tornado refuses this one without asking the handler: it names no origin to ask about.
    gateway = await make_gateway(app_settings={"cross_origin_protection": True})
    strange = {**gateway.auth(), "Sec-Fetch-Site": "cross-site"}
    answer = await gateway.call("POST", CREATE_PATH, body(), strange)
    assert answer.code < 500
    assert not [record for record in caplog.records if record.exc_info]


async def whole_journey(user: User) -> None:
    assert (await user.create(body(entry(key=OPAQUE)))).code == 201
    assert (await user.read()).code == 200
    assert (await user.update(body())).code == 200
    assert await user.states() == {"gpt-4": "set"}
    assert (await user.delete()).code == 204


async def test_a_host_may_compress_what_is_answered(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(app_settings={"compress_response": True})
    alice = gateway.user("alice")
    sent = body(prompt="a long prompt " * 500)
    etag = (await alice.create(sent)).headers["ETag"]
    answer = await alice.read(None, Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body)) == sent
    assert {"Authorization", "Accept-Encoding"} <= set(answer.headers["Vary"].split(", "))
    found = answer.headers["ETag"]
    again = await alice.read(None, Accept_Encoding="gzip", If_None_Match=found)
    assert (again.code, again.body) == (304, b"")
    assert (await alice.update(sent, If_Match=etag)).code == 200


async def test_a_compressed_body_is_refused_also_where_the_host_decompresses(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await make_gateway(http={"decompress_request": True})
    alice = gateway.user("alice")
    await alice.create(body())
    for packed in (gzip.compress(json.dumps(body()).encode()), gzip.compress(b" " * 64 * MIB)):
        caplog.clear()
        refused = await alice.update(packed, Content_Encoding="gzip")
        problem(refused, 415, "unsupported-media-type")
        assert len(caplog.records) <= 1  # Tornado's access log has one.
    assert (await alice.read()).code == 200


async def test_the_hosts_own_limit_of_a_body_does_not_change_ours(
    make_gateway: MakeGateway,
) -> None:
    gateway = await make_gateway(http={"max_body_size": 1000})
    alice = gateway.user("alice")
    assert (await alice.create(body(prompt="x" * 30_000))).code == 201
    problem(await alice.update(b" " * (MIB + 1)), 413, "body-too-large")


async def test_nothing_is_written_to_the_hosts_settings(make_gateway: MakeGateway) -> None:
    settings = {"cookie_secret": "x", "compress_response": False}
    gateway = await make_gateway(app_settings=settings)
    before = dict(Application(**settings).settings)
    await whole_journey(gateway.user("alice"))
    assert gateway.app.settings == before


# Twice


async def test_two_in_one_process_share_nothing(
    gateway: Gateway, mongod: Any, database_name: str
) -> None:
    other_name = f"{database_name}_2"
    settings = dataclasses.replace(
        gateway.settings, prefix="/second", mongodb_database=other_name, read_scope=""
    )
    second = AIConfigPlugin(settings)
    try:
        second.mount(gateway.app)
        await second.start()
        alice = gateway.user("alice")
        created = await alice.create(body(entry("one", key=OPAQUE), prompt="first"))
        path = "/second/{}/ai-model-config".format
        problem(await gateway.call("GET", path("get"), None, alice.auth), 404, "config-not-found")
        sent = body(entry("two"), prompt="second")
        answer = await gateway.call("POST", path("create"), sent, alice.auth)
        assert answer.code == 201
        assert json.loads((await alice.read()).body)["system_prompt"] == "first"
        assert (await gateway.call("DELETE", path("delete"), None, alice.auth)).code == 204
        assert (await alice.read()).headers["ETag"] == created.headers["ETag"]
        # Their settings are their own, too.
        no_scope = gateway.auth(scope="ai-config:write")
        problem(await gateway.call("GET", READ_PATH, None, no_scope), 403, "insufficient-scope")
        problem(await gateway.call("GET", path("get"), None, no_scope), 404, "config-not-found")
        await second.close()
        assert (await alice.read()).code == 200
    finally:
        await second.close()
        with MongoClient[dict[str, Any]](mongod.uri) as client:
            client.drop_database(other_name)


async def test_after_a_close_it_can_be_started_again(gateway: Gateway) -> None:
    alice = gateway.user("alice")
    await alice.create(body())
    await gateway.plugin.close()
    await gateway.plugin.close()
    await gateway.plugin.start()
    assert (await alice.read()).code == 200


# The host's own database


STRICT = {"server_api": ServerApi("1", strict=True)}


@pytest.mark.parametrize(
    ("make_client", "options"),
    [
        (AsyncIOMotorClient, {}),
        (AsyncMongoClient, {}),
        (AsyncIOMotorClient, STRICT),
        (AsyncMongoClient, STRICT),
    ],
)
async def test_the_hosts_own_database_is_used_and_left_open(
    make_gateway: MakeGateway,
    mongod: Any,
    database_name: str,
    make_client: Any,
    options: dict[str, Any],
) -> None:
    client = make_client(mongod.uri, **options)
    database = client[database_name]
    gateway = await make_gateway(database=database, mongodb_uri=None)
    await whole_journey(gateway.user("alice"))
    await gateway.user("bob").create(body())
    await gateway.plugin.resolve("bob", issuer=gateway.issuer)
    await gateway.plugin.logout(subject="bob")
    await gateway.plugin.rotate()
    await gateway.plugin.close()
    names = set(await database.list_collection_names())
    assert names == {spec.name for spec in COLLECTIONS}
    assert await database["ai_model_configs"].count_documents({}) == 1
    assert await database["ai_model_gateways"].count_documents({}) == 0
    closing = client.close()
    if closing is not None:  # PyMongo's
        await closing


# The host's own authentication


def answering(answer: Principal | Exception | None) -> Any:
    async def authenticate(_request: HTTPServerRequest) -> Principal | None:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return authenticate


HOST = "https://host.example"
OUTAGE = AuthorizationServerUnavailable("It is down.", retry_after=7)


@pytest.mark.parametrize(
    ("answer", "status", "code", "challenge"),
    [
        (None, 401, "missing-token", 'Bearer realm="aiconfig"'),
        (Principal(HOST, "alice", BOTH), 404, "config-not-found", None),
        (Principal(HOST, "alice", [READ]), 404, "config-not-found", None),
        (Principal(HOST, None, BOTH), 403, "user-required", None),
        (Principal(HOST, "", BOTH), 403, "user-required", None),
        (Principal(HOST, "alice"), 403, "insufficient-scope", 'Bearer error="insufficient_scope"'),
        (MissingToken("Log in first."), 401, "missing-token", 'Bearer realm="aiconfig"'),
        (InvalidToken("It ended."), 401, "invalid-token", 'Bearer error="invalid_token"'),
        (HTTPError(401, "said by the host"), 401, "invalid-token", 'Bearer error="invalid_token"'),
        (OUTAGE, 503, "authorization-server-unavailable", None),
    ],
)
async def test_a_host_says_who_it_is_and_the_same_rules_hold(
    make_gateway: MakeGateway, answer: Any, status: int, code: str, challenge: str | None
) -> None:
    gateway = await make_gateway(authenticate=answering(answer))
    # No token counts here.
    response = await gateway.call("GET", headers=gateway.auth("alice"))
    problem(response, status, code)
    assert b"said by the host" not in response.body
    given = response.headers.get("WWW-Authenticate")
    assert given is None if challenge is None else given.startswith(challenge)
    assert response.headers.get("Retry-After") == ("7" if answer is OUTAGE else None)


async def test_what_a_host_says_is_who_owns_the_configuration(make_gateway: MakeGateway) -> None:
    async def authenticate(request: HTTPServerRequest) -> Principal:
        return Principal(HOST, request.headers["X-User"], request.headers.get("X-Scope", BOTH))

    gateway = await make_gateway(authenticate=authenticate)
    alice, bob = (User(gateway, {"X-User": name}) for name in ("alice", "bob"))
    await alice.create(body(entry(key=OPAQUE)))
    problem(await bob.read(), 404, "config-not-found")
    problem(await bob.create(body(), X_Scope=READ), 403, "insufficient-scope")
    assert await alice.states() == {"gpt-4": "set"}


async def test_an_empty_scope_setting_asks_for_no_scope(make_gateway: MakeGateway) -> None:
    authenticate = answering(Principal(HOST, "alice"))
    gateway = await make_gateway(authenticate=authenticate, read_scope="", write_scope="")
    await whole_journey(User(gateway, {}))


# Start and stop


FORK = """
import asyncio, os, sys, threading
from tornado.web import Application
from aiconfig_plugin import AIConfigPlugin, Settings

def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

before = descriptors()
plugin = AIConfigPlugin(Settings.from_env())
plugin.mount(Application())
assert threading.active_count() == 1
assert descriptors() == before

async def serve():
    await plugin.start()
    assert plugin.handlers()
    await plugin.close()

child = os.fork()
asyncio.run(serve())
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_to_make_one_opens_nothing_so_that_the_host_may_fork_before_it_starts_it(
    mongod: Any, database_name: str, tmp_path: Path
) -> None:
    create_keyring(tmp_path / "keyring.json")
    settings = settings_at("http://127.0.0.1:1")
    given = {"mongodb_uri": mongod.uri, "mongodb_database": database_name}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK],
        env=environment(keyring=str(tmp_path / "keyring.json"), **given, **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("impatient")
async def test_it_does_not_start_without_the_store(make_gateway: MakeGateway) -> None:
    client: Any = AsyncIOMotorClient(
        f"mongodb://127.0.0.1:{closed_port()}", serverSelectionTimeoutMS=200
    )
    try:
        with pytest.raises(StorageUnavailable):
            await make_gateway(database=client["aiconfig"])
    finally:
        client.close()


async def test_after_a_close_nothing_passes_and_nothing_breaks(gateway: Gateway) -> None:
    alice = gateway.user("alice")
    await gateway.plugin.close()
    problem(await alice.read(), 503, "storage-unavailable")
    assert (await gateway.call("GET", OPENAPI_PATH)).code == 200


@pytest.mark.parametrize("missing", ["keyring", "mongodb_uri", "issuer", "client_id"])
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    create_keyring(tmp_path / "keyring.json")
    given = {
        "keyring": str(tmp_path / "keyring.json"),
        "mongodb_uri": "mongodb://127.0.0.1",
        "issuer": "https://issuer.example",
        "introspection_endpoint": "https://issuer.example/introspect",
        "client_id": "gateway",
        "client_secret": "secret",
    }
    del given[missing]
    with pytest.raises(ConfigurationError) as caught:
        AIConfigPlugin(Settings(**given))  # type: ignore[arg-type]
    assert f"AICONFIG_{missing.upper()}" in caught.value.detail


# forget()


@pytest.mark.parametrize("how", ["token", "subject"])
async def test_a_logged_out_token_is_asked_about_again(gateway: Gateway, how: str) -> None:
    alice, bob = gateway.user("alice"), gateway.user("bob")
    await alice.create(body())
    await bob.create(body())
    for user in (alice, bob):
        gateway.authorization_server.revoke(user.auth["Authorization"].removeprefix("Bearer "))
        assert (await user.read()).code == 200  # That is what remembering costs.
    token = alice.auth["Authorization"].removeprefix("Bearer ")
    gateway.plugin.forget(**{how: {"token": token, "subject": "alice"}[how]})  # type: ignore[arg-type]
    problem(await alice.read(), 401, "invalid-token")
    problem(await alice.update(body()), 401, "invalid-token")
    assert (await bob.read()).code == 200


async def test_forget_takes_either_a_token_or_a_subject(make_gateway: MakeGateway) -> None:
    async def authenticate(_request: HTTPServerRequest) -> None:
        return None

    for gateway in (await make_gateway(), await make_gateway(authenticate=authenticate)):
        with pytest.raises(TypeError):
            gateway.plugin.forget()
        with pytest.raises(TypeError):
            gateway.plugin.forget(token="t", subject="s")
        gateway.plugin.forget(token="unknown")
        gateway.plugin.forget(subject="unknown")


async def test_the_update_path_is_under_the_prefix_and_an_empty_prefix_is_none(
    make_gateway: MakeGateway,
) -> None:
    gateway = await make_gateway(prefix="")
    auth = gateway.auth()
    created = await gateway.call("POST", "/create/ai-model-config", body(), auth)
    assert created.code == 201
    assert (await gateway.call("PUT", UPDATE_PATH, body(), auth)).code == 404
    assert (await gateway.call("PUT", "/update/ai-model-config", body(), auth)).code == 200

"""One shape for every error, on every route, and none of them tells more than it should."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from tornado.httpclient import HTTPResponse
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import HTTPError

from aiconfig_plugin import Principal
from aiconfig_plugin.demo.mongod import Mongod
from aiconfig_plugin.http import PROBLEMS, Access
from tests.support.gateway import (
    BOTH,
    CLIENT_SECRET,
    CREATE_PATH,
    DELETE_PATH,
    MIB,
    OPAQUE,
    OPENAPI_PATH,
    READ,
    READ_PATH,
    UPDATE_PATH,
    WRITE,
    Gateway,
    RawResponse,
    body,
    entry,
    problem,
    valid_body_of,
)

MakeGateway = Callable[..., Awaitable[Gateway]]
OwnMongod = tuple[Mongod, Callable[[], Awaitable[Gateway]]]

CODES = {code for codes in PROBLEMS.values() for code in codes}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")
WITH_BODY = ("POST", "PUT")
JSON = "Content-Type: application/json"


def guarded(gateway: Gateway) -> list[tuple[str, str, str]]:
    """Method, path and scope of everything that asks for a token."""
    scopes = {Access.READ: READ, Access.WRITE: WRITE}
    return [
        (method, path, scopes[operation.access])
        for path, spec in gateway.routes().items()
        for method, operation in spec.kwargs["route"].methods.items()
        if operation.access is not Access.PUBLIC
    ]


def expect(method: str, answer: HTTPResponse | RawResponse, status: int, code: str) -> Any:
    """As ``problem``; an answer to HEAD has everything but the document."""
    if method == "HEAD":
        assert (answer.code, answer.body) == (status, b"")
        assert answer.headers["Content-Type"] == "application/problem+json"
        return {}
    return problem(answer, status, code)


async def call(
    gateway: Gateway, method: str, path: str, headers: dict[str, str] | None = None
) -> HTTPResponse:
    """A request that is good but for what the test changes."""
    return await gateway.call(method, path, body() if method in WITH_BODY else None, headers)


def challenge(answer: HTTPResponse) -> dict[str, str]:
    """The parameters of a Bearer challenge (RFC 9110 section 11.6.1, RFC 6750 section 3)."""
    [value] = answer.headers.get_list("WWW-Authenticate")
    scheme, _, rest = value.partition(" ")
    assert scheme == "Bearer"
    # RFC 6750 section 3: no quote, no backslash, nothing outside ASCII.
    parameter = r'([a-z_]+)="([\x20\x21\x23-\x5b\x5d-\x7e]+)"'
    assert rest == "" or re.fullmatch(rf"{parameter}(?:, {parameter})*", rest), value
    found = re.findall(parameter, rest)
    assert len(dict(found)) == len(found)
    return dict(found)


# Every code


@pytest.fixture
def own_mongod(
    make_gateway: MakeGateway, tmp_path: Path, database_name: str, impatient: None
) -> Iterator[OwnMongod]:
    """A server to be stopped by the test, and what makes a gateway over it."""
    with Mongod(tmp_path / "mongod") as mongod:
        client: Any = AsyncIOMotorClient(mongod.uri, serverSelectionTimeoutMS=200)
        yield mongod, lambda: make_gateway(database=client[database_name])
        client.close()


async def test_every_error_on_every_route_has_one_shape(own_mongod: OwnMongod) -> None:
    mongod, start_gateway = own_mongod
    gateway = await start_gateway()
    seen = await _provoke(gateway)
    known = gateway.auth()
    for method, path, _ in guarded(gateway):  # The token is remembered from here on.
        await call(gateway, method, path, {**known, "If-Match": '"none"'})
    await gateway.stop_authorization_server()
    for method, path, _ in guarded(gateway):
        code = "authorization-server-unavailable"
        answer = await call(gateway, method, path, gateway.auth())
        seen.append(expect(method, answer, 503, code))
        assert int(answer.headers["Retry-After"]) > 0
    mongod.stop()
    for method, path in [
        ("POST", CREATE_PATH),
        ("GET", READ_PATH),
        ("HEAD", READ_PATH),
        ("PUT", UPDATE_PATH),
        ("DELETE", DELETE_PATH),
    ]:
        answer = await call(gateway, method, path, known)
        document = expect(method, answer, 503, "storage-unavailable")
        seen.append(document)
        assert int(answer.headers["Retry-After"]) > 0
        writes = method in ("POST", "PUT", "DELETE")
        assert document.get("outcome") == ("nothing-changed" if writes else None)
    codes = {document["type"].rpartition(":")[2] for document in seen if document}
    elsewhere = {"internal-error", "user-required", "cross-site-request"}  # in tests of their own
    elsewhere |= {"client-not-allowed", "key-required", "base-url-not-allowed", "model-not-offered"}
    elsewhere |= {"key-unreadable", "too-many-requests"}
    assert codes == CODES - elsewhere


async def _provoke(gateway: Gateway) -> list[Any]:
    """Provoke every error for which nothing has to break."""
    seen: list[Any] = []
    alice = gateway.auth()

    async def one(method: str, path: str, status: int, code: str, **how: Any) -> None:
        sent = how.get("body", body() if method in WITH_BODY else None)
        answer = await gateway.call(method, path, sent, how.get("headers", alice))
        seen.append(expect(method, answer, status, code))

    for method, path, scope in guarded(gateway):
        other = WRITE if scope == READ else READ
        await one(method, path, 401, "missing-token", headers={})
        await one(method, path, 401, "invalid-token", headers={"Authorization": "Bearer junk"})
        await one(method, path, 403, "insufficient-scope", headers=gateway.auth(scope=other))
    for path, spec in gateway.routes().items():
        for method in set(METHODS) - set(spec.kwargs["route"].methods):
            await one(method, path, 405, "method-not-allowed")

    async def refused_bodies(method: str, path: str) -> None:
        plain = body(entry(key="sk-" + "a1B2" * 12))
        forged = body(entry(key="eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.a.b.c.d"))
        text = {**alice, "Content-Type": "text/plain"}
        await one(method, path, 400, "malformed-json", body=b"{")
        await one(method, path, 413, "body-too-large", body=valid_body_of(MIB + 1))
        await one(method, path, 415, "unsupported-media-type", headers=text)
        await one(method, path, 422, "schema-violation", body={})
        await one(method, path, 422, "duplicate-model", body=body(entry(), entry()))
        await one(method, path, 422, "key-not-encrypted", body=plain)
        await one(method, path, 422, "key-not-accepted", body=forged)

    await refused_bodies("POST", CREATE_PATH)
    for method in ("GET", "HEAD"):
        await one(method, READ_PATH + "?include=x", 400, "invalid-parameter")
        await one(method, READ_PATH, 404, "config-not-found")
    for method, path in (("PUT", UPDATE_PATH), ("DELETE", DELETE_PATH)):
        await one(method, path, 404, "config-not-found")
    assert (await call(gateway, "POST", CREATE_PATH, alice)).code == 201
    await one("POST", CREATE_PATH, 409, "config-exists")
    await refused_bodies("PUT", UPDATE_PATH)
    for method, path in (("PUT", UPDATE_PATH), ("DELETE", DELETE_PATH)):
        stale = {**alice, "If-Match": '"stale"'}
        await one(method, path, 412, "revision-mismatch", headers=stale)
    return seen


# 401


async def test_without_a_token_the_challenge_names_no_error(gateway: Gateway) -> None:
    for method, path, _ in guarded(gateway):
        for headers in ({}, {"Authorization": "Basic YWxpY2U6cA=="}, {"Authorization": "Bearer"}):
            answer = await call(gateway, method, path, headers)
            expect(method, answer, 401, "missing-token")
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="aiconfig"'


async def test_with_a_wrong_token_the_challenge_says_invalid_token_and_the_log_why(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiconfig_plugin")
    revoked = gateway.token()
    gateway.authorization_server.revoke(revoked)
    for method, path, _ in guarded(gateway):
        for token in ("junk", revoked, "two words", "tok,en", '"quoted"', f"{revoked}, Bearer x"):
            caplog.clear()
            answer = await call(gateway, method, path, {"Authorization": f"Bearer {token}"})
            expect(method, answer, 401, "invalid-token")
            parameters = challenge(answer)
            assert parameters.pop("error") == "invalid_token"
            assert set(parameters) <= {"error_description"}
            assert token not in answer.headers["WWW-Authenticate"]
            [record] = [r for r in caplog.records if r.name == "aiconfig_plugin"]
            assert record.levelno == logging.INFO
            assert "token rejected: " in record.message and record.message.endswith(".")
            assert token not in record.message
    caplog.clear()
    expect("GET", await call(gateway, "GET", READ_PATH), 401, "missing-token")
    assert not [r for r in caplog.records if r.name == "aiconfig_plugin"]


async def test_a_token_is_read_from_one_authorization_header_alone(gateway: Gateway) -> None:
    token = gateway.token()
    for scheme in ("bearer", "BEARER", "bEaReR"):
        answer = await call(gateway, "GET", READ_PATH, {"Authorization": f"{scheme} {token}"})
        problem(answer, 404, "config-not-found")
    headers = HTTPHeaders({"Authorization": f"Bearer {token}"})
    headers.add("Authorization", f"Bearer {gateway.token('bob')}")
    problem(await gateway.call("GET", READ_PATH, None, headers), 401, "invalid-token")
    for method, path, _ in guarded(gateway):
        for name in ("access_token", "token", "authorization"):
            answer = await call(gateway, method, f"{path}?{name}={token}")
            expect(method, answer, 401, "missing-token")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for sent, media_type in (
        (f"access_token={token}".encode(), form),
        ({**body(), "access_token": token}, {}),
    ):
        answer = await gateway.call("POST", CREATE_PATH, sent, media_type)
        problem(answer, 401, "missing-token")


# 403


async def test_another_scope_is_refused_and_the_challenge_names_the_one_needed(
    gateway: Gateway,
) -> None:
    for method, path, scope in guarded(gateway):
        other = WRITE if scope == READ else READ
        answer = await call(gateway, method, path, gateway.auth(scope=other))
        expect(method, answer, 403, "insufficient-scope")
        parameters = challenge(answer)
        assert parameters["error"] == "insufficient_scope"
        assert parameters["scope"] == scope
        assert set(parameters) <= {"error", "scope", "error_description"}
    answer = await call(gateway, "GET", READ_PATH, gateway.auth(scope=READ))
    problem(answer, 404, "config-not-found")


@pytest.mark.parametrize(
    ("subject", "scopes", "code"),
    [
        ("alice", f"{READ}er x{WRITE} ai-config ai-", "insufficient-scope"),
        (None, BOTH, "user-required"),
        ("", BOTH, "user-required"),
    ],
    ids=["scopes that only begin or end like it", "no subject", "an empty subject"],
)
async def test_who_is_nobody_or_lacks_the_scope_is_refused(
    make_gateway: MakeGateway, subject: str | None, scopes: str, code: str
) -> None:
    async def authenticate(_request: HTTPServerRequest) -> Principal:
        return Principal("https://issuer.example", subject, scopes, client_id="machine")

    gateway = await make_gateway(authenticate=authenticate)
    for method, path, _ in guarded(gateway):
        expect(method, await call(gateway, method, path), 403, code)


# 405


async def test_any_other_method_is_told_which_are_allowed(gateway: Gateway) -> None:
    for path, spec in gateway.routes().items():
        access = set(spec.kwargs["route"].methods)
        for headers in ({}, gateway.auth()):
            for method in sorted(set(METHODS) - access):
                answer = await gateway.call(method, path, None, headers)
                expect(method, answer, 405, "method-not-allowed")
                assert set(re.split(r",\s*", answer.headers["Allow"])) == access
                assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_method_is_not_overridden_by_a_header_or_a_parameter(gateway: Gateway) -> None:
    alice = gateway.user("alice")
    await alice.create(body())
    headers = {**alice.auth, "X-HTTP-Method-Override": "DELETE"}
    answer = await gateway.call("POST", f"{DELETE_PATH}?_method=DELETE", b"", headers)
    problem(answer, 405, "method-not-allowed")
    assert (await alice.read()).code == 200


# 413


async def test_a_body_may_have_one_mebibyte_and_no_byte_more(gateway: Gateway) -> None:
    for method, path, good in (("POST", CREATE_PATH, 201), ("PUT", UPDATE_PATH, 200)):
        for size, status in ((MIB, good), (MIB + 1, 413), (3 * MIB, 413)):
            sent = valid_body_of(size)
            for framing, framed in (
                (f"Content-Length: {size}", sent),
                ("Transfer-Encoding: chunked", chunked(sent)),
            ):
                answer = await gateway.send(gateway.head(method, path, JSON, framing), framed)
                if status == 413:
                    problem(answer, 413, "body-too-large")
                elif method == "POST" and "chunked" in framing:
                    problem(answer, 409, "config-exists")
                else:
                    assert answer.code == status, answer.body
    assert (await gateway.user("alice").read()).code == 200


async def test_a_huge_body_is_refused_before_it_is_sent(gateway: Gateway) -> None:
    for method, path, _ in guarded(gateway):
        length = f"Content-Length: {1024 * MIB}"
        for expects in ((), ("Expect: 100-continue",)):
            answer = await gateway.send(gateway.head(method, path, JSON, length, *expects))
            expect(method, answer, 413, "body-too-large")
            assert answer.headers["Connection"] == "close"


async def test_a_body_without_an_end_is_cut_off_and_has_no_effect(gateway: Gateway) -> None:
    alice = gateway.user("alice")
    await alice.create(body())
    piece = chunked(b" " * MIB, last=False)
    for method, path in (("PUT", UPDATE_PATH), ("DELETE", DELETE_PATH)):
        head = gateway.head(method, path, JSON, "Transfer-Encoding: chunked")
        try:
            problem(await gateway.send(head, *[piece] * 64), 413, "body-too-large")
        except ConnectionError:
            assert method == "DELETE"  # Cut off while it sends; PUT is answered long before.
    assert (await alice.read()).code == 200


def chunked(data: bytes, *, last: bool = True) -> bytes:
    """RFC 9112 section 7.1."""
    pieces = [data[start : start + 65_536] for start in range(0, len(data), 65_536)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + (b"0\r\n\r\n" if last else b"")


# The order of the checks


async def test_the_token_is_checked_before_the_body_is_sent(gateway: Gateway) -> None:
    framings = (f"Content-Length: {1024 * MIB}", "Content-Length: 10", "Transfer-Encoding: chunked")
    for method, path, _ in guarded(gateway):
        for framing in framings:
            for junk in ((), ("Authorization: Bearer junk",)):
                head = gateway.head(method, path, JSON, framing, *junk, auth=False)
                answer = await gateway.send(head)
                code = "invalid-token" if junk else "missing-token"
                expect(method, answer, 401, code)
                # What is longer than 1 MiB is not read to its end.
                closes = answer.headers.get("Connection") == "close"
                assert closes == (framing == framings[0])


async def test_nothing_of_a_request_is_judged_before_its_token(gateway: Gateway) -> None:
    for method, path in (("POST", CREATE_PATH), ("PUT", UPDATE_PATH)):
        for sent, headers in (
            (b"{", {}),
            (b"\xff", {"Content-Type": "text/plain"}),
            (b"{}", {"Content-Encoding": "gzip"}),
            (b"{}", {"If-Match": "junk"}),
            (valid_body_of(MIB + 1), {}),
        ):
            problem(await gateway.call(method, path, sent, headers), 401, "missing-token")
    for value in ("x", "%FF"):
        problem(await call(gateway, "GET", f"{READ_PATH}?include={value}"), 401, "missing-token")


# Outages


async def test_a_store_that_is_back_is_used_without_a_restart(own_mongod: OwnMongod) -> None:
    mongod, start_gateway = own_mongod
    gateway = await start_gateway()
    alice = gateway.user("alice")
    created = await alice.create(body(entry(key=OPAQUE)))
    mongod.stop()
    refused = await alice.read()
    problem(refused, 503, "storage-unavailable")
    assert refused.headers["Retry-After"].isdecimal()
    problem(await alice.update(body()), 503, "storage-unavailable")
    assert (await gateway.call("GET", OPENAPI_PATH)).code == 200
    mongod.start()
    found = await alice.read()
    for _ in range(50):  # The driver looks again twice a second.
        if found.code == 200:
            break
        found = await alice.read()
    assert found.headers["ETag"] == created.headers["ETag"]


async def test_while_the_authorization_server_is_down_nobody_new_comes_in(
    gateway: Gateway,
) -> None:
    await gateway.stop_authorization_server()
    for token in (gateway.token(), "junk"):
        for method, path, _ in guarded(gateway):
            answer = await call(gateway, method, path, {"Authorization": f"Bearer {token}"})
            expect(method, answer, 503, "authorization-server-unavailable")
            assert answer.headers["Retry-After"].isdecimal()
            assert "WWW-Authenticate" not in answer.headers
    problem(await gateway.call("GET", READ_PATH), 401, "missing-token")
    gateway.start_authorization_server()
    assert (await gateway.user("alice").create(body())).code == 201


# 500


async def test_refused_client_credentials_are_the_operators_affair(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "wr:ong%" + CLIENT_SECRET
    gateway = await make_gateway(client_secret=wrong)
    token = gateway.token()
    answer = await call(gateway, "GET", READ_PATH, {"Authorization": f"Bearer {token}"})
    problem(answer, 500, "internal-error")
    assert "WWW-Authenticate" not in answer.headers
    [record] = [r for r in caplog.records if r.name == "aiconfig_plugin" and r.levelname == "ERROR"]
    story = caplog.handler.format(record)
    assert "AICONFIG_CLIENT_ID" in story and "refused" in story
    assert wrong not in caplog.text and CLIENT_SECRET not in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize("settings", [{}, {"serve_traceback": True, "debug": True}])
async def test_an_unexpected_error_tells_the_log_all_and_the_client_nothing(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture, settings: dict[str, Any]
) -> None:
    settings = {**settings, **({"autoreload": False} if settings else {})}

    failing = raising(ZeroDivisionError("the whole story"))
    gateway = await make_gateway(authenticate=failing, app_settings=settings)
    for method, path, _ in guarded(gateway):
        caplog.clear()
        answer = await call(gateway, method, f"{path}?access_token=t0ken")
        expect(method, answer, 500, "internal-error")
        told = str(answer.headers) + answer.body.decode()
        for word in ("story", "ZeroDivision", "Traceback", "raising"):
            assert word not in told
        [record] = [r for r in caplog.records if r.name == "aiconfig_plugin"]
        story = caplog.handler.format(record)
        assert record.levelno == logging.ERROR
        assert "ZeroDivisionError: the whole story" in story and "Traceback" in story
        assert f"{method} {path}" in story
        assert "t0ken" not in story


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (HTTPError(401, "story"), 401, "invalid-token"),
        (HTTPError(403, "story"), 403, "insufficient-scope"),
        (HTTPError(502, "story"), 503, "authorization-server-unavailable"),
        (KeyError("story"), 500, "internal-error"),
    ],
    ids=["401", "403", "502", "other"],
)
async def test_what_a_host_raises_becomes_one_of_our_errors(
    make_gateway: MakeGateway, raised: Exception, status: int, code: str
) -> None:
    gateway = await make_gateway(authenticate=raising(raised))
    answer = await call(gateway, "GET", READ_PATH)
    problem(answer, status, code)
    assert b"story" not in answer.body
    assert ("WWW-Authenticate" in answer.headers) == (status in (401, 403))
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    "raised",
    [HTTPError(400, "story"), HTTPError(404, "story"), HTTPError(429, "story", reason="Slow")],
    ids=lambda raised: str(raised.status_code),
)
async def test_another_refusal_of_the_host_is_passed_on(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture, raised: HTTPError
) -> None:
    gateway = await make_gateway(authenticate=raising(raised))
    answer = await call(gateway, "GET", READ_PATH)
    assert answer.code == raised.status_code
    assert answer.reason == raised.reason or not raised.reason
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = json.loads(answer.body)
    assert set(document) == {"type", "title", "status"}
    assert (document["type"], document["status"]) == ("about:blank", raised.status_code)
    assert not [record for record in caplog.records if record.exc_info]


def raising(error: Exception) -> Any:
    async def authenticate(_request: HTTPServerRequest) -> Principal:
        raise error

    return authenticate

"""The routes as subclasses of a host's own handler, and credentials that a browser sends itself."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, HTTPError, RequestHandler

from aiconfig_plugin import AIConfigPlugin, Principal, Settings, StorageUnavailable
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.gateway import (
    BOTH,
    CREATE_PATH,
    DELETE_PATH,
    OPENAPI_PATH,
    READ,
    READ_PATH,
    UPDATE_PATH,
    body,
    problem,
)
from tests.support.hosted import Hosted, request_head, serving

HOST = "https://host.example"
SAME = {"Sec-Fetch-Site": "same-origin"}
ALICE = {"X-User": "alice"}
REQUEST = HTTPServerRequest(
    start_line=RequestStartLine("GET", "/", "HTTP/1.1"), headers=HTTPHeaders({"Host": "x"})
)


class Strict(RequestHandler):
    """As strict gateways have one: it looks at the Host, and puts headers of its own."""

    user: str | None = None

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", "frame-ancestors 'self'")
        self.set_header("Server", "host/1")
        self.set_header("Vary", "X-Of-Host")
        self.set_header("Cache-Control", "public")

    async def prepare(self) -> None:
        if not self.request.host.startswith("127.0.0.1:"):
            raise HTTPError(403, "story")
        self.user = self.request.headers.get("X-User")

    def finish(self, *given: Any) -> Any:
        self.set_header("Content-Type", "application/json")
        return super().finish(*given)


async def who(handler: RequestHandler) -> Principal | None:
    user = handler.request.headers.get("X-User")
    scopes = handler.request.headers.get("X-Scopes", BOTH)
    return user and Principal(HOST, user, scopes, ambient=True)  # type: ignore[return-value]


async def bearer(handler: RequestHandler) -> Principal | None:
    return Principal(HOST, "alice", BOTH)


@asynccontextmanager
async def hosting(
    keyring: Path,
    *,
    app: dict[str, Any] | None = None,
    authenticate: Any = None,
    cors_origins: Any = (),
    **mounted: Any,
) -> AsyncIterator[Hosted]:
    async def nobody(_request: HTTPServerRequest) -> None:
        raise AssertionError("principal= takes its place")

    plugin = AIConfigPlugin(
        Settings(keyring=keyring, cors_origins=cors_origins),
        repository=InMemoryRepository(),
        authenticate=authenticate or nobody,
    )
    application = Application(**(app or {}))
    plugin.mount(application, **mounted)
    async with serving(application) as hosted:
        yield hosted
    await plugin.close()


# The host's handler


async def test_the_hosts_checks_come_first_and_its_headers_stay(keyring: Path) -> None:
    async with hosting(keyring, base=Strict, principal=who) as host:
        answer = await host.call("POST", CREATE_PATH, body(), {**ALICE, **SAME})
        assert answer.code == 201, answer.body
        for path in (READ_PATH, OPENAPI_PATH, "/api/v1/web/ai-config.js"):
            found = await host.call("GET", path, None, ALICE)
            assert found.code == 200
            assert found.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
            assert found.headers["Server"] == "host/1"
            assert found.headers["Vary"].split(", ")[:2] == ["X-Of-Host", "Authorization"]
            assert (await host.call("GET", path, None, {**ALICE, "Host": "evil"})).code == 403


async def test_the_plugins_own_headers_hold_beside_the_hosts(keyring: Path) -> None:
    async with hosting(keyring, base=Strict, principal=who) as host:
        answer = await host.call("GET", READ_PATH, None, ALICE)
        problem(answer, 404, "config-not-found")  # Its Cache-Control is no-store.
        module = await host.call("GET", "/api/v1/web/ai-config.js")
        assert module.headers["Content-Type"].startswith("text/javascript")
        await host.call("POST", CREATE_PATH, body(), {**ALICE, **SAME})
        found = await host.call("GET", READ_PATH, None, ALICE)
        assert found.headers["Cache-Control"] == "private, no-cache"
        unchanged = {**ALICE, "If-None-Match": found.headers["ETag"]}
        again = await host.call("GET", READ_PATH, None, unchanged)
        assert (again.code, "Content-Type" in again.headers) == (304, False)


async def test_what_the_host_refuses_is_a_problem_document(keyring: Path) -> None:
    async with hosting(keyring, base=Strict, principal=who) as host:
        for method, path in (("GET", READ_PATH), ("POST", CREATE_PATH), ("GET", OPENAPI_PATH)):
            sent = body() if method == "POST" else None
            answer = await host.call(method, path, sent, {**ALICE, "Host": "evil.example"})
            assert answer.code == 403
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert json.loads(answer.body) == {
                "type": "about:blank", "title": "Forbidden", "status": 403,
            }  # fmt: skip
        problem(await host.call("PUT", READ_PATH, body(), ALICE), 405, "method-not-allowed")


@pytest.mark.parametrize("status", [401, 404, 502])
async def test_another_refusal_of_the_host_keeps_its_status(keyring: Path, status: int) -> None:
    class Refusing(RequestHandler):
        def prepare(self) -> None:
            raise HTTPError(status)

    async with hosting(keyring, base=Refusing, principal=who) as host:
        for sent in (None, body()):
            answer = await host.call("POST", CREATE_PATH, sent, ALICE)
            assert answer.code == status
            assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("who_answers", ["prepare", "principal"])
async def test_what_the_host_has_answered_itself_is_left_alone(
    keyring: Path, who_answers: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Redirecting(RequestHandler):
        def prepare(self) -> None:
            if who_answers == "prepare":
                self.redirect("/login")

    def principal(handler: RequestHandler) -> None:
        handler.redirect("/login")

    async with hosting(keyring, base=Redirecting, principal=principal) as host:
        for method, path in (("GET", READ_PATH), ("POST", CREATE_PATH), ("DELETE", DELETE_PATH)):
            answer = await host.call(method, path, body() if method == "POST" else None)
            assert (answer.code, answer.headers["Location"]) == (302, "/login")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("base", [Application, 7, "RequestHandler"])
def test_only_a_handler_is_one(keyring: Path, base: Any) -> None:
    plugin = AIConfigPlugin(
        Settings(keyring=keyring), repository=InMemoryRepository(), authenticate=who
    )
    with pytest.raises(TypeError, match="base="):
        plugin.handlers(base=base)


def test_a_handler_that_needs_arguments_is_refused_when_it_is_given(keyring: Path) -> None:
    class Needing(RequestHandler):
        def initialize(self, place: str) -> None: ...

    class Defaulting(RequestHandler):
        def initialize(self, place: str = "") -> None: ...

    plugin = AIConfigPlugin(
        Settings(keyring=keyring), repository=InMemoryRepository(), authenticate=who
    )
    with pytest.raises(TypeError, match="initialize"):
        plugin.mount(Application(), base=Needing)
    plugin.mount(Application(), base=Defaulting)


async def test_two_hosts_handlers_in_one_process_do_not_mix(keyring: Path) -> None:
    class Other(RequestHandler):
        def prepare(self) -> None:
            raise HTTPError(418)

    async with hosting(keyring, base=Strict, principal=who) as one:
        async with hosting(keyring, base=Other) as other, hosting(keyring, principal=who) as none:
            assert (await one.call("GET", headers=ALICE)).code == 404
            assert (await other.call("GET", headers=ALICE)).code == 418
            found = await none.call("GET", headers=ALICE)
            assert (found.code, "Content-Security-Policy" in found.headers) == (404, False)


async def test_the_host_hears_how_a_request_begins_and_ends(keyring: Path) -> None:
    ended, closed = [], asyncio.Event()

    class Hearing(RequestHandler):
        def initialize(self) -> None:
            self.is_initialized = True

        def prepare(self) -> None:
            assert self.is_initialized

        def on_finish(self) -> None:
            ended.append(self.get_status())

        def on_connection_close(self) -> None:
            closed.set()

    async with hosting(keyring, base=Hearing, principal=bearer) as host:
        assert (await host.call("GET")).code == 404
        assert ended == [404]
        _, writer = await asyncio.open_connection("127.0.0.1", host.port)
        head = {"Host": "x", **JSON, "Content-Length": "10"}
        writer.write(request_head("POST", CREATE_PATH, head) + b"x")
        await writer.drain()
        writer.close()
        await asyncio.wait_for(closed.wait(), 30)


# Who it is


async def test_a_principal_goes_through_the_rules_of_authenticate(keyring: Path) -> None:
    answers: dict[str, Any] = {
        "nobody": None,
        "expired": Principal(HOST, "alice", BOTH, expires_at=1),
        "no scope": Principal(HOST, "alice", READ.replace("read", "other")),
        "no user": Principal(HOST, None, BOTH),
        "refused": HTTPError(401),
        "forbidden": HTTPError(403),
        "outage": HTTPError(504),
    }

    def principal(handler: RequestHandler) -> Principal | None:
        answer = answers[handler.request.headers["X-Case"]]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    async with hosting(keyring, principal=principal) as host:
        for case, status, code in (
            ("nobody", 401, "missing-token"),
            ("expired", 401, "invalid-token"),
            ("no scope", 403, "insufficient-scope"),
            ("no user", 403, "user-required"),
            ("refused", 401, "invalid-token"),
            ("forbidden", 403, "insufficient-scope"),
            ("outage", 503, "authorization-server-unavailable"),
        ):
            answer = await host.call("GET", headers={"X-Case": case})
            problem(answer, status, code)
            assert ("Retry-After" in answer.headers) == (status == 503)


async def test_a_plain_function_authenticates_as_a_coroutine_does(keyring: Path) -> None:
    def authenticate(request: HTTPServerRequest) -> Principal | None:
        user = request.headers.get("X-User")
        return Principal(HOST, user, BOTH) if user else None

    async with hosting(keyring, authenticate=authenticate) as host:
        problem(await host.call("GET"), 401, "missing-token")
        assert (await host.call("POST", CREATE_PATH, body(), ALICE)).code == 201
        assert (await host.call("GET", headers=ALICE)).code == 200


# A credential that the browser sends by itself


WRITES = (("POST", CREATE_PATH), ("PUT", UPDATE_PATH), ("DELETE", DELETE_PATH))


def sent_by(method: str) -> Any:
    return None if method == "DELETE" else body()


@pytest.mark.parametrize(
    ("site", "passes"),
    [
        ({}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "HERE"}, False),
        ({"Origin": "HERE"}, True),
        (SAME, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("base", [None, Strict])
async def test_an_ambient_write_comes_from_the_same_origin_or_is_refused(
    keyring: Path, base: Any, site: dict[str, str], passes: bool
) -> None:
    async with hosting(keyring, base=base, principal=who) as host:
        headers = {**ALICE, **site}
        if headers.get("Origin") == "HERE":
            headers["Origin"] = host.url
        for (method, path), status in zip(WRITES, (201, 200, 204), strict=True):
            answer = await host.call(method, path, sent_by(method), headers)
            if passes:
                assert answer.code == status, answer.body
            else:
                problem(answer, 403, "cross-site-request")
        assert (await host.call("GET", headers=headers)).code == 404  # Reading needs no check.


async def test_tornados_xsrf_cookie_is_asked_for_where_the_application_has_it(
    keyring: Path,
) -> None:
    token = {"Cookie": "_xsrf=abc", "X-XSRFToken": "abc"}
    refused: tuple[dict[str, str], ...] = (SAME, {"Cookie": "_xsrf=abc", **SAME})
    for base in (None, Strict):
        async with hosting(keyring, app={"xsrf_cookies": True}, base=base, principal=who) as host:
            for given in refused:
                for method, path in WRITES:
                    answer = await host.call(method, path, sent_by(method), {**ALICE, **given})
                    problem(answer, 403, "cross-site-request")
            answer = await host.call("POST", CREATE_PATH, body(), {**ALICE, **token})
            assert answer.code == 201, answer.body


class Counting(RequestHandler):
    """A handler with an XSRF check of its own, asked for by ``prepare`` as some hosts do."""

    asked: list[str] = []

    def prepare(self) -> None:
        self.check_xsrf_cookie()

    def check_xsrf_cookie(self) -> None:
        self.asked.append(self.request.method or "")
        if self.request.headers.get("X-Proof") != "good":
            raise HTTPError(404, "story")


async def test_the_hosts_own_xsrf_check_is_asked_of_ambient_writes_alone(keyring: Path) -> None:
    Counting.asked.clear()
    async with hosting(keyring, base=Counting, principal=who) as host:
        answer = await host.call("POST", CREATE_PATH, body(), {**ALICE, **SAME})
        problem(answer, 403, "cross-site-request")
        good = {**ALICE, "X-Proof": "good", "Origin": "https://trusted.example"}
        assert (await host.call("POST", CREATE_PATH, body(), good)).code == 201
        assert (await host.call("GET", headers=ALICE)).code == 200
    assert Counting.asked == ["POST", "POST"]


@pytest.mark.parametrize("app", [{}, {"xsrf_cookies": True}, {"cross_origin_protection": True}])
@pytest.mark.parametrize("base", [None, Strict, Counting])
async def test_a_principal_that_is_not_ambient_needs_no_check(
    keyring: Path, base: Any, app: dict[str, Any]
) -> None:
    foreign = {"Origin": "https://elsewhere.example"}
    async with hosting(keyring, app=app, base=base, principal=bearer) as host:
        answer = await host.call("POST", CREATE_PATH, body(), foreign)
        assert answer.code == 201, answer.body


async def test_a_refused_ambient_write_is_recorded(
    keyring: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiconfig_plugin.audit")
    async with hosting(keyring, principal=who) as host:
        await host.call("POST", CREATE_PATH, body(), ALICE)
        # The scope is looked at after the site.
        await host.call("DELETE", DELETE_PATH, None, {**ALICE, "X-Scopes": READ})
        answer = await host.call("DELETE", DELETE_PATH, None, {**ALICE, **SAME, "X-Scopes": READ})
        problem(answer, 403, "insufficient-scope")
    records = [json.loads(r.getMessage()) for r in caplog.records if r.name.endswith(".audit")]
    assert [(r["action"], r["subject"], r["refused"]) for r in records] == [
        ("create", "alice", "cross-site-request"),
        ("delete", "alice", "cross-site-request"),
        ("delete", "alice", "insufficient-scope"),
    ]


# Where it is mounted


async def test_mount_takes_a_prefix_of_its_own(keyring: Path) -> None:
    async with hosting(keyring, principal=bearer, prefix="/own") as host:
        created = await host.call("POST", "/own/create/ai-model-config", body())
        assert (created.code, created.headers["Location"]) == (201, "../get/ai-model-config")
        assert (await host.call("GET", "/own/get/ai-model-config")).code == 200
        assert (await host.call("GET", READ_PATH)).code == 404
        document = json.loads(
            (await host.call("GET", "/own/get/ai-model-config/openapi.json")).body
        )
        assert "/own/get/ai-model-config" in document["paths"]


def test_a_prefix_is_checked_as_the_setting_is(keyring: Path) -> None:
    plugin = AIConfigPlugin(
        Settings(keyring=keyring), repository=InMemoryRepository(), authenticate=who
    )
    with pytest.raises(Exception, match="PREFIX"):
        plugin.mount(Application(), prefix="no-slash")
    assert plugin.settings.prefix == "/api/v1"


async def test_the_routes_come_as_tuples_too(keyring: Path) -> None:
    plugin = AIConfigPlugin(
        Settings(keyring=keyring), repository=InMemoryRepository(), authenticate=bearer
    )
    routes = plugin.handlers(as_tuples=True, principal=bearer)
    assert all(type(route) is tuple and len(route) == 3 for route in routes)
    assert len(routes) == len(plugin.handlers())
    async with plugin, serving(Application(routes)) as host:
        assert (await host.call("POST", CREATE_PATH, body())).code == 201
        script = await host.call("GET", "/api/v1/web/ai-config.js")
        assert script.code == 200 and b"export" in script.body


# Who has not started it


class Failing(InMemoryRepository):
    """Does not start while there is an ``error``."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        if self.error is not None:
            raise self.error
        await super().start()


async def test_the_first_request_starts_it_and_an_outage_heals(keyring: Path) -> None:
    repository = Failing(StorageUnavailable("It is down."))
    plugin = AIConfigPlugin(
        Settings(keyring=keyring), repository=repository, authenticate=lambda _: None
    )
    app = Application()
    plugin.mount(app, principal=bearer)
    async with serving(app) as host:
        assert (await host.call("GET", OPENAPI_PATH)).code == 200
        assert repository.starts == 0
        for count, (method, path) in enumerate((("GET", READ_PATH), *WRITES[:1]), 1):
            answer = await host.call(method, path, sent_by(method) if count > 1 else None)
            document = problem(answer, 503, "storage-unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert document.get("outcome") == (None if method == "GET" else "nothing-changed")
            assert repository.starts == count
        repository.error = RuntimeError("something else")
        problem(await host.call("GET"), 503, "storage-unavailable")
        repository.error = None
        assert (await host.call("POST", CREATE_PATH, body())).code == 201
        assert (await host.call("GET")).code == 200
        await plugin.start()
        assert repository.starts == 4
    await plugin.close()


async def test_the_hosts_own_calls_start_it_as_well(keyring: Path) -> None:
    def somebody(_request: HTTPServerRequest) -> Principal:
        return Principal(HOST, "alice", BOTH)

    for call in ("authenticate", "resolve"):
        repository = Failing(None)
        plugin = AIConfigPlugin(
            Settings(keyring=keyring), repository=repository, authenticate=somebody
        )
        if call == "authenticate":
            await plugin.authenticate(REQUEST)
        else:
            with pytest.raises(Exception, match="configuration"):
                await plugin.resolve("alice", issuer=HOST)
        assert repository.starts == 1
        await plugin.close()


# A refusal before the body


KIB900 = 900 * 1024
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (CREATE_PATH, {}, 401),
        (CREATE_PATH, ALICE, 403),  # by another site's page
        (READ_PATH, ALICE, 405),
        (CREATE_PATH, {**ALICE, "Host": "evil.example"}, 403),
    ],
    ids=str,
)
async def test_a_refused_upload_is_read_to_its_end_and_nothing_of_it_counts(
    keyring: Path, path: str, headers: dict[str, str], status: int, chunked: bool
) -> None:
    sent = b" " * KIB900
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(KIB900)}
    if chunked:
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (KIB900, sent)
    async with hosting(keyring, base=Strict, principal=who) as host:
        answer = await host.send("POST", path, {**JSON, **headers, **framing}, sent)
        assert answer.code == status, answer.body
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(answer.body)["status"] == status
        assert (await host.call("GET", headers=ALICE)).code == 404


async def test_the_method_of_who_is_refused_never_runs(keyring: Path) -> None:
    async with hosting(keyring, principal=who) as host:
        await host.call("POST", CREATE_PATH, body(), {**ALICE, **SAME})
        for headers in ({}, ALICE):  # a body where none belongs, whole and at once
            answer = await host.call("DELETE", DELETE_PATH, body(), headers)
            assert answer.code in (401, 403)
        assert (await host.call("GET", headers=ALICE)).code == 200


@pytest.mark.parametrize("more", [0, 1])
async def test_up_to_one_mebibyte_is_dropped_and_beyond_it_the_connection_ends(
    keyring: Path, more: int
) -> None:
    length = 1024 * 1024 + more
    head = {**JSON, "Host": "x", "Content-Length": str(length)}
    async with hosting(keyring, principal=who) as host:
        reader, writer = await asyncio.open_connection("127.0.0.1", host.port)
        try:
            writer.write(request_head("POST", CREATE_PATH, head))
            refused = await reader.readuntil(b"\r\n\r\n")
            assert refused.startswith(b"HTTP/1.1 401 ")
            assert (b"Connection: close" in refused) == bool(more)
            if not more:
                writer.write(b" " * length + request_head("GET", OPENAPI_PATH, {"Host": "x"}))
            rest = await reader.readuntil(b"openapi") if not more else await reader.read()
            assert (b"HTTP/1.1 200 " in rest) != bool(more)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

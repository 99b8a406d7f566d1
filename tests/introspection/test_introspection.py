"""Token introspection: every reply that servers give, every outage, and what is remembered."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from aiconfig_plugin.domain.model import Principal
from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    ConfigurationError,
    InvalidToken,
    MissingToken,
)
from aiconfig_plugin.introspection import authenticator as introspection
from aiconfig_plugin.introspection.authenticator import IntrospectionAuthenticator, bearer_token
from aiconfig_plugin.settings import Settings
from tests.support.scripted_server import INACTIVE, Reply, ScriptedServer, active

Vector: TypeAlias = dict[str, Any]

FILE = json.loads(
    (Path(__file__).parents[1] / "vectors" / "introspection.json").read_text(encoding="utf-8")
)
VECTORS: list[Vector] = FILE["vectors"]
NOW = float(FILE["now"])

ISSUER = "https://issuer.example"
CLIENT_ID, SECRET = "gateway", "hush-0f9b"
TOKEN = "mF_9.B5f-4.1JqM~+/=="
RUN = pytest.mark.gen_test(timeout=20)

UNUSABLE = (AuthorizationServerUnavailable, ClientCredentialsRefused)


class Time:
    """The two clocks of an authenticator, which only a test moves."""

    def __init__(self) -> None:
        self.epoch = NOW
        self.ticks = 1000.0

    def clock(self) -> float:
        return self.epoch

    def timer(self) -> float:
        return self.ticks

    def passes(self, seconds: float) -> None:
        self.epoch += seconds
        self.ticks += seconds


Make: TypeAlias = Callable[..., Awaitable[IntrospectionAuthenticator]]


@pytest.fixture
def moment() -> Time:
    return Time()


@pytest.fixture
def server(io_loop: IOLoop) -> Iterator[ScriptedServer]:
    async def start() -> ScriptedServer:
        return ScriptedServer()

    started = io_loop.run_sync(start)
    yield started
    io_loop.run_sync(started.stop)


@pytest.fixture
def make(
    io_loop: IOLoop, server: ScriptedServer, moment: Time, caplog: pytest.LogCaptureFixture
) -> Iterator[Make]:
    """Makes authenticators that ask the scripted server, with settings of one's choice."""
    made: list[IntrospectionAuthenticator] = []

    async def started(**changes: Any) -> IntrospectionAuthenticator:
        given = {
            "issuer": ISSUER,
            "introspection_endpoint": server.url,
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            **changes,
        }
        authenticator = IntrospectionAuthenticator(
            Settings(**given), clock=moment.clock, timer=moment.timer
        )
        made.append(authenticator)
        await authenticator.start()
        return authenticator

    with caplog.at_level(logging.DEBUG):
        yield started
        for authenticator in made:
            io_loop.run_sync(authenticator.close)
    records = caplog.get_records("call") + caplog.get_records("teardown")
    assert not errors_in(records)
    logged = "\n".join(map(logging.Formatter().format, records))
    assert TOKEN not in logged
    assert SECRET not in logged


def errors_in(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if record.levelno >= logging.ERROR]


async def outcome(call: Awaitable[Principal]) -> Principal | AIConfigError:
    try:
        return await call
    except AIConfigError as error:
        return error


async def gather(*calls: Awaitable[Principal]) -> list[Principal | AIConfigError]:
    return await asyncio.gather(*map(outcome, calls))


# What a reply means


def scripted(vector: Vector) -> Reply:
    if "reply" in vector:
        body = vector["reply"]
    else:
        body = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()
    return Reply(body, vector.get("status", 200), vector.get("headers", {}))


def vectors(expected: str) -> Any:
    fitting = [vector for vector in VECTORS if vector.get("problem", "principal") == expected]
    assert fitting
    return pytest.mark.parametrize("vector", fitting, ids=lambda vector: vector["name"])


@RUN
@vectors("principal")
async def test_a_token_that_passes_is_the_principal_that_the_reply_tells(
    make: Make, server: ScriptedServer, vector: Vector
) -> None:
    authenticator = await make(**vector.get("settings", {}))
    server.script(TOKEN, scripted(vector))
    principal = await authenticator.authenticate(TOKEN)
    told = {"subject": "alice", "scopes": [], **vector["principal"]}
    assert principal == Principal(ISSUER, **told)
    assert await authenticator.authenticate(TOKEN) == principal
    assert server.asked(TOKEN) == 1


@RUN
@vectors("invalid-token")
async def test_a_token_that_does_not_pass_is_refused_and_so_it_is_from_memory(
    make: Make, server: ScriptedServer, vector: Vector
) -> None:
    authenticator = await make(**vector.get("settings", {}))
    server.script(TOKEN, scripted(vector))
    for _ in range(2):
        with pytest.raises(InvalidToken) as caught:
            await authenticator.authenticate(TOKEN)
        assert caught.value.detail
        assert_tells_nothing(caught.value)
    assert server.asked(TOKEN) == 1


@RUN
@vectors("authorization-server-unavailable")
async def test_what_is_no_answer_is_an_outage_and_is_not_remembered(
    make: Make, server: ScriptedServer, vector: Vector
) -> None:
    authenticator = await make()
    server.script(TOKEN, scripted(vector), scripted(vector), active())
    for _ in range(2):
        with pytest.raises(AuthorizationServerUnavailable) as caught:
            await authenticator.authenticate(TOKEN)
        assert caught.value.retry_after == vector.get("retry_after", 5)
        assert_tells_nothing(caught.value)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    assert server.asked(TOKEN) == 3
    assert {call.path for call in server.calls} == {"/introspect"}


@RUN
@vectors("internal-error")
async def test_our_own_credentials_refused_is_our_own_fault_and_is_not_remembered(
    make: Make, server: ScriptedServer, vector: Vector
) -> None:
    authenticator = await make()
    server.script(TOKEN, scripted(vector), active())
    with pytest.raises(ClientCredentialsRefused) as caught:
        await authenticator.authenticate(TOKEN)
    assert caught.value.status == 500
    assert "AICONFIG_CLIENT_ID" in caught.value.detail
    assert f"HTTP {vector.get('status', 200)}" in caught.value.detail
    assert_tells_nothing(caught.value)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


def assert_tells_nothing(error: AIConfigError) -> None:
    told = repr(error) + error.detail + "".join(traceback.format_exception(error))
    assert TOKEN not in told
    assert SECRET not in told
    assert base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode() not in told


def test_every_vector_is_of_a_known_kind_and_named_once() -> None:
    kinds = {vector.get("problem", "principal") for vector in VECTORS}
    assert kinds == {
        "principal",
        "invalid-token",
        "authorization-server-unavailable",
        "internal-error",
    }
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)


@RUN
async def test_a_reply_with_a_number_of_5000_digits_is_an_outage(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, Reply(b'{"active":true,"sub":"alice","exp":' + b"9" * 5000 + b"}"))
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)


@RUN
async def test_a_reply_of_100000_brackets_is_an_outage(make: Make, server: ScriptedServer) -> None:
    authenticator = await make()
    server.script(TOKEN, Reply(b"[" * 100_000))
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)


# What is sent


@RUN
async def test_the_token_is_sent_in_a_form_and_without_a_hint(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    await outcome(authenticator.authenticate(TOKEN))
    (call,) = server.calls
    assert call.form == {"token": [TOKEN]}
    media_type = call.headers["Content-Type"].partition(";")[0]
    assert media_type == FORM
    assert call.path == "/introspect"


BASIC = {
    ("gateway", "hush-0f9b"): "gateway:hush-0f9b",
    ("gate:way", "a:b"): "gate%3Away:a%3Ab",
    ("g", "100%"): "g:100%25",
    ("g", "%3A"): "g:%253A",
    ("g", "a+b c"): "g:a%2Bb%20c",
    ("ü@g", "Grüße/é&="): "%C3%BC%40g:Gr%C3%BC%C3%9Fe%2F%C3%A9%26%3D",
    ("g", "\U0001f511"): "g:%F0%9F%94%91",
    ("g", "a-._~Z9"): "g:a-._~Z9",
}


@RUN
@pytest.mark.parametrize(("client_id", "secret"), BASIC, ids=lambda value: ascii(value))
async def test_basic_form_encodes_id_and_secret(
    make: Make, server: ScriptedServer, client_id: str, secret: str
) -> None:
    authenticator = await make(client_id=client_id, client_secret=secret)
    await outcome(authenticator.authenticate(TOKEN))
    scheme, _, encoded = server.calls[0].headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded).decode("ascii") == BASIC[client_id, secret]
    assert set(server.calls[0].form) == {"token"}


@RUN
@pytest.mark.parametrize(("client_id", "secret"), BASIC, ids=lambda value: ascii(value))
async def test_post_sends_id_and_secret_in_the_form_alone(
    make: Make, server: ScriptedServer, client_id: str, secret: str
) -> None:
    authenticator = await make(
        client_id=client_id, client_secret=secret, client_auth_method="client_secret_post"
    )
    await outcome(authenticator.authenticate(TOKEN))
    (call,) = server.calls
    assert call.form == {"token": [TOKEN], "client_id": [client_id], "client_secret": [secret]}
    assert "Authorization" not in call.headers


# Outages


@RUN
async def test_a_server_that_is_not_there_is_an_outage(make: Make) -> None:
    socket, port = bind_unused_port()
    socket.close()
    authenticator = await make(introspection_endpoint=f"http://127.0.0.1:{port}/introspect")
    with pytest.raises(AuthorizationServerUnavailable) as caught:
        await authenticator.authenticate(TOKEN)
    assert caught.value.__cause__ is not None
    assert_tells_nothing(caught.value)


@RUN
async def test_a_connection_that_is_closed_without_an_answer_is_an_outage(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, Reply(hangs_up=True), active())
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


@RUN
async def test_a_server_that_says_nothing_is_an_outage(
    make: Make, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "CALL_TIMEOUT", 0.05)
    authenticator = await make()
    server.gated(TOKEN, active())
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)


@RUN
async def test_a_server_that_never_comes_to_an_end_is_an_outage(
    make: Make, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    authenticator = await make()
    # Only now, so that the client's own limit, which is one for each read, never comes into it.
    monkeypatch.setattr(introspection, "CALL_TIMEOUT", 0.05)
    server.script(TOKEN, Reply(drips=True))
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)


def test_a_call_may_take_three_seconds() -> None:
    assert introspection.CALL_TIMEOUT == 3


@RUN
async def test_one_strangers_token_that_fails_fails_no_one_else(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, active())
    for number in range(30):
        server.script(f"odd-{number}", Reply(status=(500, 401, 429)[number % 3]))
        assert isinstance(await outcome(authenticator.authenticate(f"odd-{number}")), UNUSABLE)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


@RUN
async def test_an_outage_does_not_end_what_is_remembered(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(), Reply(status=503))
    await authenticator.authenticate(TOKEN)
    assert isinstance(await outcome(authenticator.authenticate("other")), InvalidToken)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    authenticator.forget(token=TOKEN)
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)


@RUN
async def test_an_outage_when_the_memory_ends_is_no_pass(
    make: Make, server: ScriptedServer, moment: Time
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(), Reply(status=503), active())
    await authenticator.authenticate(TOKEN)
    moment.passes(31)
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


@RUN
async def test_a_server_that_was_restarted_is_asked_over_a_new_connection(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(introspection_ttl=0)
    server.script(TOKEN, active())
    await authenticator.authenticate(TOKEN)
    await server.hang_up()
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


# What is remembered


@RUN
async def test_an_active_token_is_asked_about_again_when_its_time_is_over(
    make: Make, server: ScriptedServer, moment: Time
) -> None:
    authenticator = await make(introspection_ttl=30)
    server.script(TOKEN, active(), active("bob"), INACTIVE)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    moment.passes(29.9)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    moment.passes(0.1)
    assert (await authenticator.authenticate(TOKEN)).subject == "bob"
    moment.passes(29.9)  # A hit does not prolong it: this is counted from the second answer.
    assert (await authenticator.authenticate(TOKEN)).subject == "bob"
    moment.passes(0.1)
    with pytest.raises(InvalidToken):
        await authenticator.authenticate(TOKEN)
    assert server.asked(TOKEN) == 3


@RUN
async def test_a_ttl_of_zero_always_asks(make: Make, server: ScriptedServer) -> None:
    authenticator = await make(introspection_ttl=0)
    server.script(TOKEN, active(), INACTIVE, active(), INACTIVE)
    kinds = [type(await outcome(authenticator.authenticate(TOKEN))) for _ in range(4)]
    assert kinds == [Principal, InvalidToken, Principal, InvalidToken]
    assert server.asked(TOKEN) == 4


@RUN
@pytest.mark.parametrize(("ttl", "remembered"), [(30, 2), (2, 2), (0.5, 0.5)])
async def test_not_active_is_remembered_for_two_seconds_at_the_most(
    make: Make, server: ScriptedServer, moment: Time, ttl: float, remembered: float
) -> None:
    authenticator = await make(introspection_ttl=ttl)
    server.script(TOKEN, INACTIVE, active())
    for step in (0, remembered * 0.75):
        moment.passes(step)
        with pytest.raises(InvalidToken):
            await authenticator.authenticate(TOKEN)
    assert server.asked(TOKEN) == 1
    moment.passes(remembered * 0.25)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


@RUN
async def test_a_remembered_token_expires_on_time(
    make: Make, server: ScriptedServer, moment: Time
) -> None:
    authenticator = await make(introspection_ttl=3600)
    server.script(TOKEN, active(exp=NOW + 10.5))
    await authenticator.authenticate(TOKEN)
    moment.passes(10.25)
    await authenticator.authenticate(TOKEN)
    moment.passes(0.25)
    with pytest.raises(InvalidToken, match="expired"):
        await authenticator.authenticate(TOKEN)
    assert server.asked(TOKEN) == 1


@RUN
async def test_a_wall_clock_that_is_set_ends_a_token_too(
    make: Make, server: ScriptedServer, moment: Time
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(exp=NOW + 10))
    await authenticator.authenticate(TOKEN)
    moment.epoch += 3600
    with pytest.raises(InvalidToken):
        await authenticator.authenticate(TOKEN)


@RUN
async def test_a_token_that_is_not_valid_yet_becomes_valid(
    make: Make, server: ScriptedServer, moment: Time
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(nbf=NOW + 5))
    with pytest.raises(InvalidToken, match="not valid yet"):
        await authenticator.authenticate(TOKEN)
    moment.passes(5)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


async def asks_about(
    authenticator: IntrospectionAuthenticator, server: ScriptedServer, token: str
) -> bool:
    """Whether the server is asked when this token comes; whatever the answer is."""
    before = server.asked(token)
    await outcome(authenticator.authenticate(token))
    return server.asked(token) > before


@RUN
@pytest.mark.parametrize("reply", [active(), INACTIVE], ids=["active", "inactive"])
async def test_no_more_answers_are_remembered_than_the_size_allows(
    make: Make, server: ScriptedServer, reply: Reply
) -> None:
    authenticator = await make(introspection_cache_size=2)
    for token in ("one", "two", "three"):
        server.script(token, reply)
        assert await asks_about(authenticator, server, token)
    assert not await asks_about(authenticator, server, "three")
    assert not await asks_about(authenticator, server, "two")
    assert await asks_about(authenticator, server, "one")


@RUN
async def test_made_up_tokens_do_not_push_out_those_of_users(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(introspection_cache_size=2)
    server.script(TOKEN, active())
    await authenticator.authenticate(TOKEN)
    for number in range(20):
        assert await asks_about(authenticator, server, f"made-up-{number}")
    assert not await asks_about(authenticator, server, TOKEN)


@RUN
async def test_what_is_remembered_holds_no_token(make: Make, server: ScriptedServer) -> None:
    authenticator = await make()
    server.script("Zq7Xv0Kw-active", active())
    await gather(*map(authenticator.authenticate, ["Zq7Xv0Kw-active", "Zq7Xv0Kw-inactive"]))
    gate = server.gated("Zq7Xv0Kw-waiting", active())
    waiting = asyncio.create_task(authenticator.authenticate("Zq7Xv0Kw-waiting"))
    await server.until_asked(3)
    held = {name: value for name, value in vars(authenticator).items() if name != "_settings"}
    assert held
    assert "Zq7Xv0Kw" not in repr(held)
    assert "alice" in repr(held)  # or this test looks in the wrong place
    gate.set()
    await waiting


# Calls that are under way


@RUN
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (active(), Principal),
        (INACTIVE, InvalidToken),
        (Reply(status=500), AuthorizationServerUnavailable),
        (Reply(status=401), ClientCredentialsRefused),
    ],
    ids=["active", "inactive", "outage", "refused"],
)
async def test_requests_that_miss_together_share_one_call(
    make: Make, server: ScriptedServer, reply: Reply, kind: type
) -> None:
    authenticator = await make(introspection_ttl=0)
    gate = server.gated(TOKEN, reply)
    waiting = asyncio.create_task(gather(*[authenticator.authenticate(TOKEN) for _ in range(20)]))
    await server.until_asked(1)
    gate.set()
    assert {type(answer) for answer in await waiting} == {kind}
    assert server.asked(TOKEN) == 1
    assert await asks_about(authenticator, server, TOKEN)


@RUN
async def test_one_token_does_not_wait_for_another(make: Make, server: ScriptedServer) -> None:
    authenticator = await make()
    gate = server.gated("slow", active("slow"))
    server.script("quick", active("quick"))
    waiting = asyncio.create_task(authenticator.authenticate("slow"))
    await server.until_asked(1)
    assert (await authenticator.authenticate("quick")).subject == "quick"
    assert not waiting.done()
    gate.set()
    assert (await waiting).subject == "slow"


@RUN
@pytest.mark.parametrize("given_up", [0, 1, 2])
async def test_a_request_that_is_given_up_does_not_take_the_others_answer_away(
    make: Make, server: ScriptedServer, given_up: int
) -> None:
    authenticator = await make()
    gate = server.gated(TOKEN, active())
    waiting = [asyncio.create_task(authenticator.authenticate(TOKEN)) for _ in range(3)]
    await server.until_asked(1)
    waiting[given_up].cancel()
    await asyncio.wait([waiting[given_up]])
    gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers.pop(given_up), asyncio.CancelledError)
    assert [answer.subject for answer in answers if isinstance(answer, Principal)] == ["alice"] * 2
    assert server.asked(TOKEN) == 1


def authenticator_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "IntrospectionAuthenticator" in repr(task)]


@RUN
@pytest.mark.parametrize(
    "reply", [pytest.param(active(), id="active"), pytest.param(Reply(status=500), id="outage")]
)
async def test_an_answer_that_no_one_waits_for_is_taken_quietly(
    make: Make, server: ScriptedServer, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    authenticator = await make()
    gate = server.gated(TOKEN, reply)
    waiting = asyncio.create_task(authenticator.authenticate(TOKEN))
    await server.until_asked(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    gate.set()
    await asyncio.wait(authenticator_tasks())
    del waiting
    gc.collect()  # A task whose exception no one took says so, in the log, when it goes.
    complaints = errors_in(caplog.records)
    caplog.clear()
    assert not complaints
    assert await asks_about(authenticator, server, TOKEN) == (reply.status == 500)


# Forgetting


@RUN
async def test_a_forgotten_token_is_asked_about_again_and_no_other(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    for token in ("out", "in"):
        server.script(token, active())
        await authenticator.authenticate(token)
    authenticator.forget(token="out")
    assert not await asks_about(authenticator, server, "in")
    assert await asks_about(authenticator, server, "out")


@RUN
async def test_a_forgotten_token_that_was_not_active_is_asked_about_again(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, INACTIVE, active())
    assert isinstance(await outcome(authenticator.authenticate(TOKEN)), InvalidToken)
    authenticator.forget(token=TOKEN)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


@RUN
async def test_all_tokens_of_a_forgotten_subject_are_asked_about_again_and_no_others(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    subjects = {"a1": "alice", "a2": "alice", "b": "bob", "c": "alice2"}
    for token, subject in subjects.items():
        server.script(token, active(subject))
        await authenticator.authenticate(token)
    authenticator.forget(subject="alice")
    asked = {token: await asks_about(authenticator, server, token) for token in subjects}
    assert asked == {"a1": True, "a2": True, "b": False, "c": False}


@RUN
async def test_forgetting_what_was_never_seen_is_no_error(make: Make) -> None:
    authenticator = await make()
    authenticator.forget(token="unseen")
    authenticator.forget(subject="unseen")
    authenticator.forget()


@RUN
@pytest.mark.parametrize("reply", [active(), INACTIVE], ids=["active", "inactive"])
async def test_forgetting_everything_forgets_every_answer(
    make: Make, server: ScriptedServer, reply: Reply
) -> None:
    authenticator = await make()
    server.script(TOKEN, reply)
    assert await asks_about(authenticator, server, TOKEN)
    authenticator.forget()
    assert await asks_about(authenticator, server, TOKEN)


@RUN
@pytest.mark.parametrize(
    "what", [{"token": TOKEN}, {"subject": "alice"}, {}], ids=["token", "subject", "everything"]
)
@pytest.mark.parametrize("reply", [active(), INACTIVE], ids=["active", "inactive"])
async def test_an_answer_that_is_under_way_when_it_is_forgotten_is_not_remembered(
    make: Make, server: ScriptedServer, reply: Reply, what: dict[str, str]
) -> None:
    authenticator = await make()
    gate = server.gated(TOKEN, reply)
    waiting = asyncio.create_task(outcome(authenticator.authenticate(TOKEN)))
    await server.until_asked(1)
    authenticator.forget(**what)
    gate.set()
    assert isinstance(await waiting, (Principal, InvalidToken))
    assert await asks_about(authenticator, server, TOKEN)


@RUN
async def test_who_comes_after_a_log_out_does_not_get_the_answer_from_before(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    before = server.gated(TOKEN, active())
    early = asyncio.create_task(outcome(authenticator.authenticate(TOKEN)))
    await server.until_asked(1)
    authenticator.forget(token=TOKEN)
    after = server.gated(TOKEN, INACTIVE)
    late = asyncio.create_task(outcome(authenticator.authenticate(TOKEN)))
    await server.until_asked(2)
    before.set()
    assert isinstance(await early, Principal)
    after.set()
    assert isinstance(await late, InvalidToken)
    assert isinstance(await outcome(authenticator.authenticate(TOKEN)), InvalidToken)
    assert server.asked(TOKEN) == 2


# Its life


@pytest.mark.parametrize("name", ["issuer", "client_id", "client_secret"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_setting_that_it_needs_is_named_when_it_is_missing(
    name: str, value: str | None, server: ScriptedServer
) -> None:
    given = {
        "issuer": ISSUER,
        "introspection_endpoint": server.url,
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
    }
    if name == "issuer" and value == "":
        return  # The settings themselves refuse that.
    with pytest.raises(ConfigurationError, match=f"AICONFIG_{name.upper()} ") as caught:
        IntrospectionAuthenticator(Settings(**{**given, name: value}))  # type: ignore[arg-type]
    assert SECRET not in caught.value.detail


def test_it_is_made_without_a_loop() -> None:
    IntrospectionAuthenticator(
        Settings(
            issuer=ISSUER,
            introspection_endpoint=f"{ISSUER}/introspect",
            client_id=CLIENT_ID,
            client_secret=SECRET,
        )
    )
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


@RUN
async def test_it_asks_only_between_start_and_close(make: Make, server: ScriptedServer) -> None:
    authenticator = await make()
    server.script(TOKEN, active())
    await authenticator.authenticate(TOKEN)
    await authenticator.close()
    with pytest.raises(RuntimeError, match="start"):
        await authenticator.authenticate(TOKEN)
    await authenticator.start()
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    assert server.asked(TOKEN) == 2


@RUN
@pytest.mark.parametrize("forgotten", [False, True])
async def test_closing_ends_the_calls_that_are_under_way(
    make: Make, server: ScriptedServer, forgotten: bool
) -> None:
    authenticator = await make()
    server.gated(TOKEN, active())
    waiting = asyncio.create_task(authenticator.authenticate(TOKEN))
    await server.until_asked(1)
    assert len(authenticator_tasks()) == 2
    if forgotten:
        authenticator.forget(token=TOKEN)
    await authenticator.close()
    await asyncio.wait([waiting])
    assert not authenticator_tasks()
    assert waiting.cancelled() or isinstance(waiting.exception(), AIConfigError)


# The header


FORM = "application/x-www-form-urlencoded"


def request(**headers: str) -> HTTPServerRequest:
    return HTTPServerRequest(
        start_line=RequestStartLine("POST", f"/x?access_token={TOKEN}", "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "gateway.example", "Content-Type": FORM, **headers}),
        body=f"access_token={TOKEN}".encode(),
    )


@RUN
async def test_a_request_is_authenticated_by_its_authorization_header_alone(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, active())
    principal = await authenticator(request(Authorization=f"Bearer {TOKEN}"))
    assert principal.subject == "alice"
    for headers in ({}, {"Cookie": f"access_token={TOKEN}"}, {"X-Access-Token": TOKEN}):
        with pytest.raises(MissingToken):
            await authenticator(request(**headers))
    assert server.asked(TOKEN) == 1


@pytest.mark.parametrize(
    "value", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR   {}", "  Bearer {}  "]
)
@pytest.mark.parametrize("token", ["x", TOKEN, "a.b.c", "0" * 4000, "a======"])
def test_a_bearer_token_is_read(value: str, token: str) -> None:
    assert bearer_token(HTTPHeaders({"Authorization": value.format(token)})) == token


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Basic Z2F0ZXdheTpodXNo",
        "DPoP abc",
        "Bearerabc",
        "Bearer,abc",
        "Bearer\tabc",
        "abc",
        "Token token=abc",
        'Digest username="Bearer abc"',
    ],
)
def test_without_a_bearer_token_it_is_missing(value: str) -> None:
    with pytest.raises(MissingToken):
        bearer_token(HTTPHeaders({"Authorization": value}))


def test_without_a_header_the_token_is_missing() -> None:
    with pytest.raises(MissingToken):
        bearer_token(HTTPHeaders())


@pytest.mark.parametrize(
    "value",
    [
        "Bearer a b",
        "Bearer a,b",
        "Bearer a, Bearer b",
        'Bearer "a"',
        "Bearer token=a",
        "Bearer a\tb",
        "Bearer =",
        "Bearer a=b",
        "Bearer a;b",
        "Bearer a%20b",
        "Bearer é",
        "Bearer a\x00",
    ],
)
def test_what_cannot_be_a_token_is_invalid(value: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        bearer_token(HTTPHeaders({"Authorization": value}))
    assert value not in caught.value.detail


def test_two_headers_are_not_one_token() -> None:
    headers = HTTPHeaders()
    headers.add("Authorization", "Bearer a")
    headers.add("Authorization", "Bearer b")
    with pytest.raises(InvalidToken):
        bearer_token(headers)


TOKEN_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")
# As they come from the wire: what is not ASCII is read as Latin-1.
header_text = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=20)


@given(st.sampled_from(["Bearer ", "bearer  ", "Bearer", "", "Basic ", " Bearer "]), header_text)
def test_a_header_gives_a_token_or_a_refusal_and_nothing_else(scheme: str, rest: str) -> None:
    try:
        token = bearer_token(HTTPHeaders({"Authorization": scheme + rest}))
    except (MissingToken, InvalidToken):
        return
    assert token
    assert set(token) <= TOKEN_LETTERS
    assert token in rest
    assert token.rstrip("=")


@pytest.mark.parametrize("letter", ["\u212a", "\u017f"], ids=["Kelvin sign", "long s"])
def test_letters_that_only_fold_to_ascii_are_no_token(letter: str) -> None:
    with pytest.raises(InvalidToken):
        bearer_token(HTTPHeaders({"Authorization": f"Bearer {letter}"}))

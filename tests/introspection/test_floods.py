"""A thousand requests at once: no more calls than tokens, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from aiconfig_plugin import AuthorizationServerUnavailable, Settings
from aiconfig_plugin.introspection import authenticator as introspection
from aiconfig_plugin.introspection.authenticator import MAX_CALLS, IntrospectionAuthenticator
from tests.support.incoming import RUN, MakeGateway, make_gateway, server
from tests.support.scripted_server import Reply, ScriptedServer, active
from tests.support.small_gateway import bearer

__all__ = ["make_gateway", "server"]

CROWD = 1000
Make = Callable[..., Awaitable[IntrospectionAuthenticator]]


@pytest.fixture
def make(io_loop: IOLoop, server: ScriptedServer) -> Iterator[Make]:
    made: list[IntrospectionAuthenticator] = []

    async def start(**given: Any) -> IntrospectionAuthenticator:
        made.append(IntrospectionAuthenticator(Settings(**to(server), **given)))
        await made[-1].start()
        return made[-1]

    yield start
    for authenticator in made:
        io_loop.run_sync(authenticator.close)


def to(server: ScriptedServer) -> dict[str, Any]:
    return {
        "issuer": "https://issuer.example",
        "introspection_endpoint": server.url,
        "client_id": "gateway",
        "client_secret": "s",
    }


@RUN
async def test_one_token_in_a_thousand_requests_is_one_call_and_nobody_else_waits(
    make_gateway: MakeGateway, server: ScriptedServer
) -> None:
    gateway = await make_gateway(**to(server))
    gate = server.gated("t", active("alice", scope="ai-config:read"))
    server.script("other", active("bob", scope="ai-config:read"))
    asked = [asyncio.create_task(gateway.call("GET", headers=bearer("t"))) for _ in range(CROWD)]
    await server.until_asked(1)
    assert (await gateway.call("GET", headers=bearer("other"))).code == 404
    assert not any(call.done() for call in asked)
    gate.set()
    answers = await asyncio.gather(*asked)
    assert {answer.code for answer in answers} == {404}
    assert server.asked("t") == 1


@RUN
async def test_a_thousand_tokens_are_a_thousand_calls_and_known_users_do_not_wait(
    make_gateway: MakeGateway, server: ScriptedServer
) -> None:
    gateway = await make_gateway(**to(server))
    server.script("known", active("bob", scope="ai-config:read"))
    assert (await gateway.call("GET", headers=bearer("known"))).code == 404
    tokens = [f"t{n}" for n in range(CROWD)]
    gates = [server.gated(token, active(token, scope="ai-config:read")) for token in tokens]
    asked = [asyncio.create_task(gateway.call("GET", headers=bearer(t))) for t in tokens]
    await server.until_asked(1 + MAX_CALLS)
    assert (await gateway.call("GET", headers=bearer("known"))).code == 404
    assert not any(call.done() for call in asked)
    for gate in gates:
        gate.set()
    answers = await asyncio.gather(*asked)
    assert {answer.code for answer in answers} == {404}
    assert all(server.asked(token) == 1 for token in tokens)
    assert len(server.calls) == CROWD + 1


@RUN
async def test_waiting_for_a_turn_does_not_count_against_the_call(
    make: Make, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MAX_CALLS", 1)
    monkeypatch.setattr(introspection, "CALL_TIMEOUT", 0.5)
    authenticator = await make()
    first = server.gated("t0", active())
    server.script("t1", active("bob"))
    tasks = [asyncio.create_task(authenticator.authenticate(f"t{n}")) for n in range(2)]
    await server.until_asked(1)
    with pytest.raises(AuthorizationServerUnavailable):
        await tasks[0]
    first.set()
    assert (await tasks[1]).subject == "bob"


@RUN
async def test_who_waits_too_long_for_a_turn_gets_503(
    make: Make, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "QUEUE_TIMEOUT", 0.05)
    authenticator = await make()
    gates = [server.gated(f"t{n}", active()) for n in range(MAX_CALLS)]
    held = [asyncio.create_task(authenticator.authenticate(f"t{n}")) for n in range(MAX_CALLS)]
    await server.until_asked(MAX_CALLS)
    with pytest.raises(AuthorizationServerUnavailable, match="Too many"):
        await authenticator.authenticate("late")
    assert server.asked("late") == 0
    for gate in gates:
        gate.set()
    assert len(await asyncio.gather(*held)) == MAX_CALLS
    server.script("late", active())
    assert await authenticator.authenticate("late")


@RUN
async def test_only_so_many_may_wait_for_a_turn(
    make: Make, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MAX_OUTSTANDING", 3)
    authenticator = await make()
    gates = [server.gated(f"t{n}", active()) for n in range(3)]
    held = [asyncio.create_task(authenticator.authenticate(f"t{n}")) for n in range(3)]
    await server.until_asked(3)
    with pytest.raises(AuthorizationServerUnavailable, match="Too many"):
        await authenticator.authenticate("t3")
    joins = asyncio.create_task(authenticator.authenticate("t0"))
    for gate in gates:
        gate.set()
    assert len(await asyncio.gather(*held, joins)) == 4
    server.script("t3", active())
    assert await authenticator.authenticate("t3")


@RUN
async def test_turns_are_given_back_whatever_came_of_the_call(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    replies = [Reply(status=500), Reply(b"rubbish"), Reply(status=401), Reply(hangs_up=True)]
    for n in range(2 * MAX_CALLS):
        server.script(f"odd{n}", replies[n % len(replies)])
    odd = (authenticator.authenticate(f"odd{n}") for n in range(2 * MAX_CALLS))
    await asyncio.gather(*odd, return_exceptions=True)
    server.script("good", active("alice"))
    assert (await authenticator.authenticate("good")).subject == "alice"


@RUN
async def test_closing_answers_those_who_wait(make: Make, server: ScriptedServer) -> None:
    authenticator = await make()
    server.gated("t", active())
    waiting = asyncio.create_task(authenticator.authenticate("t"))
    await server.until_asked(1)
    await authenticator.close()
    with pytest.raises(AuthorizationServerUnavailable):
        await waiting


@RUN
async def test_an_error_that_many_share_does_not_grow_with_them(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script("t", Reply(status=401))
    errors = await asyncio.gather(
        *(authenticator.authenticate("t") for _ in range(CROWD)), return_exceptions=True
    )
    assert len(server.calls) == 1
    for error in errors:
        assert isinstance(error, Exception)
        depth, trace = 0, error.__traceback__
        while trace is not None:
            depth, trace = depth + 1, trace.tb_next
        assert depth < 20

"""Many requests at once: no more calls than tokens, no more than the limits, and none is stuck."""

from __future__ import annotations

import asyncio

import pytest

from aiconfig_plugin import AuthorizationServerUnavailable
from aiconfig_plugin.access.introspection import Limits
from aiconfig_plugin.access.turns import INITIAL
from tests.access.conftest import Make, gather
from tests.support.scripted_server import Reply, ScriptedServer, active

CROWD = 1000


def test_the_limits_bound_connections_and_memory() -> None:
    assert (Limits().max_calls, Limits().max_pending) == (50, 4000)


async def test_one_token_in_a_thousand_requests_is_one_call_and_nobody_else_waits(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    gate = server.gated("t", active("alice"))
    server.script("other", active("bob"))
    asked = [asyncio.create_task(authenticator.authenticate("t")) for _ in range(CROWD)]
    await server.until_asked(1)
    assert (await authenticator.authenticate("other")).subject == "bob"
    assert not any(call.done() for call in asked)
    gate.set()
    assert {principal.subject for principal in await asyncio.gather(*asked)} == {"alice"}
    assert server.asked("t") == 1


async def test_each_token_is_one_call_and_known_users_do_not_wait(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script("known", active("bob"))
    await authenticator.authenticate("known")
    tokens = [f"t{n}" for n in range(100)]
    gates = [server.gated(token, active(token)) for token in tokens]
    asked = [asyncio.create_task(authenticator.authenticate(token)) for token in tokens]
    await server.until_asked(1 + INITIAL)
    assert (await authenticator.authenticate("known")).subject == "bob"
    assert not any(call.done() for call in asked)
    assert len(server.calls) == 1 + INITIAL
    for gate in gates:
        gate.set()
    assert [principal.subject for principal in await asyncio.gather(*asked)] == tokens
    assert sorted(call.token for call in server.calls) == sorted([*tokens, "known"])


async def test_waiting_for_a_turn_does_not_count_against_the_call(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(limits=Limits(call_timeout=0.2, max_calls=1))
    server.gated("t0", active())
    server.script("t1", active("bob"))
    tasks = [asyncio.create_task(authenticator.authenticate(f"t{n}")) for n in range(2)]
    with pytest.raises(AuthorizationServerUnavailable):
        await tasks[0]
    assert (await tasks[1]).subject == "bob"


async def test_who_waits_too_long_for_a_turn_gets_503(make: Make, server: ScriptedServer) -> None:
    authenticator = await make(limits=Limits(queue_timeout=0.05, max_calls=2))
    gates = [server.gated(f"t{n}", active()) for n in range(2)]
    held = [asyncio.create_task(authenticator.authenticate(f"t{n}")) for n in range(2)]
    await server.until_asked(2)
    with pytest.raises(AuthorizationServerUnavailable, match="^Too many pending introspections.$"):
        await authenticator.authenticate("late")
    assert server.asked("late") == 0
    for gate in gates:
        gate.set()
    await asyncio.gather(*held)
    server.script("late", active())
    assert await authenticator.authenticate("late")


@pytest.mark.parametrize("forget", [False, True])
async def test_only_so_many_may_run_or_wait_however_often_they_are_forgotten(
    make: Make, server: ScriptedServer, forget: bool
) -> None:
    authenticator = await make(limits=Limits(max_pending=6))
    gates = [server.gated(f"t{n}", active()) for n in range(3)]
    held = [asyncio.create_task(authenticator.authenticate(f"t{n}")) for n in range(3)]
    await server.until_asked(3)
    if forget:
        authenticator.forget()
    else:
        held.append(asyncio.create_task(authenticator.authenticate("t0")))
    with pytest.raises(AuthorizationServerUnavailable, match="^Too many pending introspections.$"):
        await authenticator.authenticate("t3")
    assert len(server.calls) == 3
    for gate in gates:
        gate.set()
    await asyncio.gather(*held)
    server.script("t3", active())
    assert await authenticator.authenticate("t3")


async def test_turns_are_given_back_whatever_came_of_the_call(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(limits=Limits(max_calls=3))
    replies = [Reply(status=500), Reply(b"rubbish"), Reply(status=401), Reply(hangs_up=True)]
    for n in range(12):
        server.script(f"odd{n}", replies[n % len(replies)])
    await gather(*(authenticator.authenticate(f"odd{n}") for n in range(12)))
    server.script("good", active("alice"))
    assert (await authenticator.authenticate("good")).subject == "alice"

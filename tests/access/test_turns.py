"""A slow server is asked by fewer at a time, and answers late and not never; a rate is kept."""

from __future__ import annotations

import asyncio
import heapq

import pytest

from aiconfig_plugin import AuthorizationServerUnavailable, InvalidToken, Principal
from aiconfig_plugin.access.introspection import Limits
from aiconfig_plugin.access.turns import AdaptiveLimit, Rate
from tests.access.conftest import Clocks, Make, gather, outcome
from tests.support.scripted_server import Reply, ScriptedServer, active

TIMEOUT = 3.0


class SlowServer:
    """Works ``workers`` calls at a time, each for ``seconds``, in the time of the test alone."""

    def __init__(self, seconds: float, workers: int = 1) -> None:
        self._seconds = seconds
        self._free_at = [0.0] * workers

    def answer_at(self, now: float) -> float:
        begins = max(now, heapq.heappop(self._free_at))
        heapq.heappush(self._free_at, begins + self._seconds)
        return begins + self._seconds


def unanswered(limit: AdaptiveLimit, server: SlowServer, users: int) -> tuple[int, float]:
    """Let so many users ask at once; return how many got no answer in time, and when all ended."""
    running: list[tuple[float, float]] = []
    waiting, failed, now = users, 0, 0.0
    while waiting or running:
        while waiting and len(running) < limit.limit:
            heapq.heappush(running, (server.answer_at(now), now))
            waiting -= 1
        was_full = len(running) >= limit.limit
        end, began = heapq.heappop(running)
        now = max(now, min(end, began + TIMEOUT))
        if end - began > TIMEOUT:
            failed += 1
            limit.failed()
        else:
            limit.answered(end - began, was_full=was_full)
    return failed, now


@pytest.mark.parametrize(
    ("seconds", "workers", "users"),
    [(0.24, 1, 50), (0.3, 1, 50), (0.1, 1, 150), (0.24, 4, 200), (1.5, 8, 50), (0.005, 1, 2000)],
)
def test_who_asks_a_slow_server_is_answered_late_and_not_never(
    seconds: float, workers: int, users: int
) -> None:
    failed, took = unanswered(AdaptiveLimit(TIMEOUT), SlowServer(seconds, workers), users)
    assert failed == 0
    assert took == pytest.approx(seconds * -(-users // workers), rel=0.2)


def test_fifty_at_once_would_have_been_too_many() -> None:
    fixed = AdaptiveLimit(TIMEOUT, initial=50, lowest=50)
    failed, _ = unanswered(fixed, SlowServer(0.24), 50)
    assert failed > 30


def test_a_server_that_is_even_slower_costs_some_and_then_no_more() -> None:
    limit = AdaptiveLimit(TIMEOUT)
    first, _ = unanswered(limit, SlowServer(0.6), 50)
    later, _ = unanswered(limit, SlowServer(0.6), 50)
    assert 0 < first < 20
    assert (later, limit.limit) == (0, 4)


def test_the_limit_begins_at_8_and_stays_between_4_and_50() -> None:
    limit = AdaptiveLimit(TIMEOUT)
    assert limit.limit == 8
    for _ in range(5000):
        limit.answered(0.01, was_full=True)
    assert limit.limit == 50
    for _ in range(50):
        limit.failed()
    assert limit.limit == 4


def test_it_grows_only_where_another_call_would_have_waited() -> None:
    limit = AdaptiveLimit(TIMEOUT)
    for _ in range(1000):
        limit.answered(0.01, was_full=False)
    assert limit.limit == 8


@pytest.mark.parametrize(("seconds", "goes"), [(1.0, 1), (1.01, 0), (2.0, 0), (2.01, -1)])
def test_an_answer_in_time_is_one_within_a_third_of_what_a_call_may_take(
    seconds: float, goes: int
) -> None:
    limit = AdaptiveLimit(TIMEOUT)
    for _ in range(9):
        limit.answered(seconds, was_full=True)
    assert (limit.limit > 8) - (limit.limit < 8) == goes


async def test_calls_run_as_many_at_a_time_as_the_limit_says(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(limits=Limits(call_timeout=0.05))
    gates = [server.gated(f"t{n}", active()) for n in range(8)]
    failed = await gather(*(authenticator.authenticate(f"t{n}") for n in range(8)))
    assert {type(each) for each in failed} == {AuthorizationServerUnavailable}
    for gate in gates:
        gate.set()
    server.calls.clear()
    # Eight calls without an answer: from now on four at a time.
    gates = [server.gated(f"u{n}", active()) for n in range(6)]
    patient = await make()
    vars(patient)["_check"]._turns = vars(authenticator)["_check"]._turns
    asked = [asyncio.create_task(outcome(patient.authenticate(f"u{n}"))) for n in range(6)]
    await server.until_asked(4)
    assert len(server.calls) == 4
    for gate in gates:
        gate.set()
    assert {type(each) for each in await asyncio.gather(*asked)} == {Principal}


async def test_known_tokens_and_others_take_turns(make: Make, server: ScriptedServer) -> None:
    authenticator = await make(limits=Limits(max_calls=1), introspection_ttl=0)
    for token in ("known-1", "known-2"):
        server.script(token, active())
        await authenticator.authenticate(token)
    gate = server.gated("first", active())
    names = ["first", "made-up-1", "made-up-2", "made-up-3", "known-1", "known-2"]
    asked = [asyncio.create_task(outcome(authenticator.authenticate(name))) for name in names]
    await server.until_asked(3)
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*asked)
    order = [call.token for call in server.calls[2:]]
    assert order.index("known-1") < order.index("made-up-2")
    assert order.index("known-2") < order.index("made-up-3")


async def test_a_turn_that_is_given_up_goes_to_the_next(make: Make, server: ScriptedServer) -> None:
    authenticator = await make(limits=Limits(max_calls=1, queue_timeout=0.01))
    gate = server.gated("first", active())
    first = asyncio.create_task(authenticator.authenticate("first"))
    await server.until_asked(1)
    assert isinstance(
        await outcome(authenticator.authenticate("late")), AuthorizationServerUnavailable
    )
    gate.set()
    await first
    server.script("next", active())
    assert isinstance(await outcome(authenticator.authenticate("next")), Principal)


# The rate


def taken(rate: Rate, count: int, *, known: bool) -> int:
    passed = 0
    for _ in range(count):
        try:
            rate.take(known=known)
        except AuthorizationServerUnavailable:
            continue
        passed += 1
    return passed


@pytest.mark.parametrize(("calls", "unknown"), [(30, 15), (10, 5), (5, 2), (2, 1), (1, 1)])
def test_tokens_that_were_never_active_get_half(calls: int, unknown: int) -> None:
    rate = Rate(calls, lambda: 0.0)
    assert taken(rate, 100, known=False) == unknown
    assert taken(rate, 100, known=True) == calls - unknown
    other = Rate(calls, lambda: 0.0)
    assert taken(other, 100, known=True) == calls
    assert taken(other, 100, known=False) == 0


def test_any_minute_has_no_more_calls_than_the_rate(clocks: Clocks) -> None:
    rate = Rate(6, lambda: clocks.ticks)
    assert taken(rate, 2, known=True) == 2
    clocks.advance(40)
    assert taken(rate, 9, known=True) == 4
    with pytest.raises(AuthorizationServerUnavailable) as caught:
        rate.take(known=True)
    assert caught.value.retry_after == 20
    clocks.advance(20)
    assert taken(rate, 9, known=True) == 2
    clocks.advance(40)
    assert taken(rate, 9, known=True) == 4


async def test_made_up_tokens_do_not_use_up_the_users_share(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    authenticator = await make(introspection_rate=10, introspection_ttl=1)
    server.script("user", active())
    assert isinstance(await outcome(authenticator.authenticate("user")), Principal)
    made_up = [await outcome(authenticator.authenticate(f"x{n}")) for n in range(20)]
    kinds = [type(each) for each in made_up]
    assert kinds == [InvalidToken] * 4 + [AuthorizationServerUnavailable] * 16
    assert len(server.calls) == 5
    for _ in range(5):
        clocks.advance(1)
        assert isinstance(await outcome(authenticator.authenticate("user")), Principal)
    assert len(server.calls) == 10
    clocks.advance(1)
    refused = await outcome(authenticator.authenticate("user"))
    assert isinstance(refused, AuthorizationServerUnavailable)
    assert refused.retry_after == 54


# What a 400 says


async def test_a_refused_request_is_logged_without_the_token_and_not_again_at_once(
    make: Make, server: ScriptedServer, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    authenticator = await make(introspection_ttl=0)
    told = {"error": "unsupported_token_type", "error_description": "no\nsuch: secret-token"}
    server.script("secret-token", Reply(told, status=400))

    async def lines() -> list[str]:
        caplog.clear()
        assert isinstance(await outcome(authenticator.authenticate("secret-token")), InvalidToken)
        return [each.getMessage() for each in caplog.records if each.name == "aiconfig_plugin"]

    expected = [
        "The authorization server refused an introspection with HTTP 400: "
        "unsupported_token_type: no such: [token]"
    ]
    assert await lines() == expected
    assert await lines() == []
    clocks.advance(60)
    assert await lines() == expected

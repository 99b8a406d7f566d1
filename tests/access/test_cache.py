"""What is remembered of introspected tokens, for how long, and what is forgotten."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

import pytest

from aiconfig_plugin import InvalidToken, Principal
from aiconfig_plugin.access.authenticator import TokenAuthenticator
from aiconfig_plugin.domain import Logout, token_digest
from tests.access.conftest import NOW, TOKEN, Clocks, Make, gather, outcome
from tests.support.scripted_server import INACTIVE, Reply, ScriptedServer, active

AT = datetime.fromtimestamp(NOW, timezone.utc)
EITHER = pytest.mark.parametrize("reply", [active(), INACTIVE], ids=["active", "inactive"])


async def asks_about(
    authenticator: TokenAuthenticator, server: ScriptedServer, token: str = TOKEN
) -> bool:
    """Whether the server is asked when this token comes; whatever the answer is."""
    before = server.asked(token)
    await outcome(authenticator.authenticate(token))
    return server.asked(token) > before


async def test_an_active_token_is_asked_about_again_when_its_time_is_over(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    authenticator = await make(introspection_ttl=30)
    server.script(TOKEN, active(), active("bob"), INACTIVE)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    clocks.advance(29.9)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    clocks.advance(0.1)
    assert (await authenticator.authenticate(TOKEN)).subject == "bob"
    clocks.advance(29.9)  # A hit does not prolong it: this is counted from the second answer.
    assert (await authenticator.authenticate(TOKEN)).subject == "bob"
    clocks.advance(0.1)
    with pytest.raises(InvalidToken):
        await authenticator.authenticate(TOKEN)
    assert server.asked(TOKEN) == 3


async def test_a_ttl_of_zero_always_asks(make: Make, server: ScriptedServer) -> None:
    authenticator = await make(introspection_ttl=0)
    server.script(TOKEN, active(), INACTIVE, active(), INACTIVE)
    kinds = [type(await outcome(authenticator.authenticate(TOKEN))) for _ in range(4)]
    assert kinds == [Principal, InvalidToken, Principal, InvalidToken]
    assert server.asked(TOKEN) == 4


@pytest.mark.parametrize(("ttl", "remembered"), [(30, 2), (2, 2), (0.5, 0.5)])
async def test_not_active_is_remembered_for_two_seconds_at_the_most(
    make: Make, server: ScriptedServer, clocks: Clocks, ttl: float, remembered: float
) -> None:
    authenticator = await make(introspection_ttl=ttl)
    server.script(TOKEN, INACTIVE, active())
    for step in (0, remembered * 0.75):
        clocks.advance(step)
        with pytest.raises(InvalidToken, match="not active"):
            await authenticator.authenticate(TOKEN)
    assert server.asked(TOKEN) == 1
    clocks.advance(remembered * 0.25)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


async def test_a_remembered_token_expires_on_time(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    authenticator = await make(introspection_ttl=3600)
    server.script(TOKEN, active(exp=NOW + 10.5))
    await authenticator.authenticate(TOKEN)
    clocks.advance(10.25)
    await authenticator.authenticate(TOKEN)
    clocks.advance(0.25)
    with pytest.raises(InvalidToken, match="expired"):
        await authenticator.authenticate(TOKEN)
    assert server.asked(TOKEN) == 1


async def test_a_wall_clock_that_is_set_ends_a_token_too(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(exp=NOW + 10))
    await authenticator.authenticate(TOKEN)
    clocks.epoch += 3600
    with pytest.raises(InvalidToken):
        await authenticator.authenticate(TOKEN)


async def test_a_token_that_is_not_valid_yet_becomes_valid(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(nbf=NOW + 5))
    with pytest.raises(InvalidToken, match="not valid yet"):
        await authenticator.authenticate(TOKEN)
    clocks.advance(5)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


@EITHER
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


async def test_made_up_tokens_do_not_push_out_those_of_users(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(introspection_cache_size=2)
    server.script(TOKEN, active())
    await authenticator.authenticate(TOKEN)
    for number in range(20):
        assert await asks_about(authenticator, server, f"made-up-{number}")
    assert not await asks_about(authenticator, server)


async def test_what_is_remembered_holds_no_token(make: Make, server: ScriptedServer) -> None:
    authenticator = await make()
    server.script("Zq7Xv0Kw-active", active())
    await gather(*map(authenticator.authenticate, ["Zq7Xv0Kw-active", "Zq7Xv0Kw-inactive"]))
    remembered = [vars(vars(authenticator)["_cache"])[name] for name in ("_active", "_inactive")]
    assert [len(cache) for cache in remembered] == [1, 1]
    assert "Zq7Xv0Kw" not in repr(remembered)


# Forgetting


@EITHER
@pytest.mark.parametrize("what", [{"token": TOKEN}, {}], ids=["token", "everything"])
async def test_a_forgotten_answer_is_asked_for_again(
    make: Make, server: ScriptedServer, reply: Reply, what: dict[str, str]
) -> None:
    authenticator = await make()
    for token in (TOKEN, "other"):
        server.script(token, reply)
        assert await asks_about(authenticator, server, token)
    authenticator.forget(**what)
    assert await asks_about(authenticator, server)
    assert await asks_about(authenticator, server, "other") == (what == {})


async def test_all_tokens_of_a_forgotten_subject_are_asked_about_again_and_no_others(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    subjects = {"a1": "alice", "a2": "alice", "b": "bob", "c": "alice2"}
    for token, subject in subjects.items():
        server.script(token, active(subject))
        await authenticator.authenticate(token)
    await outcome(authenticator.authenticate("inactive"))
    authenticator.forget(subject="alice")
    asked = {token: await asks_about(authenticator, server, token) for token in subjects}
    assert asked == {"a1": True, "a2": True, "b": False, "c": False}
    assert not await asks_about(authenticator, server, "inactive")


async def test_forgetting_what_was_never_seen_changes_nothing(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, active())
    await authenticator.authenticate(TOKEN)
    authenticator.forget(token="unseen")
    authenticator.forget(subject="unseen")
    assert not await asks_about(authenticator, server)


@EITHER
@pytest.mark.parametrize(
    "what", [{"token": TOKEN}, {"subject": "alice"}, {}], ids=["token", "subject", "everything"]
)
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
    assert await asks_about(authenticator, server)


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


@EITHER
async def test_nothing_that_is_remembered_counts_while_it_is_not_believed(
    make: Make, server: ScriptedServer, reply: Reply
) -> None:
    believed = [True]
    authenticator = await make(is_believed=lambda: believed[0])
    server.script(TOKEN, reply)
    assert await asks_about(authenticator, server)
    assert not await asks_about(authenticator, server)
    believed[0] = False
    assert await asks_about(authenticator, server)
    assert await asks_about(authenticator, server)
    believed[0] = True
    assert not await asks_about(authenticator, server)


@pytest.mark.parametrize(
    ("logout", "ended"),
    [
        (Logout("1", AT, subject="alice"), [True, True, False]),
        (Logout("1", AT, token=token_digest("a1")), [True, False, False]),
        (None, [True, True, True]),
    ],
    ids=["subject", "token", "some may be missing"],
)
async def test_a_log_out_from_the_store_is_forgotten(
    make: Make, server: ScriptedServer, logout: Logout | None, ended: list[bool]
) -> None:
    authenticator = await make()
    tokens = {"a1": active(), "a2": active(), "b": active("bob")}
    for token, reply in tokens.items():
        server.script(token, reply)
        assert await asks_about(authenticator, server, token)
    authenticator.log_out(logout)
    assert [await asks_about(authenticator, server, token) for token in tokens] == ended

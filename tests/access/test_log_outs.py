"""Who has logged out: the tokens from before are refused, however full the memory is."""

from __future__ import annotations

from typing import Any

import pytest

from aiconfig_plugin import InvalidToken, Principal
from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.access.log_outs import LogOuts
from tests.access.conftest import ISSUER, NOW, Clocks, Make, outcome
from tests.support.scripted_server import ScriptedServer, active
from tests.support.signing import AUDIENCE, access_token
from tests.support.token_gateway import publish

KEY = b"digest"


def refuses(outs: LogOuts, subject: str = "alice", issued: float | None = NOW, **more: Any) -> bool:
    token = ActiveToken(Principal(ISSUER, subject), None, issued_at=issued, **more)
    try:
        outs.check(KEY, token)
    except InvalidToken as err:
        assert err.reason == "logged-out"
        return True
    return False


def test_what_was_issued_before_the_log_out_is_refused() -> None:
    outs = LogOuts()
    assert not refuses(outs, issued=None)
    outs.add("alice", NOW)
    assert refuses(outs, issued=NOW - 0.5)
    assert refuses(outs, issued=None)
    assert not refuses(outs, issued=NOW)
    assert not refuses(outs, "bob", NOW - 100)
    assert refuses(outs, "al", NOW - 1, sub="alice")


def test_a_log_out_that_is_told_late_does_not_take_back_a_newer_one() -> None:
    outs = LogOuts()
    outs.add("alice", NOW)
    outs.add("alice", NOW - 50)
    assert refuses(outs, issued=NOW - 1)


def test_one_token_is_ended_alone() -> None:
    outs = LogOuts()
    outs.add(b"other", NOW)
    assert not refuses(outs, issued=NOW - 9)
    outs.add(KEY, NOW)
    assert refuses(outs, issued=NOW + 9)


def test_a_full_memory_refuses_more_and_never_less() -> None:
    outs = LogOuts(size=2)
    for number, subject in enumerate(("alice", "bob", "carol")):
        outs.add(subject, NOW + number)
    assert refuses(outs, "alice", NOW - 1)  # dropped, but as old as that
    assert refuses(outs, "dave", NOW - 1)
    assert not refuses(outs, "dave", NOW + 1)
    assert refuses(outs, "bob", NOW + 0.5)


async def jwt_mode(make: Make, server: ScriptedServer) -> Any:
    publish(server, "ec")
    jwks = f"{server.issuer}/jwks"
    return await make(tokens="jwt", audience=AUDIENCE, issuer=server.issuer, jwks_uri=jwks)


@pytest.mark.parametrize("seen", [True, False])
async def test_forgetting_a_subject_ends_its_jwts_for_good(
    make: Make, server: ScriptedServer, clocks: Clocks, seen: bool
) -> None:
    authenticator = await jwt_mode(make, server)
    token = access_token(server.issuer, now=NOW, exp=NOW + 5000)
    if seen:
        assert await authenticator.authenticate(token)
    clocks.advance(0.5)
    authenticator.forget(subject="alice")
    for _ in range(3):
        with pytest.raises(InvalidToken, match="logged out"):
            await authenticator.authenticate(token)
        clocks.advance(1000)
    assert await authenticator.authenticate(access_token(server.issuer, now=clocks.epoch))


async def test_a_log_out_elsewhere_has_its_own_time(make: Make, server: ScriptedServer) -> None:
    authenticator = await jwt_mode(make, server)
    before, after = (access_token(server.issuer, now=NOW - at) for at in (20, 5))
    authenticator.forget(subject="alice", at=NOW - 10)
    assert isinstance(await outcome(authenticator.authenticate(before)), InvalidToken)
    assert await authenticator.authenticate(after)


async def test_forgetting_a_token_ends_it_alone(make: Make, server: ScriptedServer) -> None:
    authenticator = await jwt_mode(make, server)
    one, other = (access_token(server.issuer, now=NOW) for _ in range(2))
    authenticator.forget(token=one)
    assert isinstance(await outcome(authenticator.authenticate(one)), InvalidToken)
    assert await authenticator.authenticate(other)


async def test_closing_logs_nobody_out(make: Make, server: ScriptedServer) -> None:
    authenticator = await jwt_mode(make, server)
    token = access_token(server.issuer, now=NOW)
    await authenticator.close()
    await authenticator.start()
    assert await authenticator.authenticate(token)


async def test_the_server_is_asked_again_where_it_can_be(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script("t", active("alice", iat=NOW - 100))
    await authenticator.authenticate("t")
    authenticator.forget(subject="alice")
    assert (await authenticator.authenticate("t")).subject == "alice"
    assert server.asked("t") == 2

"""The issuer's keys: found, kept, fetched again for an unknown kid, and used on in an outage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiconfig_plugin import AuthorizationServerUnavailable, InvalidToken, Principal
from aiconfig_plugin.access.authenticator import TokenAuthenticator
from aiconfig_plugin.access.jwk_set import GRACE, LIFETIME, RETRY_INTERVAL
from tests.access.conftest import Clocks, Make, outcome
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.signing import AUDIENCE, access_claims, access_header, access_token, sign
from tests.support.token_gateway import publish

OAUTH = "/.well-known/oauth-authorization-server"
DOWN = Reply(status=503)


async def checking(make: Make, server: ScriptedServer, **given: Any) -> TokenAuthenticator:
    """An authenticator that remembers no token, so that each one needs its key."""
    settings = {
        "issuer": server.issuer,
        "introspection_endpoint": None,
        "tokens": "jwt",
        "audience": AUDIENCE,
        "jwks_uri": f"{server.issuer}/jwks",
        "introspection_ttl": 0,
    }
    return await make(**settings | given)


def token(server: ScriptedServer, clocks: Clocks, signer: str = "ec", **claims: Any) -> str:
    return access_token(server.issuer, signer, now=clocks.epoch, **claims)


async def kind(authenticator: TokenAuthenticator, text: str) -> type[object]:
    return type(await outcome(authenticator.authenticate(text)))


def test_its_times_are_those_of_the_contract() -> None:
    assert (LIFETIME, GRACE, RETRY_INTERVAL) == (600, 3600, 30)


async def test_it_is_found_by_the_metadata_and_fetched_at_the_start(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "ec")
    server.documents[OAUTH] = Reply({"issuer": server.issuer, "jwks_uri": server.issuer + "/jwks"})
    authenticator = await checking(make, server, jwks_uri=None)
    assert server.fetched == [OAUTH, "/jwks"]
    for _ in range(3):
        assert await kind(authenticator, token(server, clocks)) is Principal
    assert server.fetched == [OAUTH, "/jwks"]
    assert server.calls == []  # nothing is introspected


async def test_a_checked_token_is_remembered_as_an_introspected_one_is(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "ec")
    authenticator = await checking(make, server, introspection_ttl=30)
    text = token(server, clocks)
    assert await kind(authenticator, text) is Principal
    publish(server, "rsa")
    clocks.advance(LIFETIME - 1)
    later = token(server, clocks, exp=clocks.epoch + 30)
    assert await kind(authenticator, later) is Principal
    clocks.advance(29)
    assert await kind(authenticator, later) is Principal  # remembered, though its key is gone
    clocks.advance(1)
    assert await kind(authenticator, later) is InvalidToken


async def test_an_unknown_kid_fetches_it_again_once_in_thirty_seconds(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "ec")
    authenticator = await checking(make, server)
    publish(server, "ec", "rsa")
    assert await kind(authenticator, token(server, clocks, "rsa")) is Principal  # turned at once
    assert len(server.fetched) == 2
    for n in range(20):
        assert await kind(authenticator, token(server, clocks, f"ec-{n % 3}")) is InvalidToken
    assert len(server.fetched) == 2
    publish(server, "ec", "ec-0")
    clocks.advance(RETRY_INTERVAL - 0.1)
    assert await kind(authenticator, token(server, clocks, "ec-0")) is InvalidToken
    clocks.advance(0.1)
    assert await kind(authenticator, token(server, clocks, "ec-0")) is Principal
    assert await kind(authenticator, token(server, clocks, "rsa")) is InvalidToken  # withdrawn
    assert len(server.fetched) == 3


async def test_a_crowd_with_a_new_kid_shares_one_fetch(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "ec")
    authenticator = await checking(make, server)
    publish(server, "ec", "rsa")
    tokens = [token(server, clocks, "rsa") for _ in range(20)]
    found = await asyncio.gather(*(kind(authenticator, text) for text in tokens))
    assert set(found) == {Principal}
    assert len(server.fetched) == 2


async def test_a_kid_that_is_known_but_does_not_fit_costs_no_fetch(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "ec", "rsa")
    authenticator = await checking(make, server)
    header = access_header("ec", kid="rsa")
    text = sign(header, access_claims(server.issuer, now=clocks.epoch), "ec")
    assert await kind(authenticator, text) is InvalidToken
    assert len(server.fetched) == 1


async def test_it_is_kept_for_ten_minutes(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "ec")
    authenticator = await checking(make, server)
    publish(server, "rsa")
    clocks.advance(LIFETIME - 0.1)
    assert await kind(authenticator, token(server, clocks)) is Principal
    clocks.advance(0.1)
    assert await kind(authenticator, token(server, clocks)) is InvalidToken
    assert await kind(authenticator, token(server, clocks, "rsa")) is Principal


@pytest.mark.parametrize("bad", [DOWN, Reply(b"<html>"), Reply({}), Reply(hangs_up=True)], ids=str)
async def test_in_an_outage_it_is_used_for_an_hour_more(
    make: Make,
    server: ScriptedServer,
    clocks: Clocks,
    caplog: pytest.LogCaptureFixture,
    bad: Reply,
) -> None:
    publish(server, "ec")
    authenticator = await checking(make, server)
    server.documents["/jwks"] = bad
    clocks.advance(LIFETIME + GRACE - 0.1)
    for _ in range(5):
        assert await kind(authenticator, token(server, clocks)) is Principal
    # One attempt, of two requests where the kept connection was closed.
    assert len(server.fetched) <= 3
    lines = [each.getMessage() for each in caplog.records if "JWK Set" in each.getMessage()]
    [line] = lines
    assert (
        server.issuer in line and "AICONFIG_JWKS_URI" in line and "the copy is still used" in line
    )
    clocks.advance(0.1)
    assert await kind(authenticator, token(server, clocks)) is AuthorizationServerUnavailable
    publish(server, "ec")
    assert await kind(authenticator, token(server, clocks)) is Principal


async def test_without_a_copy_there_is_no_answer(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    server.documents["/jwks"] = DOWN
    authenticator = await checking(make, server)
    text = token(server, clocks)
    for _ in range(2):
        assert await kind(authenticator, text) is AuthorizationServerUnavailable
    publish(server, "ec")
    assert await kind(authenticator, text) is Principal  # nothing wrong was remembered


async def test_an_unknown_kid_in_an_outage_is_no_answer_either(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "ec")
    authenticator = await checking(make, server)
    server.documents["/jwks"] = DOWN
    for _ in range(2):
        text = token(server, clocks, "rsa")
        assert await kind(authenticator, text) is AuthorizationServerUnavailable
    assert await kind(authenticator, token(server, clocks)) is Principal
    assert len(server.fetched) == 2


async def test_keys_that_cannot_be_read_are_passed_over(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    odd = [None, "key", {}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-256"}]
    publish(server, "ec", more=odd)
    authenticator = await checking(make, server)
    assert await kind(authenticator, token(server, clocks)) is Principal


async def test_a_kid_that_is_not_named_is_tried_with_every_key(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    publish(server, "rsa", "ec-other", "ec")
    authenticator = await checking(make, server)
    text = sign(access_header("ec", kid=None), access_claims(server.issuer, now=clocks.epoch), "ec")
    assert await kind(authenticator, text) is Principal

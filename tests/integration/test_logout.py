"""A log-out at one gateway reaches another, through the store that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.support.gateway import Gateway, User

Make = Callable[..., Awaitable[Gateway]]
RUN = pytest.mark.gen_test(timeout=60)


async def two(make_gateway: Make, **settings: Any) -> tuple[Gateway, Gateway]:
    """Two gateways over one store and one authorization server."""
    first = await make_gateway(**settings)
    endpoint = f"{first.issuer}/introspect"
    second = await make_gateway(issuer=first.issuer, introspection_endpoint=endpoint, **settings)
    return first, second


async def until_refused(user: User) -> None:
    """Ask until the token counts no more."""
    for _ in range(400):
        if (await user.read()).code == 401:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the log-out has not reached it")


@RUN
@pytest.mark.parametrize("by", ["subject", "token"])
async def test_a_log_out_reaches_every_gateway(make_gateway: Make, by: str) -> None:
    first, second = await two(make_gateway, introspection_ttl=3600)
    alice, bob = first.user("alice"), first.user("bob")
    token = alice.auth["Authorization"].removeprefix("Bearer ")
    users = [User(gateway, user.auth) for gateway in (first, second) for user in (alice, bob)]
    assert [(await user.read()).code for user in users] == [404] * 4
    first.authorization_server.revoke(token)
    await first.plugin.logout(**({"subject": "alice"} if by == "subject" else {"token": token}))
    assert (await users[0].read()).code == 401
    await until_refused(users[2])
    assert [(await user.read()).code for user in users] == [401, 404, 401, 404]


@RUN
async def test_forget_stays_local(make_gateway: Make) -> None:
    first, second = await two(make_gateway, introspection_ttl=3600)
    alice = first.user("alice")
    other = User(second, alice.auth)
    assert [(await user.read()).code for user in (alice, other)] == [404, 404]
    first.authorization_server.revoke(alice.auth["Authorization"].removeprefix("Bearer "))
    first.plugin.forget(subject="alice")
    await second.plugin._feed.poll()
    assert [(await user.read()).code for user in (alice, other)] == [401, 404]


@RUN
async def test_log_out_takes_one_of_token_and_subject(gateway: Gateway) -> None:
    for wrong in ({}, {"token": "t", "subject": "s"}):
        with pytest.raises(TypeError):
            await gateway.plugin.logout(**wrong)


@RUN
async def test_the_metrics_tell_how_old_the_feed_is(gateway: Gateway) -> None:
    name = "aiconfig_logout_feed_age_seconds"
    for _ in range(400):
        if (age := REGISTRY.get_sample_value(name)) is not None:
            assert 0 <= age < 60
            return
        await asyncio.sleep(0.05)
    pytest.fail("it is not told")

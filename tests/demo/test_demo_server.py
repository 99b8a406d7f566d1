"""The real routes with the demo's authorization server, which is found by its issuer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support.gateway import CLIENT_ID, Gateway, body, problem


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_two_users_of_a_discovered_server_and_a_log_out(
    make_gateway: Callable[..., Awaitable[Gateway]], method: str
) -> None:
    gateway = await make_gateway(
        introspection_endpoint=None, client_auth_method=method, audience=CLIENT_ID
    )
    alice, bob = gateway.user("alice"), gateway.user("bob")
    assert (await alice.create(body())).code == 201
    problem(await bob.read(), 404, "config-not-found")
    token = alice.auth["Authorization"].removeprefix("Bearer ")
    gateway.authorization_server.revoke(token)
    gateway.plugin.forget(token=token)
    problem(await alice.read(), 401, "invalid-token")
    problem(await bob.read(), 404, "config-not-found")

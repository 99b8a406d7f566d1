"""The real routes with the demo's authorization server, which is found by its issuer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.oauth_handlers import application
from tests.support.incoming import RUN, MakeGateway, make_gateway
from tests.support.small_gateway import BODY, BOTH, CREATE_PATH, bearer

__all__ = ["make_gateway"]

CLIENT = ("gate:way", "s:e%c+r et/é")


@pytest.fixture
def issuer(io_loop: IOLoop) -> Iterator[AuthorizationServer]:
    socket, port = bind_unused_port()
    url = f"http://127.0.0.1:{port}"
    made = AuthorizationServer(
        url, gateway_client=CLIENT, users={"alice": "a", "bob": "b"}, redirect_uris=[f"{url}/"]
    )

    async def start() -> HTTPServer:
        server = HTTPServer(application(made))
        server.add_socket(socket)
        return server

    server = io_loop.run_sync(start)
    yield made
    server.stop()
    io_loop.run_sync(server.close_all_connections)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@RUN
async def test_two_users_of_a_discovered_server_and_a_log_out(
    make_gateway: MakeGateway, issuer: AuthorizationServer, method: str
) -> None:
    gateway = await make_gateway(
        issuer=issuer.issuer,
        client_id=CLIENT[0],
        client_secret=CLIENT[1],
        client_auth_method=method,
        audience=CLIENT[0],
    )
    alice, bob = (issuer.issue(user, BOTH)["access_token"] for user in ("alice", "bob"))
    assert (await gateway.call("POST", CREATE_PATH, bearer(alice), BODY)).code == 201
    assert (await gateway.call("GET", headers=bearer(alice))).code == 200
    assert (await gateway.call("GET", headers=bearer(bob))).code == 404
    issuer.revoke(alice)
    gateway.plugin.forget(token=alice)
    assert (await gateway.call("GET", headers=bearer(alice))).code == 401
    assert (await gateway.call("GET", headers=bearer(bob))).code == 404

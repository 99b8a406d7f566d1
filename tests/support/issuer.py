"""The demo's authorization server, on a loopback port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.testing import bind_unused_port

from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.oauth_handlers import application

READ, WRITE = "ai-config:read", "ai-config:write"
BOTH = f"{READ} {WRITE}"
USERS = {"alice": "wonderland", "bob": "builder"}
CLIENT_ID, CLIENT_SECRET = "gateway", "s:e%c+r et/é"


class Issuer:
    """It listens in the loop that calls :meth:`start`, and again at the same port after a stop."""

    def __init__(
        self, users: Mapping[str, str] | Iterable[str] = USERS, *, redirect_uri: str = ""
    ) -> None:
        self._socket, self.port = bind_unused_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = AuthorizationServer(
            self.url,
            gateway_client=(CLIENT_ID, CLIENT_SECRET),
            users=users if isinstance(users, Mapping) else dict.fromkeys(users, "secret"),
            redirect_uris=[redirect_uri or f"{self.url}/callback"],
        )
        self._http: HTTPServer | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a gateway that asks this server."""
        return settings_at(self.url)

    def start(self) -> None:
        if self._socket.fileno() < 0:
            [self._socket] = bind_sockets(self.port, "127.0.0.1")
        self._http = HTTPServer(application(self.server))
        self._http.add_socket(self._socket)

    async def stop(self) -> None:
        if self._http is not None:
            self._http.stop()
            await self._http.close_all_connections()
            self._http = None
        self._socket.close()

    def token(self, user: str = "alice", scope: str = BOTH) -> str:
        token: str = self.server.issue(user, scope)["access_token"]
        return token

    def auth(self, user: str = "alice", scope: str = BOTH) -> dict[str, str]:
        return bearer(self.token(user, scope))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def settings_at(issuer: str) -> dict[str, str]:
    """The settings of a gateway that asks the server at this URL."""
    return {
        "issuer": issuer,
        "introspection_endpoint": f"{issuer}/introspect",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }

"""A small RFC 7662 endpoint: every token ``anything.subject`` is active and stands for the subject.

It answers as JupyterHub's API does too, for the peer that asks that.
"""

from __future__ import annotations

import asyncio

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from benchmarks.contenders.serving import listen, options, ready

LIFETIME = 4_000_000_000  # seconds since the epoch: longer than any run


class IntrospectionHandler(RequestHandler):
    def post(self) -> None:
        subject = self.get_body_argument("token").partition(".")[2]
        self.write(
            {
                "active": bool(subject),
                "sub": subject,
                "client_id": "browser",
                "scope": "ai-config:read ai-config:write",
                "token_type": "Bearer",
                "exp": LIFETIME,
            }
        )


class HubUserHandler(RequestHandler):
    def get(self) -> None:
        subject = self.request.headers["Authorization"].partition(".")[2]
        self.write({"kind": "user", "name": subject, "scopes": ["access:services"]})


async def main() -> None:
    options()
    listener = listen()
    routes = [("/introspect", IntrospectionHandler), ("/hub/api/user", HubUserHandler)]
    HTTPServer(Application(routes)).add_sockets([listener])
    ready(listener)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

"""A small RFC 7662 endpoint: every token ``anything.subject`` is active, for that subject."""

from __future__ import annotations

import asyncio

from tornado.web import Application, RequestHandler

from benchmarks.contenders.serving import options, serve


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
                "exp": 4_000_000_000,  # longer than any run
            }
        )


if __name__ == "__main__":
    options()
    asyncio.run(serve(Application([("/introspect", IntrospectionHandler)])))

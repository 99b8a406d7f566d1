"""A gateway that has authenticated its users already: python examples/own_authentication.py.

The gateway checks its own session and hands the plugin a Principal; the scopes in it are asked
for as those of an access token are. Here the session is a signed cookie of Tornado's, and the
log-in asks for nothing, which yours will not do.
"""

import asyncio
import secrets

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler, create_signed_value, decode_signed_value

from aiconfig_plugin import AIConfigPlugin, InvalidToken, MissingToken, Principal, Settings

COOKIE_SECRET = secrets.token_urlsafe(32)  # yours outlives the process
ISSUER = "https://gateway.example"
ORIGIN = "http://127.0.0.1:8888"
BOTH = ("ai-config:read", "ai-config:write")


async def authenticate(request: HTTPServerRequest) -> Principal:
    """Return whom the session cookie stands for."""
    if request.headers.get("Origin", ORIGIN) != ORIGIN:
        raise InvalidToken("Another origin's page may not use the session.")  # cookies are ambient
    cookie = request.cookies.get("session")
    if cookie is None:
        raise MissingToken("Log in first.")
    user = decode_signed_value(COOKIE_SECRET, "session", cookie.value, max_age_days=1)
    if user is None:
        raise InvalidToken("The session has ended.")
    return Principal(issuer=ISSUER, subject=user.decode(), scopes=BOTH)


class LoginHandler(RequestHandler):
    def post(self) -> None:
        user = self.get_body_argument("user")
        value = create_signed_value(COOKIE_SECRET, "session", user)
        self.set_cookie("session", value, httponly=True, samesite="Strict")


def make_gateway(settings: Settings) -> tuple[Application, AIConfigPlugin]:
    app = Application([("/login", LoginHandler)])
    plugin = AIConfigPlugin(settings, authenticate=authenticate)
    plugin.mount(app)
    return app, plugin


async def main() -> None:
    app, plugin = make_gateway(Settings.from_env())
    await plugin.start()
    server = app.listen(8888, "127.0.0.1")
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await plugin.close()


if __name__ == "__main__":
    asyncio.run(main())

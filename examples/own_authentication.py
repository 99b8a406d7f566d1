"""A gateway that has authenticated its users already: python examples/own_authentication.py.

The gateway checks its own session and hands the plugin a Principal; the scopes in it are asked
for as those of an access token are. Here the session is a signed cookie of Tornado's, and the
log-in asks for nothing, which yours will not do.
"""

import asyncio
import secrets
import signal

from tornado.web import Application, HTTPError, RequestHandler

from aiconfig_plugin import AIConfigPlugin, Principal, Settings

COOKIE_SECRET = secrets.token_urlsafe(32)  # yours outlives the process
ISSUER = "https://gateway.example"
HOSTS = ("127.0.0.1:8888", "localhost:8888")
BOTH = ("ai-config:read", "ai-config:write")


class GatewayHandler(RequestHandler):
    """What all handlers of the gateway share; the plugin's routes become subclasses of it."""

    def prepare(self):
        if self.request.host not in HOSTS:
            raise HTTPError(403)

    def get_current_user(self):
        user = self.get_signed_cookie("session", max_age_days=1)
        return user and user.decode()


def principal(handler: RequestHandler) -> Principal | None:
    """Return whom the session stands for. A cookie is ambient: browsers send it by themselves."""
    user = handler.current_user
    return Principal(ISSUER, user, BOTH, ambient=True) if user else None


class LoginHandler(GatewayHandler):
    def get(self) -> None:
        self.write(f'<form method="post">{self.xsrf_form_html()}<input name="user"></form>')

    def post(self) -> None:
        user = self.get_body_argument("user")
        self.set_signed_cookie("session", user, httponly=True, samesite="Strict")


def make_gateway(settings: Settings) -> tuple[Application, AIConfigPlugin]:
    app = Application([("/login", LoginHandler)], cookie_secret=COOKIE_SECRET, xsrf_cookies=True)
    plugin = AIConfigPlugin(settings, authenticate=lambda _request: None)
    plugin.mount(app, base=GatewayHandler, principal=principal)
    return app, plugin


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app, plugin = make_gateway(Settings.from_env())
    server = app.listen(8888, "127.0.0.1")
    try:
        await stop.wait()  # the first request starts the plugin
    finally:
        server.stop()
        await plugin.close()


if __name__ == "__main__":
    asyncio.run(main())

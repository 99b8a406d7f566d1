"""Bokeh with the plugin: python examples/hosts/bokeh_server.py [PORT] [PREFIX].

The settings page is at /ai-config.
"""

import sys
from pathlib import Path

from bokeh.models import Div
from bokeh.server.auth_provider import AuthModule
from bokeh.server.server import Server
from tornado.web import RequestHandler

from aiconfig_plugin.hosts.bokeh import BokehHost

HOST = BokehHost()


class AnswerHandler(RequestHandler):
    """GET /answer?provider=OpenAI: use the model of who is logged in."""

    async def get(self):
        chosen = await HOST.resolve(self, provider=self.get_argument("provider"))
        key = chosen.api_key and chosen.api_key.get_secret_value()
        ...  # call the provider with the key; see examples/provider_call.py
        self.write({"model": chosen.model, "has_key": bool(key)})


def app(document):
    document.add_root(Div(text="Your application"))


if __name__ == "__main__":
    port, prefix = (*sys.argv[1:], "5006", "")[:2]
    server = Server(
        {"/": app},
        port=int(port),
        prefix=prefix,
        extra_patterns=[*HOST.routes(), ("/answer", AnswerHandler)],
        auth_provider=AuthModule(Path(__file__).with_name("auth.py")),
        cookie_secret="yours outlives the process and is in no file",
    )
    print("Bokeh listens", flush=True)
    server.run_until_shutdown()

"""The plugin in Panel: panel serve examples/hosts/panel_app.py --plugins panel_plugin

with --auth-module examples/hosts/auth.py and --cookie-secret, in the folder of this file. The
settings page is at /ai-config.
"""

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


ROUTES = [*HOST.routes(), ("/answer", AnswerHandler)]

"""An extension of Jupyter Server that uses its user's own model: GET /answer?provider=OpenAI."""

from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError, authenticated

from aiconfig_plugin import AIConfigError


class AnswerHandler(APIHandler):
    @authenticated
    async def get(self):
        try:
            chosen = await self.settings["aiconfig"].resolve(
                self, provider=self.get_argument("provider")
            )
        except AIConfigError as err:
            raise HTTPError(err.status, reason=err.title) from None
        key = chosen.api_key and chosen.api_key.get_secret_value()
        ...  # call the provider with the key; see examples/provider_call.py
        self.finish({"model": chosen.model, "has_key": bool(key)})


def _load_jupyter_server_extension(serverapp):
    base_url = serverapp.web_app.settings["base_url"]
    serverapp.web_app.add_handlers(".*", [(f"{base_url}answer", AnswerHandler)])

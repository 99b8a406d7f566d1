"""A service of JupyterHub with the plugin and a route that uses it: GET /answer?provider=OpenAI.

The hub runs it as ``[sys.executable, "jupyterhub_service.py"]``, in place of the plugin alone.
"""

import asyncio

from tornado.web import HTTPError, RequestHandler

from aiconfig_plugin import AIConfigError
from aiconfig_plugin.hosts.jupyterhub import HubService, serve


class AnswerHandler(RequestHandler):
    def initialize(self, service):
        self.service = service

    async def get(self):
        try:
            chosen = await self.service.resolve(self, provider=self.get_argument("provider"))
        except AIConfigError as err:
            raise HTTPError(err.status, reason=err.title) from None
        key = chosen.api_key and chosen.api_key.get_secret_value()
        ...  # call the provider with the key; see examples/provider_call.py
        self.write({"model": chosen.model, "has_key": bool(key)})


if __name__ == "__main__":
    service = HubService()
    app = service.application([("/answer", AnswerHandler, {"service": service})])
    asyncio.run(serve(app, service.plugin))

"""A gateway route that answers a message with the user's own model and key.

POST /chat {"message": "…"} calls an OpenAI-compatible endpoint, PROVIDER_URL, with the first chat
model of the user who is logged in. The key is opened for this one call and sent nowhere else.
"""

import asyncio
import json
import os

from tornado.httpclient import AsyncHTTPClient
from tornado.web import Application, HTTPError, RequestHandler

from aiconfig_plugin import (
    AIConfigPlugin,
    ConfigNotFound,
    KeyUnreadable,
    ModelNotConfigured,
    Principal,
    Settings,
)


class ChatHandler(RequestHandler):
    def initialize(self, plugin: AIConfigPlugin) -> None:
        self.plugin = plugin

    async def post(self) -> None:
        principal: Principal = await self.plugin.authenticate(self.request)
        try:
            chosen = await self.plugin.resolve(principal.subject or "", type="chat")
        except (ConfigNotFound, ModelNotConfigured):
            raise HTTPError(409, reason="Choose a chat model in your settings first") from None
        except KeyUnreadable:
            raise HTTPError(409, reason="Enter your API key again") from None
        messages = [
            {"role": "system", "content": chosen.system_prompt},
            {"role": "user", "content": json.loads(self.request.body)["message"]},
        ]
        headers = {"Content-Type": "application/json"}
        if chosen.api_key:
            headers["Authorization"] = f"Bearer {chosen.api_key.get_secret_value()}"
        answer = await AsyncHTTPClient().fetch(
            f"{os.environ['PROVIDER_URL']}/chat/completions",
            method="POST",
            headers=headers,
            body=json.dumps({"model": chosen.model, "messages": messages}),
        )
        self.write({"answer": json.loads(answer.body)["choices"][0]["message"]["content"]})


async def main() -> None:
    plugin = AIConfigPlugin(Settings.from_env())
    app = Application([("/chat", ChatHandler, {"plugin": plugin})])
    plugin.mount(app)
    await plugin.start()
    server = app.listen(8888, "127.0.0.1")
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await plugin.close()


if __name__ == "__main__":
    asyncio.run(main())

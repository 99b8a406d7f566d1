"""A gateway route that answers a message with the user's own model, endpoint and key.

POST /chat {"message": "…", "provider": "…"} calls the first chat model of that provider, or of any,
that the user has configured and the operator offers (AICONFIG_CATALOG or the entry itself says
where it is reached). The API key is decrypted for this one call, and sent to no other origin.
"""

import asyncio
import json

import httpx2
from tornado.web import Application, HTTPError, RequestHandler

from aiconfig_plugin import AIConfigError, AIConfigPlugin, Settings

SCOPE = "ai-config:read"  # or one of your own for what costs the user money


class ChatHandler(RequestHandler):
    def initialize(self, plugin: AIConfigPlugin) -> None:
        self.plugin = plugin

    async def post(self) -> None:
        asked = json.loads(self.request.body)
        try:
            principal = await self.plugin.authenticate(self.request)
            if SCOPE not in principal.scopes or principal.subject is None:
                raise HTTPError(403, reason=f"A user's token with the scope {SCOPE} is required")
            chosen = await self.plugin.resolve(
                principal.subject, provider=asked.get("provider"), type="chat"
            )
            if chosen.key_form == "opaque":  # ciphertext that only its owner's client can decrypt
                raise HTTPError(409, reason="Enter your API key again, sealed for this gateway")
            messages = [
                {"role": "system", "content": chosen.system_prompt},
                {"role": "user", "content": asked["message"]},
            ]
            key = chosen.api_key
            async with self.plugin.client(chosen) as client:
                answer = await client.post(
                    "chat/completions",
                    headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
                    json={"model": chosen.model, "messages": messages},
                    timeout=60,
                )
        except AIConfigError as err:  # no token, nothing that fits, no endpoint, an outage
            raise HTTPError(err.status if err.status != 500 else 409, reason=err.title) from None
        except httpx2.HTTPError:
            raise HTTPError(502, reason="The provider did not respond") from None
        if answer.status_code != 200:
            raise HTTPError(502, reason=f"The provider responded with HTTP {answer.status_code}")
        self.write({"answer": answer.json()["choices"][0]["message"]["content"]})


async def main() -> None:
    app = Application()
    async with AIConfigPlugin(Settings.from_env()) as plugin:
        app.add_handlers(".*", [("/chat", ChatHandler, {"plugin": plugin})])
        plugin.mount(app)
        app.listen(8888, "127.0.0.1")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

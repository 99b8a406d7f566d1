"""A gateway route that answers a message with the user's own model and key.

POST /chat {"message": "…"} calls PROVIDER (OpenAI) at its OpenAI-compatible PROVIDER_URL, with the
first chat model of that provider that the user has configured. The key is decrypted for this one
call, and a key for another provider is never sent there.
"""

import asyncio
import json
import os

from tornado.httpclient import AsyncHTTPClient
from tornado.web import Application, HTTPError, RequestHandler

from aiconfig_plugin import (
    AIConfigError,
    AIConfigPlugin,
    ConfigNotFound,
    KeyUnreadable,
    ModelNotConfigured,
    Settings,
)

SCOPE = "ai-config:read"  # or one of your own for what costs the user money


class ChatHandler(RequestHandler):
    def initialize(self, plugin: AIConfigPlugin) -> None:
        self.plugin = plugin

    async def post(self) -> None:
        provider = os.environ.get("PROVIDER", "OpenAI")
        url = os.environ.get("PROVIDER_URL", "https://api.openai.com/v1")
        try:
            principal = await self.plugin.authenticate(self.request)
            if SCOPE not in principal.scopes or principal.subject is None:
                raise HTTPError(403, reason=f"A user's token with the scope {SCOPE} is required")
            chosen = await self.plugin.resolve(principal.subject, provider=provider, type="chat")
        except (ConfigNotFound, ModelNotConfigured):
            raise HTTPError(409, reason=f"Add a chat model of {provider} first") from None
        except KeyUnreadable:
            raise HTTPError(409, reason="Enter your API key again") from None
        except AIConfigError as err:  # no token or a wrong one, an outage
            raise HTTPError(err.status, reason=err.title) from None
        if chosen.key_form == "opaque":  # ciphertext that only its owner's client can decrypt
            raise HTTPError(409, reason="Enter your API key again, sealed for this gateway")
        messages = [
            {"role": "system", "content": chosen.system_prompt},
            {"role": "user", "content": json.loads(self.request.body)["message"]},
        ]
        headers = {"Content-Type": "application/json"}
        if chosen.api_key:
            headers["Authorization"] = f"Bearer {chosen.api_key.get_secret_value()}"
        answer = await AsyncHTTPClient().fetch(
            f"{url}/chat/completions",
            method="POST",
            headers=headers,
            body=json.dumps({"model": chosen.model, "messages": messages}),
            follow_redirects=False,  # or another host might get the key
            raise_error=False,
        )
        if answer.code != 200:
            raise HTTPError(502, reason=f"{provider} responded with HTTP {answer.code}")
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

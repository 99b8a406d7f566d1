"""A pretend AI provider, so that one sees which key the gateway's call carries."""

from __future__ import annotations

import hashlib
import json

import tornado.web


class ChatHandler(tornado.web.RequestHandler):
    """As a provider's chat route; tells the SHA-256 of the key it got, cut short, and no key."""

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here."""

    def post(self) -> None:
        scheme, _, key = self.request.headers.get("Authorization", "").partition(" ")
        messages = json.loads(self.request.body)["messages"]
        prompt, message = (part["content"] for part in messages)
        told = f" My instructions have {len(prompt)} characters." if prompt else ""
        content = f"You said: “{message}”.{told}"
        digest = hashlib.sha256(key.encode()).hexdigest() if scheme == "Bearer" else None
        self.finish(
            {
                "choices": [{"message": {"role": "assistant", "content": content}}],
                "key_fingerprint": digest and digest[:8],
            }
        )


def provider_application() -> tornado.web.Application:
    """Return the provider, to listen on the loopback interface."""
    return tornado.web.Application([("/v1/chat/completions", ChatHandler)])

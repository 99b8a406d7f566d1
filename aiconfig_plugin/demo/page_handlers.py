"""The demo's page, and the gateway's own routes that it calls: who am I, ask, log out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

import httpx2
import tornado.web
from tornado.template import Template

from aiconfig_plugin import AIConfigError, AIConfigPlugin, Principal, ResolvedModel
from aiconfig_plugin.domain import KeyResult
from aiconfig_plugin.errors import InsufficientScope, InvalidParameter

_PAGE = resources.files("aiconfig_plugin.demo") / "page"
_OPAQUE = (
    "The stored API key is ciphertext that this gateway cannot decrypt, so it is no key that a "
    "provider would accept. Enter the API key again."
)
_RESULTS: Mapping[int, KeyResult] = {200: "accepted", 401: "rejected", 429: "quota-exceeded"}
_TYPES = {"js": "text/javascript", "css": "text/css"}


class PageHandler(tornado.web.RequestHandler):
    """The page itself. Its policy lets it load and call nothing but this origin and the issuer."""

    def initialize(self, **named: str) -> None:
        self.named = named

    def get(self) -> None:
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
            f"connect-src 'self' {self.named['issuer']}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        template = Template((_PAGE / "index.html").read_text(encoding="utf-8"))
        self.finish(template.generate(**self.named))


class AssetHandler(tornado.web.RequestHandler):
    """A script or a style of the page."""

    def get(self, name: str) -> None:
        file = _PAGE / name
        if not file.is_file():
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.finish(file.read_bytes())


class _HostHandler(tornado.web.RequestHandler):
    """A route of the gateway's own: the plugin says who calls it."""

    def initialize(self, plugin: AIConfigPlugin, provider: str = "") -> None:
        self.plugin = plugin
        self.provider = provider

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here."""

    async def prepare(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.principal: Principal = await self.plugin.authenticate(self.request)
        if self.plugin.settings.read_scope not in self.principal.scopes:
            raise InsufficientScope(self.plugin.settings.read_scope)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, AIConfigError):
            self.set_status(error.status)
            self.finish({"error": f"{error.title}."})
        else:
            self.finish({"error": "That did not work."})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, AIConfigError):
            super().log_exception(typ, value, tb)


class WhoHandler(_HostHandler):
    """Says who has logged in."""

    def post(self) -> None:
        self.finish({"user": self.principal.subject})


class LogOutHandler(_HostHandler):
    """Forgets at once that the token was good."""

    def post(self) -> None:
        self.plugin.forget(token=self.request.headers["Authorization"].partition(" ")[2])
        self.set_status(204)


class AskHandler(_HostHandler):
    """Answers a message by the user's first model, with the key that is stored for it."""

    async def post(self) -> None:
        message = _message(self.request.body)
        chosen = await self.plugin.resolve(self.principal.subject or "")
        if chosen.key_form == "opaque":
            self.set_status(409)
            self.finish({"error": _OPAQUE})
            return
        chosen = replace(chosen, base_url=chosen.base_url or self.provider)
        response = await self._call(chosen, message)
        if response.status_code in _RESULTS:
            await self.plugin.report(chosen, _RESULTS[response.status_code])
        if response.status_code != 200:
            self.set_status(502)
            self.finish({"error": f"{chosen.provider} responded with {response.status_code}."})
            return
        reply: Mapping[str, Any] = response.json()
        self.finish(
            {
                "answer": reply["choices"][0]["message"]["content"],
                "fingerprint": reply["key_fingerprint"],
                "provider": chosen.provider,
                "model": chosen.model,
                "endpoint": chosen.base_url,
            }
        )

    async def _call(self, chosen: ResolvedModel, message: str) -> httpx2.Response:
        headers = {}
        if chosen.api_key is not None:
            headers["Authorization"] = f"Bearer {chosen.api_key.get_secret_value()}"
        body = {
            "model": chosen.model,
            "messages": [
                {"role": "system", "content": chosen.system_prompt},
                {"role": "user", "content": message},
            ],
        }
        async with self.plugin.client(chosen) as client:
            response: httpx2.Response = await client.post(
                "chat/completions", json=body, headers=headers, timeout=10
            )
        return response


def _message(body: bytes) -> str:
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        message = None
    if not isinstance(message, str) or not message.strip():
        raise InvalidParameter("Send a message.")
    return message

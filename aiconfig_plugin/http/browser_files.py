"""Public files: the browser modules in ``web/``, cached for as long as their content is the same.

Each file has two paths: what ``/web/<digest>/<name>`` answers never changes and is cached for a
year, and ``/web/<name>`` leads there. A module leads there by exporting what that one exports: a
redirect would make a second instance of it, for browsers know modules by the path asked for.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from aiconfig_plugin.http.base import BaseHandler, HTTPConfig
from aiconfig_plugin.http.operations import Access, Operation, Route

_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


def _web() -> tuple[Mapping[str, bytes], str]:
    """Return the files by their name, and a digest of all of them."""
    folder = resources.files("aiconfig_plugin") / "web"
    found = sorted((file.name, file) for file in folder.iterdir())
    files = {name: file.read_bytes() for name, file in found if name.split(".")[-1] in _TYPES}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return files, digest.hexdigest()[:16]


class StaticHandler(BaseHandler):
    """Public content that is the same for everybody, or with ``location`` a way to it."""

    def initialize(
        self,
        config: HTTPConfig,
        route: Route,
        content: bytes = b"",
        content_type: str = "application/json",
        max_age: str = "300",
        location: str | None = None,
    ) -> None:
        super().initialize(config, route)
        self._content = content
        self._content_type = content_type
        self._max_age = max_age
        self._location = location

    async def get(self) -> None:
        self.set_header("Cache-Control", f"public, max-age={self._max_age}")
        self.set_header("Content-Type", self._content_type)
        if self._location is not None:
            self.set_header("Location", self._location)
            self.set_status(307)
        self.write(self._content)

    head = get


@functools.cache
def web_routes() -> tuple[Route, ...]:
    """Return the routes of the files: the stable paths first."""
    files, digest = _web()
    stable, lasting = [], []
    for name, content in files.items():
        content_type = _TYPES[name.rpartition(".")[2]]
        # Relative, so that it holds behind a proxy that puts a path in front.
        present = f"{digest}/{name}"
        lead = (
            {"content": f'export * from "./{present}";\n'.encode()}
            if name.endswith(".js")
            else {"location": present}
        )
        stable.append(_route(name, content_type=content_type, **lead))
        forever = "31536000, immutable"
        lasting.append(_route(present, content_type=content_type, content=content, max_age=forever))
    return (*stable, *lasting)


def _route(path: str, **arguments: Any) -> Route:
    operations = {"GET": Operation(Access.PUBLIC)}
    return Route(f"/web/{path}", StaticHandler, operations, label="/web", arguments=arguments)

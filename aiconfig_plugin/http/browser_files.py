"""Public files: the browser modules in ``web/``, cached for as long as their content is the same.

``/web/<digest>/<name>`` is cached for a year and ``/web/<name>`` refers to it. A module does so by
re-exporting: a redirect would create a second instance, because browsers identify modules by the
requested path. The entry module only re-exports, so its stable path is itself. Another digest than
the present one is that of another version, which a gateway beside this one may run during an
upgrade: the present file is served, and not cached.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from aiconfig_plugin.http.base import BaseHandler
from aiconfig_plugin.http.config import HTTPConfig
from aiconfig_plugin.http.operations import Access, Operation, Route

_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_ENTRY = "ai-config.js"
# Comments that fill whole lines: a third of what is left after compression.
_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)[ \t]*$", re.MULTILINE)


def _web() -> tuple[Mapping[str, bytes], str]:
    """Return the files by their name, and a digest of all of them."""
    folder = resources.files("aiconfig_plugin") / "web"
    found = sorted((file.name, file) for file in folder.iterdir())
    files = {
        name: _without_comments(file.read_bytes())
        for name, file in found
        if name.split(".")[-1] in _TYPES
    }
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return files, digest.hexdigest()[:16]


def _without_comments(content: bytes) -> bytes:
    """Empty the lines of comments. Lines keep their numbers, for debuggers and error reports."""
    return _COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), content)


class StaticHandler(BaseHandler):
    """Public content that is the same for everybody, or with ``location`` a way to it."""

    def initialize(
        self,
        config: HTTPConfig,
        route: Route,
        content: bytes = b"",
        content_type: str = "application/json",
        cache_control: str = "public, max-age=300",
        location: str | None = None,
    ) -> None:
        super().initialize(config, route)
        self._content = content
        self._media_type = content_type
        self._cache_control = cache_control
        self._location = location

    async def get(self) -> None:
        self.set_header("Cache-Control", self._cache_control)
        self.set_content_type(self._media_type)
        if self._location is not None:
            self.set_header("Location", self._location)
            self.set_status(307)
        self.write(self._content)

    head = get


class WebFileHandler(BaseHandler):
    """A browser module under a digest, ``present`` or another version's."""

    def initialize(
        self,
        config: HTTPConfig,
        route: Route,
        content: bytes = b"",
        content_type: str = "",
        compressed: bytes = b"",
        present: str = "",
    ) -> None:
        super().initialize(config, route)
        self._content = content
        self._media_type = content_type
        self._compressed = compressed
        self._present = present

    async def get(self, digest: str) -> None:
        is_present = digest == self._present
        lifetime = "public, max-age=31536000, immutable" if is_present else "no-cache"
        self.set_header("Cache-Control", lifetime)
        self.set_content_type(self._media_type)
        self.add_header("Vary", "Accept-Encoding")
        is_compressed = "gzip" in self.request.headers.get("Accept-Encoding", "")
        if is_compressed:
            self.set_header("Content-Encoding", "gzip")
        self.write(self._compressed if is_compressed else self._content)

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
        lead: dict[str, Any] = {"location": present}
        if name == _ENTRY:
            lead = {"content": content.replace(b'"./', f'"./{digest}/'.encode())}
        elif name.endswith(".js"):
            lead = {"content": f'export * from "./{present}";\n'.encode()}
        lead.update(content_type=content_type, cache_control="no-cache")
        stable.append(_route(name, StaticHandler, lead))
        file = {"content": content, "content_type": content_type, "present": digest}
        file["compressed"] = gzip.compress(content, mtime=0)
        lasting.append(_route(f"{{digest}}/{name}", WebFileHandler, file))
    return (*stable, *lasting)


def _route(path: str, handler: type[BaseHandler], arguments: Mapping[str, Any]) -> Route:
    operations = {"GET": Operation(Access.PUBLIC)}
    return Route(f"/web/{path}", handler, operations, label="/web", arguments=arguments)

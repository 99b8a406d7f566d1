"""The browser modules in ``web/``: public, and cached for as long as their content stays the same.

Each file has two paths: what ``/web/<digest>/<name>`` answers never changes and is cached for a
year, and ``/web/<name>`` leads there. A module leads there by exporting what that one exports: a
redirect would make a second instance of it, for browsers know modules by the path asked for.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from aiconfig_plugin.http.base import Access, BaseHandler

_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


class _Web(NamedTuple):
    files: Mapping[str, bytes]
    digest: str


@functools.cache
def _web() -> _Web:
    folder = resources.files("aiconfig_plugin") / "web"
    found = sorted((file.name, file) for file in folder.iterdir())
    files = {name: file.read_bytes() for name, file in found if name.split(".")[-1] in _TYPES}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return _Web(files, digest.hexdigest()[:16])


class WebFileHandler(BaseHandler):
    """One file as it is, for a year: its path changes with its content."""

    access = {"GET": Access.PUBLIC, "HEAD": Access.PUBLIC}

    async def get(self) -> None:
        name = self.request.path.rpartition("/")[2]
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("Content-Type", _TYPES[name.rpartition(".")[2]])
        self.write(_web().files[name])

    head = get


class WebStableHandler(BaseHandler):
    """The way from a file's stable path to the path of its present content."""

    access = {"GET": Access.PUBLIC, "HEAD": Access.PUBLIC}

    async def get(self) -> None:
        name = self.request.path.rpartition("/")[2]
        # Relative, so that it holds behind a proxy that puts a path in front.
        present = f"{_web().digest}/{name}"
        self.set_header("Cache-Control", "public, max-age=300")
        self.set_header("Content-Type", _TYPES[name.rpartition(".")[2]])
        if name.endswith(".js"):
            self.write(f'export * from "./{present}";\n')
        else:
            self.set_header("Location", present)
            self.set_status(307)

    head = get


def web_routes() -> dict[str, type[BaseHandler]]:
    """Return the handler of each path under the prefix."""
    web = _web()
    stable = dict.fromkeys((f"/web/{name}" for name in web.files), WebStableHandler)
    return {**stable, **dict.fromkeys(map(_path, web.files), WebFileHandler)}


def _path(name: str) -> str:
    return f"/web/{_web().digest}/{name}"

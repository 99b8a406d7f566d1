"""A Sphinx extension: the directive ``from-code``, and a check that pages load nothing external."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from from_code import PARTS
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

# What a page or a style sheet loads on its own. Links for readers are not among it.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\ssrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\srel=["']?(?:stylesheet|preconnect|preload|icon)[^>]*\shref=["']?(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import\s+["'](?:https?:)?//""",
    re.IGNORECASE,
)

# Files beside docs/, each included in a page.
BESIDE = {"../SECURITY.md": "security.md"}


class FromCode(SphinxDirective):
    """``.. from-code:: settings`` inserts that part of the reference."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        holder = nodes.Element()
        lines = StringList(PARTS[name]().splitlines(), source=f"<from-code {name}>")
        nested_parse_with_titles(self.state, lines, holder)
        return holder.children


def rewrite_links(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Point links to a file beside ``docs/`` to the page that includes it."""
    for beside, page in BESIDE.items():
        source[0] = source[0].replace(f"]({beside}", f"]({page}")


def reject_external_parts(app: Sphinx, failure: Exception | None) -> None:
    """Fail the build if a page loads a script, a style or a font from another host."""
    if failure is not None:
        return
    for kind in ("*.html", "*.css"):
        for file in Path(app.outdir).rglob(kind):
            found = _LOADED.search(file.read_text(encoding="utf-8"))
            if found:
                raise SphinxError(f"{file.name} loads from another host: {found[0]}")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("from-code", FromCode)
    app.connect("source-read", rewrite_links)
    app.connect("build-finished", reject_external_parts)
    return {"parallel_read_safe": True}

"""What Sphinx is taught here: the directive ``from-code``, and to refuse foreign parts of pages."""

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

# What a page or a style sheet loads by itself; a link that a reader may follow is none of it.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\ssrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\srel=["']?(?:stylesheet|preconnect|preload|icon)[^>]*\shref=["']?(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import\s+["'](?:https?:)?//""",
    re.IGNORECASE,
)

# Beside the pages, and so copied among them under another name.
BESIDE = {"../SECURITY.md": "security.md"}


class FromCode(SphinxDirective):
    """``.. from-code:: settings`` puts that part of the reference here."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        holder = nodes.Element()
        lines = StringList(PARTS[name]().splitlines(), source=f"<from-code {name}>")
        nested_parse_with_titles(self.state, lines, holder)
        return holder.children


def lead_to_pages(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Let a link to a file beside ``docs/`` lead to the page that shows it."""
    for beside, page in BESIDE.items():
        source[0] = source[0].replace(f"]({beside}", f"]({page}")


def refuse_foreign_parts(app: Sphinx, failure: Exception | None) -> None:
    """Fail the build when a page would load a script, a style or a font from another host."""
    if failure is not None:
        return
    for kind in ("*.html", "*.css"):
        for file in Path(app.outdir).rglob(kind):
            found = _LOADED.search(file.read_text(encoding="utf-8"))
            if found:
                raise SphinxError(f"{file.name} loads from another host: {found[0]}")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("from-code", FromCode)
    app.connect("source-read", lead_to_pages)
    app.connect("build-finished", refuse_foreign_parts)
    return {"parallel_read_safe": True}

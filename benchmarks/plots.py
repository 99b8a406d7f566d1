"""Bar charts as plain SVG, readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

WIDTH, LEFT, BAR, GAP, TOP = 760, 250, 15, 14, 56
COLOURS = ("#2f6fdb", "#12988a", "#8a8f98", "#d97b29")
STYLE = "text{font:13px system-ui,sans-serif;fill:#777}.title{font-size:15px;font-weight:600}"

Groups = Mapping[str, Mapping[str, float]]


def write_bars(file: Path, title: str, groups: Groups, unit: str) -> None:
    """Draw one group of bars for each key; the same name has the same colour in every group."""
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    top = max(value for bars in groups.values() for value in bars.values())
    parts = [_text(10, 22, title, "title"), *_legend(colours)]
    y = TOP
    for group, bars in groups.items():
        parts.append(_text(10, y + BAR * len(bars) / 2 + 4, group))
        for name, value in bars.items():
            width = max(1.0, (WIDTH - LEFT - 110) * value / top)
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" '
                f'fill="{colours[name]}"/>'
            )
            parts.append(
                _text(LEFT + width + 6, y + 11, f"{value:,.{0 if value >= 100 else 2}f} {unit}")
            )
            y += BAR
        y += GAP
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n",
        encoding="utf-8",
    )


def _legend(colours: Mapping[str, str]) -> list[str]:
    parts, x = [], 10
    for name, colour in colours.items():
        parts.append(f'<rect x="{x}" y="33" width="11" height="11" fill="{colour}"/>')
        parts.append(_text(x + 16, 43, name))
        x += 40 + 8 * len(name)
    return parts


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    marked = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{marked}>{escape(text)}</text>'

"""Bar charts as plain SVG, readable on a light and on a dark page."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

WIDTH, LEFT, BAR, GAP = 760, 250, 16, 12
COLOURS = ("#2f6fdb", "#12988a", "#8a8f98", "#d97b29", "#8f5bd6")
STYLE = "<style>text{font:12px system-ui,sans-serif;fill:#777}</style>"


def write_bars(
    file: Path, title: str, groups: Mapping[str, Mapping[str, float]], unit: str
) -> None:
    """Draw one group of bars for each key; the same name has the same colour in every group."""
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    top = max(value for bars in groups.values() for value in bars.values())
    parts, y = [_text(10, 18, title)], 34
    for group, bars in groups.items():
        parts.append(_text(10, y + 12, group))
        for name, value in bars.items():
            width = (WIDTH - LEFT - 190) * value / top
            colour = COLOURS[names.index(name) % len(COLOURS)]
            place = f'x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR - 2}"'
            parts.append(f'<rect {place} fill="{colour}"/>')
            parts.append(_text(LEFT + width + 6, y + 12, f"{value:,.2f} {unit} {name}"))
            y += BAR
        y += GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}">{STYLE}'
    file.write_text("\n".join([head, *parts, "</svg>\n"]), encoding="utf-8")


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'

"""Tables that read the same in a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import median, spread


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned Markdown table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (head, rule, *rows))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(cells)} |"


def rate(values: Sequence[float]) -> str:
    """Show a median, and how far the rounds lie apart where there were several."""
    return _shown(f"{median(values):,.0f}", values)


def milliseconds(values: Sequence[float]) -> str:
    return _shown(f"{1000 * median(values):,.2f}", values)


def microseconds(values: Sequence[float]) -> str:
    return _shown(f"{1e6 * median(values):,.1f}", values)


def _shown(middle: str, values: Sequence[float]) -> str:
    return middle if len(values) == 1 else f"{middle} ±{50 * spread(values):.0f}%"

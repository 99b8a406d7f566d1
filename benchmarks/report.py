"""The results as tables, which the terminal and ``RESULTS.md`` both get, and as plots."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rounds import Results, paired_ratio
from benchmarks.targets import TARGETS

OURS = ("tornado", "motor", "pymongo", "authlib", "joserfc", "cryptography", "jsonschema-rs")
THEIRS = ("fastapi", "uvicorn", "uvloop", "pydantic")
MEASURES = {
    "rate": ("requests, calls or keys per second", 1),
    "p50": ("latency in ms, median", 1e3),
    "p99": ("latency in ms, 99th percentile", 1e3),
    "processor": ("processor time of the server for a request, in µs", 1e6),
    "hold": ("longest hold of the loop, in ms", 1e3),
    "bytes": ("memory in bytes", 1),
}
WIDTH, LEFT, BAR, GAP = 760, 250, 16, 12
COLOURS = ("#2f6fdb", "#12988a", "#8a8f98", "#d97b29", "#8f5bd6")
STYLE = "<style>text{font:12px system-ui,sans-serif;fill:#777}</style>"
PAGE = """\
# Results of the benchmarks

Written by `{command}`. [README.md](README.md#how-to-read-the-results) says how to read it; the raw
figures are in [results.json](results.json).

{facts}

![Requests per second, of the bare handler's](throughput.svg)

{tables}

![GET as it grows](growth.svg)
"""


def facts(mongodb: str, driver: str) -> dict[str, Any]:
    """Return what a reader must know of the machine and the versions; nothing that names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "machine": f"{os.cpu_count()} cores, {models[0]}, {platform.system()}",
        "Python": platform.python_version(),
        "MongoDB": f"{mongodb}, on the same machine",
        "driver": driver,
        **{name: version(name) for name in OURS + THEIRS},
    }


def tables(results: dict[str, Results], costs: dict[str, dict[str, float]]) -> str:
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in _tables(results, costs))


def _tables(results: dict[str, Results], costs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    rows = []
    for target in TARGETS:
        cells = [_verdict(target.judge(found)) for found in results.values()]
        rows += [[f"{target.workload}: {target.what}", target.wanted, *cells]] if any(cells) else []
    if rows:
        yield "Targets", _table(["", "wanted", *results], rows)
    for store, found in results.items():
        for measure, (title, factor) in MEASURES.items():
            measured = {name: one[measure] for name, one in found.items() if measure in one}
            names = list(dict.fromkeys(name for values in measured.values() for name in values))
            rows = [
                [workload, *(_cell(measure, values.get(name, []), factor) for name in names)]
                for workload, values in measured.items()
            ]
            if rows:
                yield f"{store}: {title}", _table(["", *names], rows)
    for name, files in costs.items():
        rows = [[file, f"{cost:.0f}"] for file, cost in files.items() if cost >= 2]
        yield f"{name}: where the time of a request goes, in µs", _table(["", "µs"], rows)


def _verdict(judged: tuple[float, bool] | None) -> str:
    if judged is None:
        return ""
    value, met = judged
    return f"{value:.2f}" if met else f"**not met: {value:.2f}**"


def _cell(measure: str, values: Sequence[float], factor: float) -> str:
    if not values:
        return ""
    middle = max(values) if measure == "hold" else median(values)
    spread = 50 * (max(values) - min(values)) / middle if measure == "rate" else 0
    return f"{factor * middle:,.{factor == 1e3:d}f}" + (f" ±{spread:.0f}%" if spread else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned Markdown table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for first, *others in (head, rule, *rows):
        cells = [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(directory: Path, command: str, report: dict[str, Any]) -> None:
    """Write ``RESULTS.md``, the raw figures and the plots."""
    (directory / "results.json").write_text(json.dumps(report, indent=1) + "\n")
    of_bare, grown = {}, {}
    for store, found in report["results"].items():
        for workload, series in found.items():
            rates = series.get("rate", {})
            if "FastAPI" in rates:
                ratios = {name: paired_ratio(one, rates["bare"]) for name, one in rates.items()}
                of_bare[f"{workload}, {store}"] = ratios
            if workload.startswith("GET, "):
                grown[workload] = {"ours": 1000 * median(series["p50"]["ours"])}
    write_bars(directory / "throughput.svg", "Requests per second, of bare's", of_bare, "×")
    write_bars(directory / "growth.svg", "GET, p50 at 64 connections", grown, "ms")
    lines = "\n".join(f"- {name}: {value}" for name, value in report["facts"].items())
    text = tables(report["results"], report["costs"])
    page = PAGE.format(command=command, facts=lines, tables=text)
    (directory / "RESULTS.md").write_text(page, encoding="utf-8")


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

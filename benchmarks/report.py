"""The results as tables, which the terminal and ``RESULTS.md`` both get, and as plots."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.plots import write_bars
from benchmarks.rounds import Results, paired_ratio
from benchmarks.targets import TARGETS

LIBRARIES = (
    "tornado", "motor", "pymongo", "authlib", "joserfc", "cryptography", "jsonschema-rs",
    "fastapi", "uvicorn", "uvloop", "pydantic",
)  # fmt: skip
MEASURES = {
    "rate": ("requests, calls or keys per second", 1),
    "p50": ("latency in ms, median", 1e3),
    "p99": ("latency in ms, 99th percentile", 1e3),
    "processor": ("processor time of the server for a request, in µs", 1e6),
    "hold": ("longest hold of the loop, in ms", 1e3),
    "bytes": ("memory in bytes", 1),
}
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
        **{name: version(name) for name in LIBRARIES},
    }


def tables(results: dict[str, Results], costs: dict[str, dict[str, float]]) -> str:
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in _tables(results, costs))


def _tables(results: dict[str, Results], costs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    rows = []
    for target in TARGETS:
        judged = [target.judge(found) for found in results.values()]
        if any(judged):
            cells = [_verdict(*one) if one else "" for one in judged]
            wanted = f"{'≥' if target.at_least else '≤'} {target.limit:g}"
            rows.append([f"{target.workload}: {target.what}", wanted, *cells])
    if rows:
        yield "Targets", _table(["", "wanted", *results], rows)
    for store, found in results.items():
        for measure, (title, factor) in MEASURES.items():
            measured = {
                workload: {name: one[measure] for name, one in series.items() if measure in one}
                for workload, series in found.items()
                if any(measure in one for one in series.values())
            }
            names = list(dict.fromkeys(name for series in measured.values() for name in series))
            rows = [
                [workload, *(_cell(measure, series.get(name, []), factor) for name in names)]
                for workload, series in measured.items()
            ]
            if rows:
                yield f"{store}: {title}", _table(["", *names], rows)
    for name, files in costs.items():
        rows = [[file, f"{cost:.0f}"] for file, cost in files.items() if cost >= 2]
        yield f"{name}: where the time of a request goes, in µs", _table(["", "µs"], rows)


def _verdict(value: float, met: bool) -> str:
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
    raw = json.dumps(report, indent=1) + "\n"
    (directory / "results.json").write_text(raw, encoding="utf-8")
    of_bare, grown = {}, {}
    for store, found in report["results"].items():
        for workload, series in found.items():
            if "FastAPI" in series:
                of_bare[f"{workload}, {store}"] = {
                    name: paired_ratio(one["rate"], series["bare"]["rate"])
                    for name, one in series.items()
                }
            if workload.startswith("GET, "):
                grown[workload] = {"ours": 1000 * median(series["ours"]["p50"])}
    write_bars(directory / "throughput.svg", "Requests per second, of bare's", of_bare, "×")
    write_bars(directory / "growth.svg", "GET, p50 at 64 connections", grown, "ms")
    lines = "\n".join(f"- {name}: {value}" for name, value in report["facts"].items())
    text = tables(report["results"], report["costs"])
    page = PAGE.format(command=command, facts=lines, tables=text)
    (directory / "RESULTS.md").write_text(page, encoding="utf-8")

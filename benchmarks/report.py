"""The results as tables, which the terminal and ``RESULTS.md`` both get, and as plots."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.plots import write_bars
from benchmarks.rounds import Results, paired_ratio, spread
from benchmarks.table import table
from benchmarks.targets import TARGETS

Measures = dict[str, list[float]]

LIBRARIES = (
    "tornado", "motor", "pymongo", "authlib", "joserfc", "cryptography", "jsonschema-rs",
    "fastapi", "uvicorn", "uvloop", "pydantic",
)  # fmt: skip

READING = """\
Each server is one process on one core; `wrk` (one thread) and the store share what is left of the
machine, all on loopback: one `mongod`, or the three of a replica set. The contenders take turns,
A B C A B C, and a figure is the median of the rounds; ± is half of the distance between the best
and the worst. A ratio is the median of the ratios of each round. All have the same driver, the
driver's own pool of connections, the same owners (each in a database of its own) and the same log
level (warnings; no access log); every token is remembered before the first round.

- *ours* is the plugin as it installs, in a gateway with nothing else; *ours, pymongo* is the same
  over PyMongo's own asynchronous API.
- *bare*, of requests, is the same routes with Tornado, Motor and JSON alone: no authentication, no
  validation, no encryption, no revision; its 304 is Tornado's own. Its reads are "local": on a
  replica set they promise less than ours. Of `resolve` it is `find_one`, of a rotation `bulk_write`
  in pages of the same size, of a sealed key its arithmetic with `cryptography` alone.
- *fixed bytes* is a Tornado handler that answers with the same bytes every time. It looks neither
  at the token nor into the store: the most that one process can answer, whatever it does.
- *FastAPI* is what one would write instead: FastAPI, Motor, Pydantic, Authlib's introspection
  (remembered) and Fernet under uvicorn with uvloop and httptools. A sealed key is opaque to it,
  where the plugin opens, verifies and wraps it.

A PUT of 3 or 100 entries leaves the keys absent, so they are kept, or sends newly sealed ones. GET
and PUT of 3 entries come over 64 connections; PUT of 100 entries over 8.
"""


def facts(mongodb: str, driver: str) -> dict[str, Any]:
    """Return what a reader must know of the machine and the versions; nothing that names it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "MongoDB": f"{mongodb}, on the same machine",
        "driver": driver,
        **{name: version(name) for name in LIBRARIES},
    }


def sections(results: dict[str, Results], costs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return each title and what stands under it."""
    yield from _targets(results)
    for store, found in results.items():
        for title, measure, show in (
            ("requests, calls or keys per second", "rate", rate),
            ("processor time of the server in µs, for each request", "processor", processor),
            ("latency in ms, p50 / p99", "p50", latency),
            ("longest hold of the loop in ms, median", "hold", hold),
            ("memory in bytes", "bytes", lambda one: f"{median(one['bytes']):,.0f}"),
        ):
            yield from _measured(f"{store}: {title}", found, measure, show)
    for name, by_file in costs.items():
        rows = [[file, f"{cost:.0f}"] for file, cost in by_file.items() if cost >= 1]
        yield f"{name}: µs of a request in each file's own code", table(["", "µs"], rows)


def _targets(results: dict[str, Results]) -> Iterator[tuple[str, str]]:
    rows = []
    for target in TARGETS:
        judged = [target.judge(found) for found in results.values()]
        if any(judged):
            cells = [_verdict(*one) if one else "" for one in judged]
            rows.append([f"{target.workload}: {target.what}", target.wanted, *cells])
    if rows:
        yield "Targets", table(["", "wanted", *results], rows)


def _verdict(found: float, met: bool) -> str:
    return f"{found:.2f}" if met else f"**not met: {found:.2f}**"


def _measured(
    title: str, results: Results, measure: str, show: Callable[[Measures], str]
) -> Iterator[tuple[str, str]]:
    found = {
        workload: {name: one for name, one in series.items() if measure in one}
        for workload, series in results.items()
    }
    names = list(dict.fromkeys(name for series in found.values() for name in series))
    rows = [
        [workload, *(show(series[name]) if name in series else "" for name in names)]
        for workload, series in found.items()
        if series
    ]
    if rows:
        yield title, table(["", *names], rows)


def rate(measures: Measures) -> str:
    values = measures["rate"]
    middle = f"{median(values):,.0f}"
    return middle if len(values) == 1 else f"{middle} ±{100 * spread(values):.0f}%"


def processor(measures: Measures) -> str:
    return f"{1e6 * median(measures['processor']):,.0f}"


def latency(measures: Measures) -> str:
    return " / ".join(f"{1000 * median(measures[name]):,.1f}" for name in ("p50", "p99"))


def hold(measures: Measures) -> str:
    return f"{1000 * max(measures['hold']):.2f}, {1000 * median(measures['hold']):.2f}"


def write(directory: Path, report: dict[str, Any], command: str, *, quick: bool) -> None:
    """Write ``RESULTS.md``, the raw figures and the plots."""
    raw = directory / "results.json"
    raw.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _plot(directory, report["results"])
    parts = [
        "# Results of the benchmarks",
        f"Written by `{command}`; the raw figures are in [{raw.name}]({raw.name}).",
    ]
    if quick:
        parts.append(
            "**A quick run: one short round of each, so a figure may be off by half. "
            "It shows that everything runs; `tox -e bench` measures.**"
        )
    parts += ["\n".join(f"- {name}: {value}" for name, value in report["facts"].items())]
    parts += ["## How to read it", READING.strip()]
    parts += ["![Requests per second, of the bare handler's](throughput.svg)"]
    for title, text in sections(report["results"], report["costs"]):
        parts += [f"## {title[0].upper()}{title[1:]}", text]
    parts += ["![GET as it grows](growth.svg)"]
    (directory / "RESULTS.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _plot(directory: Path, results: dict[str, Results]) -> None:
    of_bare = {
        f"{workload}, {store}": {
            name: paired_ratio(one["rate"], series["bare"]["rate"]) for name, one in series.items()
        }
        for store, found in results.items()
        for workload, series in found.items()
        if {"bare", "FastAPI"} <= series.keys()
    }
    grown = {
        workload: {"ours": 1000 * median(series["ours"]["p50"])}
        for found in results.values()
        for workload, series in found.items()
        if list(series) == ["ours"] and "p50" in series["ours"]
    }
    write_bars(directory / "throughput.svg", "Requests per second, of bare's", of_bare, "×")
    write_bars(directory / "growth.svg", "GET as it grows, p50 at 64 connections", grown, "ms")

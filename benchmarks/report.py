"""The results as tables, which the terminal and ``RESULTS.md`` both get, and as plots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import median, paired_ratio
from benchmarks.plots import write_bars
from benchmarks.table import microseconds, milliseconds, rate, table
from benchmarks.targets import our_names, verdicts

HERE = Path(__file__).parent
RESULTS, RAW = HERE / "RESULTS.md", HERE / "results.json"
THROUGHPUT, GROWTH = HERE / "throughput.svg", HERE / "growth.svg"
MET = {True: "met", False: "**not met**", None: "not judged"}

READING = """\
Each server is one process on one core; `wrk` (one thread) and `mongod` share what is left of the
machine, all on loopback. The contenders take turns, A B C A B C, and a figure is the median of
the rounds; ± is half of the distance between the best and the worst. A ratio is the median of the
ratios of each round. All have the same driver, the driver's own pool of connections, the same
owners (each in a database of its own), the same log level (warnings; no access log), and were
warmed up with one request of every owner, so tokens are remembered except where it says cold.

- *bare* is the limit: the same routes with Tornado, Motor and JSON alone. No authentication, no
  validation, no encryption, no revision; its 304 is Tornado's own.
- *FastAPI* is what one would write instead: FastAPI, Motor, Pydantic, Authlib's introspection
  (remembered) and Fernet under uvicorn with uvloop and httptools. A sealed key is opaque to it,
  where the plugin opens, verifies and wraps it.
- *ours* is the plugin in a gateway with nothing else; *ours, speed* has the accelerator of the
  extra `speed`, which *ours* cannot import.

GET, and PUT of 3 entries, come over 64 connections; PUT of 100 entries over 8.
"""


def sections(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return each title and what stands under it."""
    rows = [[v.what, v.target, v.found, MET[v.met]] for v in verdicts(results)]
    yield "Targets", table(["target", "wanted", "found", ""], rows)
    yield "Requests per second", _requests(results["http"])
    yield "Of the limit", _ratios(results["http"])
    yield "Latency in ms, p50 / p99", _latencies(results["http"])
    yield "Cold tokens", _cold(results["cold"])
    yield "The event loop", _holds(results["hold"])
    yield "resolve, calls per second", _named(results["resolve"], rate)
    yield "As it grows", _growth(results)
    yield "Motor beside PyMongo Async, requests per second", _requests(results["drivers"])
    yield "Keys per second", _named(results["keys"], rate)
    yield "Peers", _peers(results["peers"])


def write(results: Mapping[str, Any], command: str) -> None:
    """Write ``RESULTS.md``, the raw figures and the plots."""
    RAW.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    http = results["http"]
    of_the_limit = {
        work: {
            name: paired_ratio(one["rate"], figures["bare"]["rate"])
            for name, one in figures.items()
        }
        for work, figures in http.items()
    }
    write_bars(THROUGHPUT, "Requests per second, of the bare handler's", of_the_limit, "×")
    entries = {
        f"{size} entries": {"ours": 1e6 / median(figures["rate"])}
        for size, figures in results["entries"].items()
    }
    write_bars(GROWTH, "GET, time for each request", entries, "µs")
    RESULTS.write_text(_page(results, command), encoding="utf-8")


def _page(results: Mapping[str, Any], command: str) -> str:
    lines = [f"- {name}: {value}" for name, value in results["facts"].items()]
    parts = [
        "# Results of the benchmarks",
        f"Written by `{command}`; the raw figures are in [{RAW.name}]({RAW.name}).",
    ]
    if results["scale"] == "quick":
        parts.append(
            "**A quick run: one short round of each, so a figure may be off by half. "
            "It shows that everything runs; `tox -e bench` measures.**"
        )
    parts += ["\n".join(lines), "## How to read it", READING.strip()]
    parts += [f"![Requests per second, of the bare handler's]({THROUGHPUT.name})"]
    for title, body in sections(results):
        parts += [f"## {title}", body]
    parts += [f"![GET by number of entries]({GROWTH.name})"]
    return "\n\n".join(parts) + "\n"


def _requests(works: Mapping[str, Any]) -> str:
    names = list(next(iter(works.values())))
    rows = [
        [work, *(rate(figures[name]["rate"]) for name in names)] for work, figures in works.items()
    ]
    return table(["", *names], rows)


def _ratios(http: Mapping[str, Any]) -> str:
    ours = our_names(next(iter(http.values())))
    rows = []
    for work, figures in http.items():
        against = {work: figures["bare"]["rate"]}
        if work == "GET, 304":
            against["GET, 304 beside the bare GET"] = http["GET"]["bare"]["rate"]
        for title, limit in against.items():
            ratios = [paired_ratio(figures[name]["rate"], limit) for name in (*ours, "FastAPI")]
            rows.append([title, *(f"{ratio:.2f}" for ratio in ratios)])
    return table(["", *ours, "FastAPI"], rows)


def _latencies(http: Mapping[str, Any]) -> str:
    names = list(next(iter(http.values())))
    rows = [
        [
            work,
            *(
                f"{1000 * median(figures[name]['p50']):,.1f} / "
                f"{1000 * median(figures[name]['p99']):,.1f}"
                for name in names
            ),
        ]
        for work, figures in http.items()
    ]
    return table(["", *names], rows)


def _cold(cold: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            milliseconds(one["first"]),
            milliseconds(one["crowd"]),
            f"{max(one['refused']):.0f}",
        ]
        for name, one in cold.items()
    ]
    return table(["", "first request, ms", "all at once, ms until the last", "refused"], rows)


def _holds(holds: Mapping[str, Any]) -> str:
    rows = [
        [work, f"{1000 * one['longest']:.2f}", f"{1000 * one['median']:.2f}"]
        for work, one in holds.items()
    ]
    return table(["one request at a time", "longest hold, ms", "median, ms"], rows)


def _growth(results: Mapping[str, Any]) -> str:
    rows = [
        [f"GET p50, {name}, borrowed ciphertexts", f"{milliseconds(one['p50'])} ms"]
        for name, one in results["owners"].items()
    ]
    for size, one in results["entries"].items():
        microseconds_each = f"{1e6 / median(one['rate']):,.0f} µs"
        rows.append([f"GET, {size} entries, {median(one['bytes']):,.0f} bytes", microseconds_each])
    memory = results["memory"]
    rows.append([f"one of {memory['tokens']:,} remembered tokens", f"{memory['bytes']:,.0f} bytes"])
    for owners, figures in results["rotation"].items():
        for name, values in figures.items():
            rows.append([f"{name}, {int(owners):,} owners", f"{rate(values)} keys/s"])
    for name, one in results["processes"].items():
        rows.append([f"GET, {name}", f"{rate(one['rate'])} requests/s"])
    return table(["", ""], rows)


def _named(figures: Mapping[str, list[float]], show: Any) -> str:
    return table(["", "median"], [[name, show(values)] for name, values in figures.items()])


def _peers(peers: Mapping[str, Any]) -> str:
    rows = [
        [f"check of a remembered token, {name}", f"{microseconds(values)} µs"]
        for name, values in peers["token checks"].items()
    ]
    rows += [
        [f"configuration handler, {name}", f"{rate(values)} requests/s"]
        for name, values in peers["config handlers"].items()
    ]
    rows += [[name, f"left out: {why}"] for name, why in peers["left out"].items()]
    return table(["", ""], rows)

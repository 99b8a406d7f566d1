"""What must hold, and whether it does in these results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import median, paired_ratio
from benchmarks.hold import IDLE
from benchmarks.rotation import LARGER
from benchmarks.works import CONNECTIONS, GET, GET_304, GET_KEYS, PUT_3, PUT_3_SEALED, WORKS

OF_THE_LIMIT = {
    GET.name: 0.95,
    GET_304.name: 1.3,
    GET_KEYS.name: 0.90,
    PUT_3.name: 0.80,
    PUT_3_SEALED.name: 0.80,
}
OF_FASTAPI = 1.2
OF_FIND_ONE = 0.90
LONGEST_HOLD = 0.010  # seconds
P99_OF_P50 = 3.0
MANY_OWNERS = 1.1
LINEAR = 1.5  # time for one more byte between 30 and 100 entries, over that between 3 and 30
BYTES_OF_A_TOKEN = 1500
OF_BULK_WRITE = 0.35
FLAT = 0.8  # the rate with four times as many owners, over the rate before
TWO_PROCESSES = 1.8
CORES_FOR_TWO = 4  # two servers, the load and the store


@dataclass(frozen=True)
class Verdict:
    what: str
    target: str
    found: str
    met: bool | None
    """None where this machine cannot tell."""


def verdicts(results: Mapping[str, Any]) -> list[Verdict]:
    return [
        *_ratios(results["http"]),
        _at_least(
            "resolve / bare find_one",
            OF_FIND_ONE,
            paired_ratio(results["resolve"]["ours"], results["resolve"]["bare find_one"]),
        ),
        *_waits(results),
        *_growth(results),
    ]


def our_names(figures: Mapping[str, Any]) -> list[str]:
    return [name for name in figures if name.startswith("ours")]


def _ratios(http: Mapping[str, Any]) -> Iterator[Verdict]:
    for work, figures in http.items():
        for name in our_names(figures):
            rate = figures[name]["rate"]
            if work in OF_THE_LIMIT:
                ratio = paired_ratio(rate, figures["bare"]["rate"])
                yield _at_least(f"{work}: {name} / bare", OF_THE_LIMIT[work], ratio)
            ratio = paired_ratio(rate, figures["FastAPI"]["rate"])
            yield _at_least(f"{work}: {name} / FastAPI", OF_FASTAPI, ratio)


def _waits(results: Mapping[str, Any]) -> Iterator[Verdict]:
    for work in (work.name for work in WORKS if work.connections == CONNECTIONS):
        figures = results["http"][work]
        for name in our_names(figures):
            ratio = paired_ratio(figures[name]["p99"], figures[name]["p50"])
            yield _at_most(f"{work}: p99 / p50 of {name}", P99_OF_P50, ratio)
    for work, hold in results["hold"].items():
        if work != IDLE:
            what = f"longest hold of the loop: {work}"
            yield _at_most(what, 1000 * LONGEST_HOLD, 1000 * hold["longest"], " ms")


def _growth(results: Mapping[str, Any]) -> Iterator[Verdict]:
    few, many = results["owners"].items()
    ratio = paired_ratio(many[1]["p50"], few[1]["p50"])
    yield _at_most(f"GET p50: {many[0]} / {few[0]}", MANY_OWNERS, ratio)
    entries = results["entries"]
    ratio = _one_more_byte(entries, "30", "100") / _one_more_byte(entries, "3", "30")
    yield _at_most("GET, one more byte: 30 to 100 entries / 3 to 30", LINEAR, ratio)
    memory = results["memory"]
    what = f"memory of a remembered token, of {memory['tokens']:,}"
    yield _at_most(what, BYTES_OF_A_TOKEN, memory["bytes"], " bytes")
    few, many = results["rotation"].items()
    for owners, figures in (few, many):
        ratio = paired_ratio(figures["rotation"], figures["bare bulk_write"])
        yield _at_least(f"rotation / bare bulk_write, {owners} owners", OF_BULK_WRITE, ratio)
    ratio = median(many[1]["rotation"]) / median(few[1]["rotation"])
    yield _at_least(f"rotation, rate with {LARGER} × the owners", FLAT, ratio)
    one, two = results["processes"].values()
    cores = results["facts"]["cores"]
    what = f"GET, two processes / one, {cores} cores"
    ratio = paired_ratio(two["rate"], one["rate"])
    yield _at_least(what, TWO_PROCESSES, ratio, judged=cores >= CORES_FOR_TWO)


def _one_more_byte(entries: Mapping[str, Any], low: str, high: str) -> float:
    """Return the seconds that a request takes longer for each byte that its answer is longer."""
    seconds = [1 / median(entries[size]["rate"]) for size in (low, high)]
    length = [median(entries[size]["bytes"]) for size in (low, high)]
    return (seconds[1] - seconds[0]) / (length[1] - length[0])


def _at_least(what: str, target: float, found: float, *, judged: bool = True) -> Verdict:
    return Verdict(what, f"≥ {target:g}", f"{found:.2f}", found >= target if judged else None)


def _at_most(what: str, target: float, found: float, unit: str = "") -> Verdict:
    shown = f"{found:.1f}" if unit else f"{found:.2f}"
    return Verdict(what, f"≤ {target:g}{unit}", f"{shown}{unit}", found <= target)

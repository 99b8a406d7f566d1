"""What must hold on every kind of store, and whether it does in these results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.rounds import Results, Series, paired_ratio
from benchmarks.workloads import COMPARED, CONNECTIONS, WORKLOADS


@dataclass(frozen=True)
class Target:
    workload: str
    what: str
    found: Callable[[Series], float]
    least: float | None = None
    most: float | None = None

    @property
    def wanted(self) -> str:
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"

    def judge(self, results: Results) -> tuple[float, bool] | None:
        """Return what was found and whether it will do; None where it was not measured."""
        try:
            found = self.found(results[self.workload])
        except KeyError:
            return None
        if self.least is not None:
            return found, found >= self.least
        return found, self.most is None or found <= self.most


def beside(workload: str, other: str, least: float) -> Target:
    def found(series: Series) -> float:
        return paired_ratio(series["ours"]["rate"], series[other]["rate"])

    return Target(workload, f"ours / {other}", found, least=least)


def tail(series: Series) -> float:
    return paired_ratio(series["ours"]["p99"], series["ours"]["p50"])


def longest_hold(series: Series) -> float:
    return 1000 * max(series["ours"]["hold"])


TARGETS = (
    beside("GET", "bare", 1.8),
    beside("GET", "fixed bytes", 0.75),
    beside("PUT 3", "bare", 0.8),
    beside("PUT 3 sealed", "bare", 0.6),
    beside("PUT 100", "FastAPI", 1.2),
    beside("sealed key", "bare", 0.8),
    beside("resolve, 1 at once", "bare", 1.0),
    beside("resolve, 64 at once", "bare", 1.8),
    beside("rotation", "bare", 0.5),
    *(
        Target(one.name, "p99 / p50", tail, most=3)
        for one in COMPARED
        if one.connections == CONNECTIONS
    ),
    *(Target(one.name, "longest hold of the loop, ms", longest_hold, most=10) for one in WORKLOADS),
)

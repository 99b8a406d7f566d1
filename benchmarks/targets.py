"""What must hold on every kind of store, and whether it does in these results."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.rounds import Results, Series, paired_ratio
from benchmarks.workloads import GET, PUT_3, PUT_3_SEALED, WORKLOADS


@dataclass(frozen=True)
class Target:
    workload: str
    what: str
    limit: float
    found: Callable[[Series], float]
    at_least: bool = False

    def judge(self, results: Results) -> tuple[float, bool] | None:
        """Return what was found and whether it will do; None where it was not measured."""
        try:
            found = self.found(results[self.workload])
        except KeyError:
            return None
        return found, found >= self.limit if self.at_least else found <= self.limit


def beside(workload: str, other: str, limit: float) -> Target:
    def found(series: Series) -> float:
        return paired_ratio(series["ours"]["rate"], series[other]["rate"])

    return Target(workload, f"ours / {other}", limit, found, at_least=True)


def tail(series: Series) -> float:
    return paired_ratio(series["ours"]["p99"], series["ours"]["p50"])


def longest_hold(series: Series) -> float:
    return 1000 * max(series["ours"]["hold"])


TARGETS = (
    beside("GET", "bare", 1.8),
    beside("GET", "fixed bytes", 0.75),
    beside("PUT-3", "bare", 0.8),
    beside("PUT-3-sealed", "bare", 0.6),
    beside("PUT-100", "FastAPI", 1.2),
    beside("sealed-key", "bare", 0.8),
    beside("resolve, 1 at once", "bare", 1.0),
    beside("resolve, 64 at once", "bare", 1.8),
    beside("rotation", "bare", 0.5),
    *(Target(one.name, "p99 / p50", 3, tail) for one in (GET, PUT_3, PUT_3_SEALED)),
    *(Target(one.name, "longest hold of the loop, ms", 10, longest_hold) for one in WORKLOADS),
)

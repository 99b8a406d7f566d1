"""What must hold on every kind of store, and whether it does in these results."""

from typing import NamedTuple

from benchmarks.rounds import Results, paired_ratio
from benchmarks.workloads import GET, PUT_3, PUT_3_SEALED, WORKLOADS

TAIL, HOLD = "p99 / p50", "longest hold of the loop, ms"


class Target(NamedTuple):
    workload: str
    what: str  # TAIL or HOLD, which have an upper limit; or beside whom the rate has a lower one
    limit: float

    @property
    def wanted(self) -> str:
        return f"{'≤' if self.what in (TAIL, HOLD) else '≥'} {self.limit:g}"

    def judge(self, results: Results) -> tuple[float, bool] | None:
        """Return what was found and whether it will do; None where it was not measured."""
        try:
            series = results[self.workload]
            if self.what == TAIL:
                found = paired_ratio(series["p99"]["ours"], series["p50"]["ours"])
            elif self.what == HOLD:
                found = 1000 * max(series["hold"]["ours"])
            else:
                found = paired_ratio(series["rate"]["ours"], series["rate"][self.what])
                return found, found >= self.limit
        except KeyError:
            return None
        return found, found <= self.limit


TARGETS = (
    Target("GET", "bare", 1.8),
    Target("GET", "fixed bytes", 0.75),
    Target("PUT-3", "bare", 0.8),
    Target("PUT-3-sealed", "bare", 0.6),
    Target("PUT-100", "FastAPI", 1.2),
    Target("sealed-key", "bare", 0.8),
    Target("resolve, 1 at once", "bare", 1.0),
    Target("resolve, 64 at once", "bare", 1.8),
    Target("rotation", "bare", 0.5),
    *(Target(workload.name, TAIL, 3) for workload in (GET, PUT_3, PUT_3_SEALED)),
    *(Target(workload.name, HOLD, 10) for workload in WORKLOADS),
)

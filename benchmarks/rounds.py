"""Rounds in which the contenders take turns, and what is computed from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

# What one turn measures: "rate" (per second); "p50", "p99", "processor" (seconds).
Figures = dict[str, float]
Series = dict[str, dict[str, list[float]]]  # by measure and contender: the value of each round
Results = dict[str, Series]  # by workload


@dataclass(frozen=True)
class Scale:
    rounds: int
    seconds: int  # of one turn
    owners: int  # with three entries each
    large_owners: int  # with a hundred
    calls: int  # in one turn, of what is called and not requested
    watched: int  # requests of each kind during which the event loop is watched
    many_owners: int
    keyed_owners: int  # among whom those are looked for whose keys one key wraps
    tokens: int  # remembered while their memory is counted


FULL = Scale(5, 2, 1000, 20, 1000, 50, 1_000_000, 300_000, 5000)
QUICK = Scale(1, 1, 200, 4, 400, 10, 5000, 5000, 300)


def in_turn(rounds: int, contenders: Mapping[str, Callable[[], Figures]]) -> Series:
    """Let each contender run once in every round: A B C, A B C, …"""
    series: Series = {}
    for _ in range(rounds):
        for name, run in contenders.items():
            for measure, value in run().items():
                series.setdefault(measure, {}).setdefault(name, []).append(value)
    return series


def paired_ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios of each round: what disturbs a round disturbs both."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))

"""Rounds in which the contenders take turns, and what is computed from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

Figures: TypeAlias = "dict[str, float]"
"""What one turn measures: ``rate`` (per second); ``p50``, ``p99``, … (seconds)."""
Series: TypeAlias = "dict[str, dict[str, list[float]]]"
"""By contender and measure: the value of each round."""
Results: TypeAlias = "dict[str, Series]"
"""By workload."""


@dataclass(frozen=True)
class Scale:
    """How much of everything a run does."""

    rounds: int
    seconds: int
    """Of one turn."""
    owners: int
    """Owners with three entries each."""
    large_owners: int
    """Owners with a hundred entries each."""
    calls: int
    """Of ``resolve``, in one turn."""
    watched: int
    """Requests of each kind during which the event loop is watched."""
    many_owners: int
    tokens: int
    """Tokens that are remembered while their memory is counted."""


FULL = Scale(5, 2, 1000, 20, 1000, 50, 1_000_000, 5000)
QUICK = Scale(1, 1, 200, 4, 400, 10, 5000, 300)


def in_turn(rounds: int, contenders: Mapping[str, Callable[[], Figures]]) -> Series:
    """Let each contender run once in every round: A B C, A B C, …"""
    series: Series = {name: {} for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            for measure, value in run().items():
                series[name].setdefault(measure, []).append(value)
    return series


def merge(results: Results, more: Mapping[str, Series]) -> None:
    for workload, series in more.items():
        for contender, measures in series.items():
            results.setdefault(workload, {}).setdefault(contender, {}).update(measures)


def paired_ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios of each round: what disturbs a round disturbs both."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def spread(values: list[float]) -> float:
    """Return half of the distance between the best and the worst round, over their median."""
    return (max(values) - min(values)) / median(values) / 2


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun

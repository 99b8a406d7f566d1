"""Medians, spreads and ratios of rounds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

__all__ = ["median", "paired_ratio", "spread"]


def spread(values: Sequence[float]) -> float:
    """Return how far the rounds lie apart, from the least to the greatest, over their median."""
    return (max(values) - min(values)) / median(values)


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of each round: what disturbs a round disturbs both."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))

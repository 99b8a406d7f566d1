"""Whether work grows with its input and no faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

FACTOR = 8
"""How much larger the larger input is: linear work takes 8 times as long, quadratic work 64."""


def assert_linear(work: Callable[[Any], object], make: Callable[[int], Any], size: int) -> None:
    """Compare ``work(make(size))`` with ``work(make(FACTOR * size))``, each at its best of five."""

    def best(given: Any) -> int:
        times = []
        for _ in range(5):
            started = time.thread_time_ns()
            work(given)
            times.append(time.thread_time_ns() - started)
        return min(times)

    ratio = best(make(FACTOR * size)) / best(make(size))
    assert ratio < 3 * FACTOR, f"{FACTOR} times the input takes {ratio:.0f} times as long"

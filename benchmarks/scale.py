"""How much of everything a run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """``seconds`` are those of one wrk run; a round has one for each contender, in turn."""

    name: str
    rounds: int
    seconds: int
    owners: int
    """Owners with three entries each."""
    large_owners: int
    """Owners with a hundred entries each."""
    resolves: int
    cold_tokens: int
    """Tokens never seen before, one after the other; and then at once."""
    crowd: int
    watched: int
    """Requests of each kind during which the event loop is watched."""
    many_owners: int
    remembered_tokens: int
    rotated_owners: int
    token_checks: int


FULL = Scale(
    name="full", rounds=5, seconds=2, owners=1000, large_owners=20, resolves=1000,
    cold_tokens=200, crowd=1000, watched=50, many_owners=1_000_000, remembered_tokens=100_000,
    rotated_owners=3000, token_checks=20,
)  # fmt: skip
QUICK = Scale(
    name="quick", rounds=1, seconds=1, owners=200, large_owners=4, resolves=100,
    cold_tokens=30, crowd=200, watched=10, many_owners=5000, remembered_tokens=5000,
    rotated_owners=200, token_checks=5,
)  # fmt: skip

"""What a command did, and what a failure of one looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run: TypeAlias = Callable[..., Done]


def assert_one_line(done: Done, *words: str) -> None:
    """It failed with one line that holds these words, and printed nothing else."""
    assert done.code in (1, 2) and done.out == ""
    assert done.err.count("\n") == 1 and done.err.endswith("\n"), done.err
    for word in words:
        assert word in done.err

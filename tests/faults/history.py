"""Tells whether what clients saw of one owner's configuration was a linearizable register.

The register has compare-and-set: ``If-Match``. The search is that of Wing and Gong ("Testing and
Verifying Concurrent Objects", 1993) with the memory of Lowe ("Testing for Linearizability",
2017). An operation without a definite answer may have happened at any time after it was asked
for, or never.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

Status: TypeAlias = int
State: TypeAlias = "str | None"

MAX_STEPS = 2_000_000
"""How much is searched before a history is called undecided."""


class Kind(Enum):
    CREATE = "create"
    PUT = "put"
    DELETE = "delete"
    GET = "get"


@dataclass(frozen=True)
class Operation:
    """One request and its answer, on one owner's configuration.

    ``value`` is what was written, unlike any other write's; for a GET what was read.
    ``revision`` is the answer's ``ETag``; ``if_match`` is what was sent. ``status`` None stands for
    no definite answer. Times are in seconds on one clock.
    """

    owner: str
    kind: Kind
    invoked: float
    returned: float
    status: Status | None
    value: str | None = None
    revision: str | None = None
    if_match: str | None = None


@dataclass(frozen=True)
class Violation:
    """Why an owner's history is impossible; ``around`` holds the operations that fit nowhere."""

    owner: str
    why: Literal["not linearizable", "a revision of two values", "a value of two revisions"]
    around: Sequence[Operation] = ()


class Undecided(Exception):
    """The search was given up."""


def check(history: Iterable[Operation]) -> list[Violation]:
    """Return what is wrong with each owner's operations. Raises :class:`Undecided`."""
    owners: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        owners[operation.owner].append(operation)
    found = (_check_owner(owner, operations) for owner, operations in owners.items())
    return [violation for violation in found if violation is not None]


def _check_owner(owner: str, operations: Sequence[Operation]) -> Violation | None:
    values: dict[str, str] = {}
    revisions: dict[str, str] = {}
    for operation in operations:
        if operation.revision is None or operation.value is None:
            continue
        if values.setdefault(operation.revision, operation.value) != operation.value:
            return Violation(owner, "a revision of two values", [operation])
        if revisions.setdefault(operation.value, operation.revision) != operation.revision:
            return Violation(owner, "a value of two revisions", [operation])
    # A read without an answer tells nothing.
    told = [o for o in operations if o.kind is not Kind.GET or o.status is not None]
    stuck = _search(sorted(told, key=lambda o: o.invoked), values)
    return None if stuck is None else Violation(owner, "not linearizable", stuck)


def _search(operations: Sequence[Operation], values: Mapping[str, str]) -> list[Operation] | None:
    """Return None when an order exists, else what could not follow the longest order found."""
    ends = [math.inf if o.status is None else o.returned for o in operations]
    definite = sum(1 << n for n, o in enumerate(operations) if o.status is not None)
    start: tuple[int, State] = (0, None)
    seen = {start}
    stack = [start]
    best, around = -1, list(operations[:1])
    while stack:
        done, state = stack.pop()
        if done & definite == definite:
            return None
        if len(seen) > MAX_STEPS:
            raise Undecided(f"{len(operations)} operations of {operations[0].owner}")
        open_ = _minimal(operations, ends, done)
        if done.bit_count() > best:
            best, around = done.bit_count(), [operations[n] for n in open_]
        # What ended first is tried first: it is on top of the stack.
        for number in sorted(open_, key=lambda n: -ends[n]):
            for after in _effects(operations[number], state, values):
                step = (done | 1 << number, after)
                if step not in seen:
                    seen.add(step)
                    stack.append(step)
    return around


def _minimal(operations: Sequence[Operation], ends: Sequence[float], done: int) -> list[int]:
    """Return the operations that may come next: none that is left ended before they began."""
    first_end = math.inf
    found = []
    number = (~done & (done + 1)).bit_length() - 1
    while number < len(operations) and operations[number].invoked <= first_end:
        if not done >> number & 1:
            found.append(number)
            first_end = min(first_end, ends[number])
        number += 1
    return [n for n in found if operations[n].invoked <= first_end]


def _effects(operation: Operation, state: State, values: Mapping[str, str]) -> Iterable[State]:
    """Return the state after the operation; nothing where it could not have answered so."""
    if operation.status is None:
        # Never to have happened needs no place in the order.
        return _when_done(operation, state, values)
    match operation.kind, operation.status:
        case Kind.GET, 200:
            return [state] if state is not None and state == operation.value else []
        case Kind.CREATE, 409:
            return [state] if state is not None else []
        case (_, 404):
            return [state] if state is None else []
        case (_, 412):
            return [state] if state is not None and not _fits(operation, state, values) else []
        case (Kind.CREATE, 201) | (Kind.PUT, 200) | (Kind.DELETE, 204):
            return _when_done(operation, state, values)
    return []


def _when_done(operation: Operation, state: State, values: Mapping[str, str]) -> Iterable[State]:
    if operation.kind is Kind.CREATE:
        return [operation.value] if state is None else []
    if state is None or not _fits(operation, state, values):
        return []
    return [None if operation.kind is Kind.DELETE else operation.value]


def _fits(operation: Operation, state: str, values: Mapping[str, str]) -> bool:
    return operation.if_match is None or values.get(operation.if_match) == state

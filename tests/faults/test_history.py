"""The history checker lets through what a register can do, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.faults.history import Kind, Operation, check


def op(kind: str, invoked: float, returned: float, status: int | None, **given: Any) -> Operation:
    return Operation("alice", Kind(kind), invoked, returned, status, **given)


def create(begin: float, end: float, value: str, status: int | None = 201) -> Operation:
    return op("create", begin, end, status, value=value, revision=_revision(value, status))


def put(
    begin: float, end: float, value: str, status: int | None = 200, if_match: str | None = None
) -> Operation:
    revision = _revision(value, status)
    return op("put", begin, end, status, value=value, revision=revision, if_match=if_match)


def delete(
    begin: float, end: float, status: int | None = 204, if_match: str | None = None
) -> Operation:
    return op("delete", begin, end, status, if_match=if_match)


def get(begin: float, end: float, value: str | None) -> Operation:
    if value is None:
        return op("get", begin, end, 404)
    return op("get", begin, end, 200, value=value, revision=_revision(value, 200))


def _revision(value: str, status: int | None) -> str | None:
    return f"r-{value}" if status in (200, 201) else None


POSSIBLE = {
    "nothing was ever there": [get(0, 1, None), put(2, 3, "a", 404), delete(4, 5, 404)],
    "one after the other": [create(0, 1, "a"), get(2, 3, "a"), put(4, 5, "b"), get(6, 7, "b")],
    "at the same time, in either order": [
        create(0, 1, "a"), put(2, 5, "b"), put(2, 5, "c"), get(6, 7, "b")
    ],
    "a read beside a write may see what was there": [
        create(0, 1, "a"), put(2, 9, "b"), get(3, 4, "a"), get(5, 6, "b")
    ],
    "a compare-and-set that fits": [create(0, 1, "a"), put(2, 3, "b", if_match="r-a")],
    "of two that compare with the same, one wins": [
        create(0, 1, "a"), put(2, 5, "b", if_match="r-a"), put(2, 5, "c", 412, "r-a"),
    ],
    "a delete that compares": [
        create(0, 1, "a"), delete(2, 3, 412, "r-x"), delete(4, 5, 204, "r-a"), get(6, 7, None)
    ],
    "no answer, and it happened": [create(0, 1, "a"), put(2, 3, "b", None), get(4, 5, "b")],
    "no answer, and it did not": [create(0, 1, "a"), put(2, 3, "b", None), get(4, 5, "a")],
    "no answer, and it happened late": [
        create(0, 1, "a"), put(2, 3, "b", None), get(4, 5, "a"), get(6, 7, "b")
    ],
    "no answer to a delete, then created anew": [
        create(0, 1, "a"), delete(2, 3, None), create(4, 5, "b"), get(6, 7, "b")
    ],
    "compared with a value whose write had no answer": [
        create(0, 1, "a"), put(2, 3, "b", None), get(4, 5, "b"), put(6, 7, "c", if_match="r-b")
    ],
    "a second create is refused": [create(0, 1, "a"), create(2, 3, "b", 409), get(4, 5, "a")],
}  # fmt: skip

IMPOSSIBLE = {
    "an acknowledged create is lost": [create(0, 1, "a"), get(2, 3, None)],
    "an acknowledged write is lost": [create(0, 1, "a"), put(2, 3, "b"), get(4, 5, "a")],
    "a write is seen and then is not": [
        create(0, 1, "a"), put(2, 9, "b"), get(3, 4, "b"), get(5, 6, "a")
    ],
    "a value that nobody wrote": [create(0, 1, "a"), get(2, 3, "z")],
    "read before it was written": [create(0, 1, "a"), get(2, 3, "b"), put(4, 5, "b")],
    "a deleted one comes back": [create(0, 1, "a"), delete(2, 3), get(4, 5, "a")],
    "two creates both succeed": [create(0, 3, "a"), create(0, 3, "b")],
    "two compare with the same and both win": [
        create(0, 1, "a"), put(2, 5, "b", if_match="r-a"), put(2, 5, "c", if_match="r-a")
    ],
    "a compare-and-set over another's write": [
        create(0, 1, "a"), put(2, 3, "b"), put(4, 5, "c", if_match="r-a")
    ],
    "refused though it fits": [create(0, 1, "a"), put(2, 3, "b", 412, "r-a")],
    "not found though it is there": [create(0, 1, "a"), put(2, 3, "b", 404)],
    "refused as existing though it is not there": [create(0, 1, "a", 409)],
    "no answer, and it happened twice": [
        create(0, 1, "a"), put(2, 3, "b", None), get(4, 5, "b"), put(6, 7, "c"), get(8, 9, "b")
    ],
    "no answer, and it happened before it was asked for": [
        create(0, 1, "a"), get(2, 3, "b"), put(4, 5, "b", None)
    ],
    "an answer that the contract does not know": [create(0, 1, "a", 500)],
}  # fmt: skip


@pytest.mark.parametrize("history", POSSIBLE.values(), ids=POSSIBLE.keys())
def test_what_a_register_can_do_is_let_through(history: list[Operation]) -> None:
    assert check(history) == []


@pytest.mark.parametrize("history", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_no_register_can_do_is_found(history: list[Operation]) -> None:
    [violation] = check(history)
    assert violation.why == "not linearizable"
    assert violation.around


def test_a_revision_stands_for_one_value() -> None:
    mixed = op("get", 2, 3, 200, value="b", revision="r-a")
    [violation] = check([create(0, 1, "a"), mixed])
    assert violation.why == "a revision of two values"
    moved = op("get", 2, 3, 200, value="a", revision="r-b")
    [violation] = check([create(0, 1, "a"), moved])
    assert violation.why == "a value of two revisions"


def test_owners_are_judged_apart() -> None:
    other = Operation("bob", Kind.GET, 2, 3, 404)
    assert check([create(0, 1, "a"), other]) == []


def simulated(seed: int, clients: int = 8, rounds: int = 60) -> list[Operation]:
    """What clients would see of a true register, some of their answers lost."""
    chance = random.Random(seed)
    times = []
    for _ in range(clients):
        now = 0.0
        for _ in range(rounds):
            invoked, point = now + chance.random(), now + 1 + chance.random()
            now = point + chance.random()
            times.append((point, invoked, now))
    state: str | None = None
    history = []
    for number, (_, invoked, returned) in enumerate(sorted(times)):
        kind = chance.choice(["create", "put", "put", "put", "delete", "get", "get"])
        value: str | None = f"v{number}"
        status: int | None
        if kind == "get":
            value, status = state, 404 if state is None else 200
        elif kind == "create":
            status = 201 if state is None else 409
            state = value if state is None else state
        else:
            status = 404 if state is None else 200 if kind == "put" else 204
            state = state and (value if kind == "put" else None)
        if chance.random() < 0.03 and kind != "get":
            status = None
        revision = f"r-{value}" if status in (200, 201) else None
        history.append(op(kind, invoked, returned, status, value=value, revision=revision))
    return history


@pytest.mark.parametrize("seed", range(5))
def test_a_long_history_of_a_true_register_is_let_through(seed: int) -> None:
    assert check(simulated(seed)) == []


@pytest.mark.parametrize("seed", range(3))
def test_one_stale_read_in_a_long_history_is_found(seed: int) -> None:
    history = simulated(seed, clients=4, rounds=40)
    end = max(o.returned for o in history)
    history += [create(end + 1, end + 2, "x", None), put(end + 3, end + 4, "y")]
    history += [put(end + 5, end + 6, "z")]
    assert check([*history, get(end + 7, end + 8, "z")]) == []
    assert check([*history, get(end + 7, end + 8, "y")])

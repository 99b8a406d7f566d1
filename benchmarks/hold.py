"""The longest time for which a request of each kind holds the event loop.

A process of its own asks its loop for a callback every millisecond and notes how late one comes,
so time that a worker thread keeps the interpreter counts as well.
"""

from __future__ import annotations

import json
import time

from benchmarks.client import Client, client
from benchmarks.dataset import people, refill
from benchmarks.figures import median
from benchmarks.scale import Scale
from benchmarks.stage import Stage
from benchmarks.works import WORKS, Work

WARM_UP = 3
IDLE = "nothing"
IDLE_SECONDS = 0.02


def measure_holds(stage: Stage, scale: Scale) -> dict[str, dict[str, float]]:
    """Return for each work, and for an idle process, the longest and the median hold in seconds."""
    holds: dict[str, list[float]] = {IDLE: []}
    with stage.plugin("watched", watch=True) as contender:
        sizes = {work.size for work in WORKS}
        persons = {size: people(1, size)[0] for size in sizes}
        refill(contender.collection, [contender.document(one) for one in persons.values()])
        with client(contender.process) as one:
            for _ in range(scale.watched):
                longest(one)
                time.sleep(IDLE_SECONDS)
                holds[IDLE].append(longest(one))
            for work in WORKS:
                person = persons[work.size]
                body = json.dumps(stage.dataset.body(person, sealed=work.sealed))
                holds[work.name] = watch(one, work, person.token, body, scale.watched)
    return {name: {"longest": max(one), "median": median(one)} for name, one in holds.items()}


def watch(one: Client, work: Work, token: str, body: str, times: int) -> list[float]:
    holds = []
    etag = one.send("GET", work.path, token).etag if work.conditional else ""
    for number in range(WARM_UP + times):
        longest(one)
        answer = one.send(
            work.method, work.path, token, etag=etag, body=body if work.method == "PUT" else ""
        )
        held = longest(one)
        if answer.status not in (200, 304):
            raise RuntimeError(f"{work.name} is answered {answer.status}")
        if number >= WARM_UP:
            holds.append(held)
    return holds


def longest(one: Client) -> float:
    """Return the longest hold since the last call."""
    seconds: float = one.send("GET", "/loop-watch", "").json()["seconds"]
    return seconds

"""How it grows: with owners, with entries, with processes; and with another driver."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.documents import owner_id
from benchmarks.client import READ, client
from benchmarks.dataset import Person, people, refill
from benchmarks.load import Request, load, write_requests
from benchmarks.scale import Scale
from benchmarks.stage import Contender, Stage
from benchmarks.works import CONNECTIONS, GET, PUT_3, Course

SIZES = (1, 3, 10, 30, 100)
BATCH = 5000
Rounds = dict[str, dict[str, list[float]]]


def measure_owners(stage: Stage, scale: Scale) -> Rounds:
    """Return figures of GET with few and with many owners stored, the rounds interleaved."""
    with ExitStack() as stack:
        asked = []
        for count in (scale.owners, scale.many_owners):
            # An empty store when it starts: the keyring does not open the borrowed ciphertexts.
            contender = stack.enter_context(stage.plugin(f"{count} owners"))
            fill(contender, count)
            chosen = random.Random(count).sample(range(count), scale.owners)
            every = people(count)
            asked.append((contender, [every[number] for number in chosen]))
        return interleave(stage, scale, asked)


def fill(contender: Contender, count: int) -> None:
    """Store so many owners, all with the ciphertexts of the first: nothing here opens them."""
    every = people(count)
    model = contender.document(every[0])
    for start in range(0, count, BATCH):
        batch = [borrowed(model, person) for person in every[start : start + BATCH]]
        contender.collection.insert_many(batch, ordered=False, bypass_document_validation=True)


def borrowed(model: dict[str, Any], person: Person) -> dict[str, Any]:
    return {**model, "_id": owner_id(person.owner), "subject": person.subject}


def measure_entries(stage: Stage, scale: Scale) -> Rounds:
    """Return figures of GET by number of entries, with the bytes of an answer."""
    with stage.plugin("entries") as contender:
        owners = {size: people(scale.large_owners, size) for size in SIZES}
        every = [person for some in owners.values() for person in some]
        refill(contender.collection, [contender.document(person) for person in every])
        found: Rounds = {}
        for _ in range(scale.rounds):
            for size, some in owners.items():
                figures = interleave(stage, scale, [(contender, some)], rounds=1)
                mine = found.setdefault(str(size), {"rate": [], "bytes": []})
                mine["rate"] += figures[contender.name]["rate"]
                with client(contender.process) as one:
                    mine["bytes"].append(len(one.send("GET", READ, some[0].token).body))
        return found


def measure_processes(stage: Stage, scale: Scale) -> Rounds:
    """Return figures of GET with one process and with two on one port, interleaved."""
    owners = people(scale.owners)
    with ExitStack() as stack:
        one = stack.enter_context(stage.plugin("one process"))
        port = free_port()
        two = stack.enter_context(stage.plugin("two processes", port=port))
        stack.enter_context(stage.plugin("two processes", port=port))
        for contender in (one, two):
            refill(contender.collection, [contender.document(person) for person in owners])
        return interleave(stage, scale, [(one, owners), (two, owners)])


def measure_drivers(stage: Stage, scale: Scale) -> dict[str, Rounds]:
    """Return figures of GET and of PUT with Motor and with PyMongo's own asynchronous API."""
    with ExitStack() as stack:
        contenders = [
            stack.enter_context(stage.plugin(f"driver {name}", driver=name))
            for name in ("motor", "pymongo")
        ]
        course = Course(stage, scale, contenders)
        return {work.name: course.run(work) for work in (GET, PUT_3)}


def interleave(
    stage: Stage,
    scale: Scale,
    asked: Sequence[tuple[Contender, Sequence[Person]]],
    rounds: int | None = None,
) -> Rounds:
    """Let each contender serve GET to its people, in turn, after each was asked for once."""
    files = {}
    for contender, persons in asked:
        requests = [Request(person.token) for person in persons]
        name = f"{contender.name}.requests".replace(" ", "-")
        files[contender.name] = write_requests(stage.directory / name, requests)
        with client(contender.process) as one:
            statuses = {one.send("GET", READ, person.token).status for person in persons}
        if statuses != {200}:
            raise RuntimeError(f"{contender.name}: GET answers {statuses}")
    found: Rounds = {contender.name: {"rate": [], "p50": []} for contender, _ in asked}
    for _ in range(scale.rounds if rounds is None else rounds):
        for contender, _ in asked:
            figures = load(
                contender.process, "GET", READ, files[contender.name],
                seconds=scale.seconds, connections=CONNECTIONS,
            )  # fmt: skip
            found[contender.name]["rate"].append(figures.rate)
            found[contender.name]["p50"].append(figures.p50)
    return found

"""How it grows: with owners, with entries, with processes; and with another driver."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.store import owner_id
from benchmarks.client import READ, client
from benchmarks.dataset import Person, people, refill
from benchmarks.load import Request, load, write_requests
from benchmarks.scale import Scale
from benchmarks.stage import Contender, Stage
from benchmarks.works import CONNECTIONS, GET, PUT_3, Course

SIZES = (1, 3, 10, 30, 100)
BATCH = 5000
WARM_UP = 1
"""Seconds: several times what it takes until every token is remembered, by two processes also."""

Rounds = dict[str, dict[str, list[float]]]
Turns = dict[str, tuple[Contender, Sequence[Person]]]


def measure_owners(stage: Stage, scale: Scale) -> Rounds:
    """Return figures of GET with few and with many owners stored, the rounds interleaved."""
    with ExitStack() as stack:
        turns: Turns = {}
        for count in (scale.owners, scale.many_owners):
            # An empty store when it starts: the keyring does not open the borrowed ciphertexts.
            contender = stack.enter_context(stage.plugin(f"{count} owners"))
            every = people(count)
            fill(contender, every)
            chosen = random.Random(count).sample(every, scale.owners)
            turns[f"{count:,} owners"] = contender, chosen
        return interleave(stage, scale, turns)


def fill(contender: Contender, owners: Sequence[Person]) -> None:
    """Store these owners, all with the ciphertexts of the first: nothing here opens them."""
    model = contender.document(owners[0])
    for start in range(0, len(owners), BATCH):
        batch = [borrowed(model, person) for person in owners[start : start + BATCH]]
        contender.collection.insert_many(batch, ordered=False, bypass_document_validation=True)


def borrowed(model: dict[str, Any], person: Person) -> dict[str, Any]:
    return {**model, "_id": owner_id(person.owner), "subject": person.subject}


def measure_entries(stage: Stage, scale: Scale) -> Rounds:
    """Return figures of GET by number of entries, with the bytes of an answer."""
    with stage.plugin("entries") as contender:
        owners = {str(size): people(scale.large_owners, size) for size in SIZES}
        every = [person for some in owners.values() for person in some]
        refill(contender.collection, [contender.document(person) for person in every])
        turns = {size: (contender, some) for size, some in owners.items()}
        found = interleave(stage, scale, turns)
        with client(contender.process) as one:
            for size, some in owners.items():
                length = len(one.send("GET", READ, some[0].token).body)
                found[size]["bytes"] = [float(length)]
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
        turns = {contender.name: (contender, owners) for contender in (one, two)}
        return interleave(stage, scale, turns)


def measure_drivers(stage: Stage, scale: Scale) -> dict[str, Rounds]:
    """Return figures of GET and of PUT with Motor and with PyMongo's own asynchronous API."""
    with ExitStack() as stack:
        contenders = [
            stack.enter_context(stage.plugin(f"driver {name}", driver=name))
            for name in ("motor", "pymongo")
        ]
        course = Course(stage, scale, contenders)
        return {work.name: course.run(work) for work in (GET, PUT_3)}


def interleave(stage: Stage, scale: Scale, turns: Turns) -> Rounds:
    """Let each serve GET to its people, in turn; once before that, so that all is warm."""
    files = {}
    for name, (_, persons) in turns.items():
        requests = [Request(person.token) for person in persons]
        files[name] = write_requests(stage.directory / f"{len(files)}.requests", requests)
    found: Rounds = {name: {"rate": [], "p50": []} for name in turns}
    for number in range(1 + scale.rounds):
        for name, (contender, _) in turns.items():
            figures = load(
                contender.process,
                "GET",
                READ,
                files[name],
                seconds=scale.seconds if number else WARM_UP,
                connections=CONNECTIONS,
            )
            if number:
                found[name]["rate"].append(figures.rate)
                found[name]["p50"].append(figures.p50)
    return found

"""How it grows: with the owners in the store, the entries of a configuration, the processes."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from aiconfig_plugin.demo.mongod import free_port
from benchmarks.client import READ, client
from benchmarks.dataset import SIZES, SMALL, Person
from benchmarks.environment import Contender, Environment
from benchmarks.load import Request, load, write_requests
from benchmarks.rounds import Figures, Results, in_turn
from benchmarks.servers import pinned
from benchmarks.workloads import CONNECTIONS

BATCH = 5000
WARM_UP = 1
"""Seconds: several times what it takes until every token is remembered, by two processes also."""


def serve(
    env: Environment, contender: Contender, people: Sequence[Person], seconds: int | None = None
) -> Figures:
    """Let the contender answer GET to these people."""
    requests = write_requests(
        env.directory / "growth.requests", [Request(person.token) for person in people]
    )
    seconds = seconds or env.scale.seconds
    return load(contender.server, "GET", READ, requests, seconds=seconds, connections=CONNECTIONS)


def measure_owners(env: Environment) -> Results:
    """Return GET with few and with many owners in the store."""
    people = env.dataset.of_size(SMALL)
    with ExitStack() as stack:
        turns: dict[str, Callable[[], Figures]] = {}
        for count in (len(people), env.scale.many_owners):
            contender = stack.enter_context(env.ours(f"{count} owners"))
            crowd(contender, count - len(people))
            serve(env, contender, people, WARM_UP)
            turns[f"GET, {count:,} owners"] = partial(serve, env, contender, people)
        return by_workload(env, turns)


def crowd(contender: Contender, count: int) -> None:
    """Store so many other owners, all with the ciphertexts of one: nothing here opens them."""
    model = next(one for one in contender.documents if len(one["models"]) == SMALL)
    length = len(model["_id"])
    for start in range(0, count, BATCH):
        others = [secrets.token_urlsafe(length)[:length] for _ in range(min(BATCH, count - start))]
        contender.collection.insert_many(
            [{**model, "_id": other, "subject": other} for other in others],
            ordered=False,
            bypass_document_validation=True,
        )


def measure_entries(env: Environment) -> Results:
    """Return GET by number of entries."""
    with env.ours("entries") as contender, client(contender.server) as one:
        turns: dict[str, Callable[[], Figures]] = {}
        for size in SIZES:
            people = random.sample(env.dataset.of_size(size), env.scale.large_owners)
            for person in people:
                length = len(one.send("GET", READ, person.token).body)
            name = f"GET, {size} entries, {length:,} bytes"
            turns[name] = partial(serve, env, contender, people)
        return by_workload(env, turns)


def measure_processes(env: Environment) -> Results:
    """Return GET with one process, and with two on one port; each has a core of its own.

    The load gets the cores that are left, or all where there are no others.
    """
    people = env.dataset.of_size(SMALL)
    cores = sorted(os.sched_getaffinity(0))
    turns: dict[str, Callable[[], Figures]] = {}
    with ExitStack() as stack:
        for count in (1, 2):
            port, own = free_port(), cores[:count]
            for core in own:
                with pinned({core}):
                    name = f"processes{count}"
                    contender = stack.enter_context(env.ours(name, port=port))
            left = set(cores[count:]) or set(cores)

            def turn(
                seconds: int | None = None, *, left: set[int] = left, one: Contender = contender
            ) -> Figures:
                with pinned(left):
                    return serve(env, one, people, seconds)

            turn(WARM_UP)
            turns[f"GET, {count} on one port, {len(cores)} cores"] = turn
        return by_workload(env, turns)


def by_workload(env: Environment, turns: dict[str, Callable[[], Figures]]) -> Results:
    series = in_turn(env.scale.rounds, turns)
    return {name: {"ours": measures} for name, measures in series.items()}

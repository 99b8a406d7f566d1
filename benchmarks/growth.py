"""GET as it grows: with the owners in the store, the entries of a configuration, the processes."""

import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from aiconfig_plugin.demo.mongod import free_port
from benchmarks.dataset import SIZES, SMALL
from benchmarks.environment import Contender, Environment
from benchmarks.rounds import Figures, Results, in_turn
from benchmarks.servers import pinned
from benchmarks.workloads import GET, turns

BATCH = 5000


def measure_growth(env: Environment) -> Results:
    """Return GET with few and many owners, by number of entries, and with one and two processes.

    Each process has a core of its own; the load then gets the cores that are left, if there are.
    """
    taken: dict[str, Callable[[], Figures]] = {}
    cores = sorted(os.sched_getaffinity(0))

    def add(name: str, contender: Contender, size: int = SMALL, used: int = 0) -> None:
        [turn] = turns(env, replace(GET, name=f"GET, {name}", size=size), [contender]).values()
        taken[f"GET, {name}"] = lambda: pinned(cores[used:] or cores)(turn)()

    with ExitStack() as stack:
        for count in (env.scale.owners, env.scale.many_owners):
            contender = stack.enter_context(env.ours(f"{count} owners"))
            add(f"{count:,} owners", contender)
            for start in range(env.scale.owners, count, BATCH):
                add_owners(env, contender, min(BATCH, count - start))
        contender = stack.enter_context(env.ours("entries"))
        for size in SIZES:
            add(f"{size} entries", contender, size)
        for count in (1, 2):
            port = free_port()
            for core in cores[:count]:
                with pinned({core}):
                    contender = stack.enter_context(env.ours(f"processes{count}", port=port))
            add(f"processes on one port: {count}, of {len(cores)} cores", contender, used=count)
        in_turn(1, taken)  # Until every token is remembered, by two processes also.
        found = in_turn(env.scale.rounds, taken)
    return {name: {one: {"ours": found[one][name]} for one in found} for name in taken}


def add_owners(env: Environment, contender: Contender, count: int) -> None:
    """Store so many others, all with the ciphertexts of one: nothing here opens them."""
    model, names = env.dataset.of_size(SMALL)[0], [secrets.token_urlsafe(32) for _ in range(count)]
    others = [{**model, "_id": name, "subject": name} for name in names]
    contender.collection.insert_many(others, ordered=False)

"""What grows: GET with the owners, the entries and the processes; a retirement with the owners."""

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.keys import Vault, load_keyring
from aiconfig_plugin.store import MongoStores
from benchmarks.dataset import SIZES, SMALL
from benchmarks.environment import COLLECTION, Contender, Environment
from benchmarks.rounds import Figures, Results, in_turn
from benchmarks.servers import pinned
from benchmarks.workloads import GET, turns

BATCH = 5000
DATABASE = "retirement"


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
            add_owners(env, contender.collection, count - env.scale.owners)
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


def measure_retirement(env: Environment) -> Results:
    """Return how often a second all is asked that ``keyring retire`` and ``check`` ask of keys."""
    count, vault = env.scale.keyed_owners, Vault(load_keyring(env.keyring))
    stores = MongoStores.connect(env.uri, DATABASE, driver="pymongo")

    async def asked() -> Figures:
        begun = time.perf_counter()
        await stores.repository.kids()
        await stores.repository.count_owners()
        await stores.repository.count_owners(vault.primary)
        return {"rate": 1 / (time.perf_counter() - begun)}

    loop = asyncio.new_event_loop()
    loop.run_until_complete(stores.start())
    add_owners(env, env.mongo[DATABASE][COLLECTION], count)
    found = in_turn(env.scale.rounds, {"ours": lambda: loop.run_until_complete(asked())})
    loop.run_until_complete(stores.close())
    loop.close()
    env.mongo.drop_database(DATABASE)
    return {f"retire and check, {count:,} owners": found}


def add_owners(env: Environment, collection: Any, count: int) -> None:
    """Store so many others, all with the ciphertexts of one: nothing here opens them."""
    model = env.dataset.of_size(SMALL)[0]
    for start in range(0, count, BATCH):
        names = [secrets.token_urlsafe(32) for _ in range(start, min(start + BATCH, count))]
        others = [{**model, "_id": name, "subject": name} for name in names]
        collection.insert_many(others, ordered=False)

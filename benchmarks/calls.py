"""What is called and not requested: each in this process, beside the least that it could cost."""

import asyncio
import gc
import os
import shutil
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from pymongo import ReplaceOne
from tornado.httputil import HTTPHeaders, HTTPServerRequest

from aiconfig_plugin import AIConfigPlugin, Settings
from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import Destination, Owner
from aiconfig_plugin.keys import Vault, load_keyring
from benchmarks.contenders.serving import open_database
from benchmarks.dataset import API_KEY, SMALL, Document
from benchmarks.environment import COLLECTION, ISSUER, Environment, change_keyring
from benchmarks.rounds import Figures, Results, in_turn

Call = Callable[[Document], Awaitable[object]]

DATABASE = "calls"
PAGE = 200  # documents in one bulk write: as many as a rotation takes
PROVIDER = "OpenAI"
CURVE = ec.SECP256R1()
OTHER_INFO, HEADER = bytes(96), bytes(240)  # as long as those of a sealed key


@contextmanager
def running(env: Environment, **settings: str) -> Iterator[tuple[Any, AIConfigPlugin]]:
    """Yield a loop and a plugin that is started on it, over those documents."""
    refill(env)
    loop = asyncio.new_event_loop()
    plugin = AIConfigPlugin(Settings(**{**env.settings(DATABASE), **settings}))
    loop.run_until_complete(plugin.start())
    yield loop, plugin
    loop.run_until_complete(plugin.close())
    loop.close()


def refill(env: Environment) -> Any:
    """Return the collection, with the documents of the owners with three entries."""
    collection = env.mongo[DATABASE][COLLECTION]
    collection.delete_many({})
    collection.insert_many(env.dataset.of_size(SMALL))
    return collection


def rate(count: int, work: Callable[[], object], clock: Callable[[], float]) -> Figures:
    begun = clock()
    work()
    return {"rate": count / (clock() - begun)}


def measure_resolve(env: Environment) -> Results:
    """Return calls of ``resolve`` per second, beside ``find_one``: one by one, and many at once."""
    documents, calls = env.dataset.of_size(SMALL), env.scale.calls
    bare = open_database(env.settings(DATABASE))[COLLECTION]

    async def caller(call: Call, first: int, at_once: int) -> None:
        for number in range(first, calls, at_once):
            await call(documents[number % len(documents)])

    def turn(call: Call, at_once: int) -> Figures:
        async def callers() -> None:
            await asyncio.gather(*(caller(call, first, at_once) for first in range(at_once)))

        return rate(calls, lambda: loop.run_until_complete(callers()), time.perf_counter)

    results = {}
    with running(env) as (loop, plugin):
        contenders: dict[str, Call] = {
            "ours": lambda one: plugin.resolve(one["subject"], provider=PROVIDER),
            "bare": lambda one: bare.find_one({"_id": one["_id"]}),
        }
        for at_once in (1, 64):
            turns = {name: partial(turn, call, at_once) for name, call in contenders.items()}
            in_turn(1, turns)
            results[f"resolve, {at_once} at once"] = in_turn(env.scale.rounds, turns)
    return results


def measure_rotation(env: Environment) -> Results:
    """Return keys per second, of a rotation and of a bare ``bulk_write`` of the same documents."""
    keyring = env.directory / "rotated.json"
    shutil.copy(env.keyring, keyring)
    for command in ("add", "promote"):
        change_keyring(command, keyring)
    keys = SMALL * len(env.dataset.of_size(SMALL))
    rotated: list[Document] = []

    def ours() -> Figures:
        with running(env, keyring=str(keyring)) as (loop, plugin):
            done = partial(loop.run_until_complete, plugin.rotate())
            figures = rate(keys, done, time.perf_counter)
        rotated[:] = env.mongo[DATABASE][COLLECTION].find()
        return figures

    def bare() -> Figures:
        collection = refill(env)  # To write what is there already would cost nothing.

        def bulk_write() -> None:
            for start in range(0, len(rotated), PAGE):
                page = rotated[start : start + PAGE]
                writes = [ReplaceOne({"_id": one["_id"]}, one) for one in page]
                collection.bulk_write(writes, ordered=False)

        return rate(keys, bulk_write, time.perf_counter)

    return {"rotation": in_turn(env.scale.rounds, {"ours": ours, "bare": bare})}


def measure_sealed_key(env: Environment) -> Results:
    """Return sealed keys opened and stored, for each second that this thread computes.

    Bare is the arithmetic: the ephemeral point, ECDH, Concat KDF, two AES-GCM and a key wrap.
    """
    vault, owner = Vault(load_keyring(env.keyring)), Owner(ISSUER, "sealed key")
    submitted = seal(vault.recipient(owner), API_KEY, provider=PROVIDER)
    recipient = ec.generate_private_key(CURVE)
    point = ec.generate_private_key(CURVE).public_key().public_numbers()
    encoded = b"\x04" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    wrapping_key, iv = os.urandom(32), os.urandom(12)

    def shared_key() -> AESGCM:
        public = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, encoded)
        shared = recipient.exchange(ec.ECDH(), public)
        return AESGCM(ConcatKDFHash(SHA256(), 32, OTHER_INFO).derive(shared))

    sealed = shared_key().encrypt(iv, API_KEY.encode(), HEADER)

    def bare() -> None:
        plaintext = shared_key().decrypt(iv, sealed, HEADER)
        content_key = os.urandom(32)
        AESGCM(content_key).encrypt(os.urandom(12), plaintext, HEADER)
        aes_key_wrap(wrapping_key, content_key)

    def turn(work: Callable[[], object]) -> Figures:
        times = range(env.scale.calls)
        return rate(len(times), lambda: [work() for _ in times], time.thread_time)

    ours = partial(vault.accept_submitted_key, owner, Destination(PROVIDER), submitted)
    turns = {"ours": partial(turn, ours), "bare": partial(turn, bare)}
    return {"sealed-key": in_turn(env.scale.rounds, turns)}


def measure_memory(env: Environment) -> Results:
    """Return the bytes for each token once so many are remembered, as Python counts them."""

    async def remember(tokens: int) -> None:
        for number in range(tokens):
            headers = HTTPHeaders({"Authorization": f"Bearer token{number}.owner{number}"})
            await plugin.authenticate(HTTPServerRequest("GET", "/", headers=headers))

    with running(env) as (loop, plugin):
        loop.run_until_complete(remember(1))
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        loop.run_until_complete(remember(env.scale.tokens))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    each = [(after - before) / env.scale.tokens]
    return {f"one of {env.scale.tokens:,} remembered tokens": {"bytes": {"ours": each}}}

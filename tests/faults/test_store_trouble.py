"""A store in trouble: the answer is the contract's, it comes in time, and all heals by itself."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient

from aiconfig_plugin.demo.mongod import Mongod
from tests.faults.history import Kind
from tests.faults.load import PATHS, body
from tests.support.issuer import Issuer
from tests.support.served import Served

LONGEST = 12.0
ROUTES = [(method, path) for method, path in PATHS.values()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """One that these tests alone use."""
    arguments = ["--setParameter", "enableTestCommands=1", "--maxConns", "60"]
    with Mongod(tmp_path_factory.mktemp("store"), arguments=arguments) as started:
        yield started


class House:
    """A gateway process with its authorization server, and one user's client."""

    def __init__(self, gateway: Served, issuer: Issuer, http: httpx2.AsyncClient) -> None:
        self.gateway, self.issuer, self.http = gateway, issuer, http

    async def call(
        self, method: str, path: str, value: str = "v", prompt: str = "p"
    ) -> httpx2.Response:
        json = {**body(value), "system_prompt": prompt} if method in ("POST", "PUT") else None
        return await self.http.request(method, self.gateway.url + path, json=json)

    async def expect_outage(self, routes: list[tuple[str, str]], code: str) -> float:
        """Every route says so, within the bound. Return how long the slowest took."""

        async def timed(method: str, path: str) -> float:
            before = time.monotonic()
            response = await self.call(method, path)
            assert response.status_code == 503, response.text
            assert response.headers["Content-Type"] == "application/problem+json"
            assert response.json()["type"] == f"urn:aiconfig:problem:{code}"
            assert int(response.headers["Retry-After"]) > 0
            return time.monotonic() - before

        longest = max(await asyncio.gather(*(timed(*route) for route in routes)))
        assert longest < LONGEST
        return longest

    async def expect_recovery(self) -> None:
        deadline = time.monotonic() + 20
        while (response := await self.call("PUT", "/update/ai-model-config")).status_code != 200:
            assert response.status_code == 503 and time.monotonic() < deadline, response.text
        assert (await self.call("GET", "/get/ai-model-config")).status_code == 200


@asynccontextmanager
async def house(store: Mongod, tmp_path: Path) -> AsyncIterator[House]:
    issuer = Issuer(["alice"])
    issuer.start()
    limits = httpx2.Limits(max_connections=None)
    gateway = Served(store.uri, f"trouble_{secrets.token_hex(4)}", tmp_path, issuer.url)
    try:
        async with (
            gateway,
            httpx2.AsyncClient(timeout=30, limits=limits, headers=issuer.auth("alice")) as http,
        ):
            built = House(gateway, issuer, http)
            assert (await built.call("POST", "/create/ai-model-config")).status_code == 201
            yield built
    finally:
        await issuer.stop()


@contextmanager
def down(store: Mongod) -> Iterator[None]:
    store.stop()
    try:
        yield
    finally:
        store.start()


@contextmanager
def stuck(store: Mongod) -> Iterator[None]:
    os.kill(store.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(store.pid, signal.SIGCONT)


@contextmanager
def read_only(store: Mongod) -> Iterator[None]:
    with MongoClient[dict[str, Any]](store.uri) as client:
        client.admin.command("fsync", 1, lock=True)
        try:
            yield
        finally:
            client.admin.command("fsyncUnlock")


@contextmanager
def full(store: Mongod) -> Iterator[None]:
    """Someone else holds every connection that the store allows."""
    store.stop()
    store.start()  # the gateway's connections are gone: it has to ask for new ones
    with ExitStack() as taken:
        for _ in range(80):
            taken.enter_context(socket.create_connection(("127.0.0.1", store.port)))
        yield


def failing(**data: Any) -> Callable[[Mongod], AbstractContextManager[None]]:
    @contextmanager
    def inject(store: Mongod) -> Iterator[None]:
        commands = ["find", "insert", "findAndModify"]
        fail = {"configureFailPoint": "failCommand"}
        with MongoClient[dict[str, Any]](store.uri) as client:
            client.admin.command(
                {**fail, "mode": "alwaysOn", "data": {"failCommands": commands, **data}}
            )
            try:
                yield
            finally:
                client.admin.command({**fail, "mode": "off"})

    return inject


WRITES = [route for route in ROUTES if route[0] != "GET"]
TROUBLES: dict[str, tuple[Callable[[Mongod], AbstractContextManager[None]], Any]] = {
    "down": (down, ROUTES),
    "stuck": (stuck, ROUTES),
    "slow": (failing(blockConnection=True, blockTimeMS=9_000), ROUTES),
    "read-only": (read_only, WRITES),
    "full of connections": (full, ROUTES),
    "closing every connection": (failing(closeConnection=True), ROUTES),
    "out of disk": (failing(errorCode=14031), ROUTES),
    "refusing its user": (failing(errorCode=13), ROUTES),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_told_in_time_and_heals_without_a_restart(
    store: Mongod, tmp_path: Path, trouble: str
) -> None:
    inflict, routes = TROUBLES[trouble]

    async def run() -> float:
        async with house(store, tmp_path) as built:
            with inflict(store):
                longest = await built.expect_outage(routes, "storage-unavailable")
                if trouble == "read-only":
                    assert (await built.call("GET", "/get/ai-model-config")).status_code == 200
            await built.expect_recovery()
            return longest

    print(f"{trouble}: {asyncio.run(run()):.1f} s")


def test_while_the_store_is_stuck_memory_stays_flat_and_the_rest_is_refused_at_once(
    store: Mongod, tmp_path: Path
) -> None:
    requests = 700

    async def timed(call: Awaitable[httpx2.Response]) -> tuple[int, float]:
        before = time.monotonic()
        response = await call
        return response.status_code, time.monotonic() - before

    async def run() -> None:
        async with house(store, tmp_path) as built:
            before = built.gateway.rss
            with stuck(store):
                calls = [built.call(*PATHS[Kind.PUT], prompt="x" * 20_000) for _ in range(requests)]
                done = await asyncio.gather(*map(timed, calls))
                grown = built.gateway.rss - before
            assert Counter(status for status, _ in done) == {503: requests}
            # Seven hundred answers, and the load itself, share the processors with the gateway.
            assert max(seconds for _, seconds in done) < 2 * LONGEST
            assert sum(seconds < 6 for _, seconds in done) >= 150
            assert grown < 80 * 1024 * 1024, f"{grown / 1e6:.0f} MB"
            await built.expect_recovery()

    asyncio.run(run())


def test_without_the_authorization_server_nobody_new_comes_in_and_it_heals(
    store: Mongod, tmp_path: Path
) -> None:
    async def run() -> None:
        async with house(store, tmp_path) as built:
            await built.issuer.stop()
            built.http.headers.update(built.issuer.auth("alice"))  # a token not seen before
            await built.expect_outage(ROUTES, "authorization-server-unavailable")
            built.issuer.start()
            await built.expect_recovery()

    asyncio.run(run())

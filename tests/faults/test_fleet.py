"""Keys are turned under load, in processes that are not restarted, on good days and bad ones."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aiconfig_plugin.background import every
from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.domain import Kids, Membership, Waiting, activate
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import create_keyring
from aiconfig_plugin.store import MongoStores
from tests.support.issuer import Issuer
from tests.support.processes import environment
from tests.support.replica_set import ReplicaSet
from tests.support.served import Served

OWNERS = [f"user{n}" for n in range(4)]
IDLE = "idle"
"""An owner who saves a key once; only a rotation writes it again."""
HOUR = 3600
SKEWED = """
import sys, time
now, behind = time.time, float(sys.argv.pop(1))
time.time = lambda: now() - behind
from aiconfig_plugin.cli import main
sys.exit(main())
"""


class Fleet:
    """Three gateways, each with a copy of the keyring; the clock of one is an hour behind."""

    def __init__(self, mongodb_uri: str, database: str, data: Path, issuer: Issuer) -> None:
        self.keyring = data / "keyring.json"
        create_keyring(self.keyring)
        self._env = environment(
            mongodb_uri=mongodb_uri, mongodb_database=database, keyring=str(self.keyring)
        )
        self._make = lambda name, **given: Served(
            mongodb_uri, database, self._copy(data / name), issuer.url, **given
        )
        self._data = data
        port = free_port()
        late = [sys.executable, "-c", SKEWED, str(HOUR), "serve", "--port", str(port)]
        self.gateways: list[Served] = [
            self._make("one"),
            self._make("two", port=port, command=late),
            self._make("three"),
        ]

    def another(self, name: str) -> Served:
        """Return one with the keyring as it is now."""
        return self._make(name)

    def _copy(self, place: Path) -> Path:
        place.mkdir()
        shutil.copy(self.keyring, place)
        return place

    def distribute(self, *numbers: int) -> None:
        for number in numbers:
            gateway = self.gateways[number]
            shutil.copy(self.keyring, gateway.log.parent / "keyring.json")
            gateway.signal(signal.SIGHUP)

    def command(self, *arguments: str, code: int = 0, ahead: int = 0) -> str:
        """Run a command of the operator's, whose clock may be ahead, and return all it prints."""
        command = [sys.executable, "-c", SKEWED, str(-ahead), *arguments]
        ran = subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=90)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr


@dataclass
class Users:
    """They seal keys to one gateway, save them through another and read through a third."""

    fleet: Fleet
    issuer: Issuer
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        idle = asyncio.Event()
        idle.set()
        await self._user(IDLE, idle)
        await asyncio.gather(*(self._user(owner, stop) for owner in OWNERS))

    async def _user(self, owner: str, stop: asyncio.Event) -> None:
        chance = random.Random(owner)
        async with httpx2.AsyncClient(headers=self.issuer.auth(owner), timeout=30) as http:

            async def call(method: str, path: str, **sent: Any) -> Any:
                url = chance.choice(self.fleet.gateways).url
                response = await http.request(method, url + path, **sent)
                self.seen[f"{method} {response.status_code}"] += 1
                if response.status_code not in (200, 201):
                    self.wrong.append(f"{method} {response.status_code} {response.text}")
                return response.json()

            method, path = "POST", "/create/ai-model-config"
            while True:
                recipient = await call("GET", "/get/ai-model-config/encryption-key")
                sealed = seal(recipient, f"key of {owner}", provider="OpenAI")
                await call(method, path, json=_body(sealed))
                method, path = "PUT", "/update/ai-model-config"
                read = await call("GET", "/get/ai-model-config?include=keyState,apiKeyEncrypted")
                states = [model["keyState"] for model in read["models"]]
                if states != ["set"]:
                    self.wrong.append(f"{owner}: {states}")
                # What comes back is opened, to see whose it is.
                await call("PUT", path, json=_body(read["models"][0]["apiKeyEncrypted"]))
                if stop.is_set():
                    return
                await asyncio.sleep(0.4 * chance.random())


def _body(key: str) -> Any:
    entry = {"provider": "OpenAI", "type": "chat", "model": "gpt-4", "isPaid": True}
    return {"models": [{**entry, "apiKeyEncrypted": key}], "system_prompt": ""}


async def ready(gateway: Served) -> int:
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"http://127.0.0.1:{gateway.port}/readyz")).status_code


def test_keys_are_turned_in_three_processes_under_load_without_a_restart(
    mongod: Any, database_name: str, documents: Any, tmp_path: Path
) -> None:
    async def turn(fleet: Fleet) -> None:
        async def run(*arguments: str, **given: int) -> str:
            return await asyncio.to_thread(fleet.command, *arguments, **given)

        path = str(fleet.keyring)
        old = load_keyring(fleet.keyring)
        last_week = fleet.another("last week")
        await run("keyring", "add", path)
        new = [*load_keyring(fleet.keyring).storage][-1]
        fleet.distribute(0, 1)
        told = await run("keyring", "activate", "--timeout", "5", code=1)
        assert f"{new} [2/3]" in told and "Nothing was changed" in told
        assert f"(process {fleet.gateways[2].pid}, since " in told
        assert [await ready(gateway) for gateway in fleet.gateways] == [200] * 3

        fleet.distribute(2)
        told = await run("keyring", "activate", "--expect", "3", ahead=HOUR)
        assert f"{new} [3/3]" in told
        async with last_week:
            assert await ready(last_week) == 503
            assert f"The keyring lacks {', '.join(sorted(_added(old, path)))}" in (
                last_week.log.read_text()
            )
        assert "0 stored keys" not in await run("rotate", ahead=HOUR)
        told = await run("keyring", "retire", path)
        assert old.primary in told and old.primary_sealing in told
        fleet.distribute(0, 1, 2)

    async def run() -> Users:
        issuer = Issuer([*OWNERS, IDLE])
        issuer.start()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(issuer.stop)
            fleet = Fleet(mongod.uri, database_name, tmp_path, issuer)
            for gateway in fleet.gateways:
                await stack.enter_async_context(gateway)
            pids = [gateway.pid for gateway in fleet.gateways]
            users, stop = Users(fleet, issuer), asyncio.Event()
            working = asyncio.create_task(users.run(stop))
            try:
                await turn(fleet)
                await asyncio.sleep(2)  # with the old key gone everywhere
            finally:
                stop.set()
                await working
            assert [gateway.pid for gateway in fleet.gateways] == pids
        return users

    users = asyncio.run(run())
    assert users.wrong == [] and users.seen["PUT 200"] > 20
    kid = load_keyring(tmp_path / "keyring.json").primary
    stored = [model["key"]["kid"] for found in documents.find() for model in found["models"]]
    assert stored == [kid] * (len(OWNERS) + 1)


def _added(old: Any, path: str) -> Collection[str]:
    return load_keyring(path).kids - old.kids


class _Keyring:
    primaries: Kids = frozenset({"old"})

    def __init__(self, *kids: str) -> None:
        self.kids: Kids = frozenset(kids)

    def use(self, primaries: Collection[str]) -> None:
        self.primaries = frozenset(primaries) or self.primaries


@contextmanager
def _noting(told: list[str]) -> Iterator[Any]:
    def report(progress: Any) -> None:
        told.extend(f"{each.kid} [{each.holding}/{each.total}]" for each in progress)

    yield report


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_an_activation_outlives_the_primary_of_the_store(
    replica_set: ReplicaSet, fault: str
) -> None:
    """It goes on where another primary leads, and everybody ends with the new key."""

    async def run() -> None:
        stores = MongoStores.connect(replica_set.uri, f"fleet_{secrets.token_hex(4)}")
        await stores.start()
        keyrings = _Keyring("old", "new"), _Keyring("old")
        members = [Membership(stores.gateways, keyring) for keyring in keyrings]
        told: list[str] = []
        try:
            async with AsyncExitStack() as stack:
                for member in members:
                    await member.beat()
                    await stack.enter_async_context(every(0.5, member.beat, "heartbeat"))
                with _noting(told) as report:
                    activating = asyncio.create_task(
                        activate(
                            stores.gateways,
                            storage="new",
                            sealing=None,
                            waiting=Waiting(60),
                            report=report,
                        )
                    )
                    with getattr(replica_set, fault)() as lost:
                        keyrings[1].kids |= {"new"}
                        await asyncio.to_thread(replica_set.wait_for_another, lost)
                        await activating
                await asyncio.to_thread(replica_set.settle)
                assert told[-1] == "new [2/2]"
                keys = await stores.gateways.keys()
                assert (keys.storage, keys.pending) == ("new", set())
                for member in members:
                    await member.beat()
                assert [keyring.primaries for keyring in keyrings] == [{"new"}, {"new"}]
        finally:
            await stores.close()

    asyncio.run(run())

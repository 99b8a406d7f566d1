"""Three ``mongod`` as a replica set, and what can happen to its primary."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from aiconfig_plugin.demo.mongod import Mongod, free_port
from tests.support.network import Network

NAME = "faults"
ELECTION_TIMEOUT_MS = 2000
DEADLINE = 120.0
"""Seconds for which the set may take to agree on anything."""

_ARGUMENTS = [
    *("--replSet", NAME),
    *("--oplogSize", "64"),
    *("--setParameter", "enableTestCommands=1"),
    *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
]


class ReplicaSet:
    """Members ``0`` to ``2``. Every fault hits the member that is the primary at that time.

    Only a ``divisible`` one can be :meth:`partitioned`: its members and clients reach each other
    through relays.
    """

    def __init__(self, data: Path, *, divisible: bool = False) -> None:
        self.members = [
            Mongod(data / str(number), port=free_port(), arguments=_ARGUMENTS)
            for number in range(3)
        ]
        self._network = Network([member.port for member in self.members]) if divisible else None

    @property
    def uri(self) -> str:
        hosts = ",".join(f"127.0.0.1:{self.port_of(member)}" for member in self.members)
        return f"mongodb://{hosts}/?replicaSet={NAME}"

    def port_of(self, member: Mongod) -> int:
        """Return the port at which the others and the clients reach a member."""
        if self._network is None:
            return member.port
        return self._network.ports[self.members.index(member)]

    def start(self) -> None:
        for member in self.members:
            member.start()
        config = {
            "_id": NAME,
            "settings": {
                "electionTimeoutMillis": ELECTION_TIMEOUT_MS,
                "heartbeatIntervalMillis": 500,
            },
            "members": [
                {"_id": number, "host": f"127.0.0.1:{self.port_of(member)}"}
                for number, member in enumerate(self.members)
            ],
        }
        with _client(self.members[0]) as client:
            client.admin.command("replSetInitiate", config)
        self.settle()

    def stop(self) -> None:
        for member in self.members:
            with contextlib.suppress(RuntimeError, ProcessLookupError):
                os.kill(member.pid, signal.SIGCONT)
            member.stop()
        if self._network is not None:
            self._network.stop()

    def settle(self) -> None:
        """Wait until one member leads and the two others follow."""
        _until(lambda: sorted(self._states()) == ["PRIMARY", "SECONDARY", "SECONDARY"])

    def primary(self) -> Mongod:
        """Return the member that most of the others follow; wait until there is one."""
        found: list[Mongod] = []

        def look() -> bool:
            leaders = [m for m in self.members if hello(m).get("isWritablePrimary")]
            found[:] = leaders
            return len(leaders) == 1

        _until(look)
        return found[0]

    @contextmanager
    def killed(self) -> Iterator[Mongod]:
        """SIGKILL the primary; it is started again at the end."""
        member = self.primary()
        os.kill(member.pid, signal.SIGKILL)
        member.stop()
        try:
            yield member
        finally:
            member.start()

    @contextmanager
    def frozen(self) -> Iterator[Mongod]:
        """SIGSTOP the primary; it goes on at the end, and still takes itself for the primary."""
        member = self.primary()
        os.kill(member.pid, signal.SIGSTOP)
        try:
            yield member
        finally:
            os.kill(member.pid, signal.SIGCONT)

    @contextmanager
    def partitioned(self) -> Iterator[Mongod]:
        """Cut the primary off from the others until the end; its clients still reach it.

        It goes on taking itself for the primary: what would make it step down for want of a
        majority is held back.
        """
        member, network = self.primary(), self._network
        assert network is not None, "not divisible"
        fail = {"configureFailPoint": "blockHeartbeatStepdown"}
        with _client(member) as client:
            client.admin.command({**fail, "mode": "alwaysOn"})
            network.isolate(self.members.index(member), [each.pid for each in self.members])
            try:
                yield member
            finally:
                network.heal()
                client.admin.command({**fail, "mode": "off"})

    def step_down(self) -> Mongod:
        member = self.primary()
        with _client(member) as client:
            client.admin.command({"replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5})
        return member

    def wait_for_another(self, than: Mongod) -> Mongod:
        """Wait until a member other than this one leads; that one need not answer."""
        others = [member for member in self.members if member is not than]
        found: list[Mongod] = []

        def look() -> bool:
            found[:] = [m for m in others if hello(m).get("isWritablePrimary")]
            return bool(found)

        _until(look)
        return found[0]

    def _states(self) -> list[str]:
        for member in self.members:
            try:
                with _client(member) as client:
                    members = client.admin.command("replSetGetStatus")["members"]
                return [found["stateStr"] for found in members]
            except PyMongoError:
                continue
        return []


def hello(member: Mongod) -> dict[str, Any]:
    try:
        with _client(member) as client:
            return dict(client.admin.command("hello"))
    except PyMongoError:
        return {}


def _client(member: Mongod) -> MongoClient[dict[str, Any]]:
    return MongoClient(member.uri, serverSelectionTimeoutMS=1000, socketTimeoutMS=15_000)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < deadline, "the replica set does not settle"
        time.sleep(0.1)

"""Clients that use a few owners' configurations at once and write down what they see."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.faults.history import Kind, Operation

PATHS = {
    Kind.CREATE: ("POST", "/create/ai-model-config"),
    Kind.GET: ("GET", "/get/ai-model-config"),
    Kind.PUT: ("PUT", "/update/ai-model-config"),
    Kind.DELETE: ("DELETE", "/delete/ai-model-config"),
}
EXPECTED = {
    Kind.CREATE: {201, 409},
    Kind.GET: {200, 404},
    Kind.PUT: {200, 404, 412},
    Kind.DELETE: {204, 404, 412},
}
KINDS = [Kind.CREATE, *[Kind.PUT] * 8, Kind.DELETE, *[Kind.GET] * 5]
CLIENT_TIMEOUT = 30.0


def body(value: str, entries: int = 2) -> dict[str, Any]:
    """A body that carries ``value`` in every entry, so that a mixture of two would show."""
    models = [
        {"provider": "OpenAI", "type": "chat", "model": f"{value}-{n}", "isPaid": True}
        for n in range(entries)
    ]
    return {"models": models, "system_prompt": value}


def value_of(document: Mapping[str, Any], entries: int = 2) -> str:
    """Return the value that every part of the document carries."""
    value: str = document["system_prompt"]
    assert document == body(value, entries), "a mixture of two bodies"
    return value


@dataclass
class Load:
    """``urls`` are the gateways' APIs; ``auth`` holds the headers by owner."""

    urls: Sequence[str]
    auth: Mapping[str, Mapping[str, str]]
    seed: int = 0
    pause: float = 0.0
    history: list[Operation] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest: float = 0.0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged."""
        return sum(o.status in (200, 201, 204) and o.kind is not Kind.GET for o in self.history)

    async def run(self, clients: int, stop: asyncio.Event, *, limit: int = 100_000) -> None:
        """Let that many clients work, until ``stop`` is set or each has sent ``limit`` requests."""
        await asyncio.gather(*(self._client(n, stop, limit) for n in range(clients)))

    async def read_all(self) -> None:
        """Read every owner's configuration through every gateway."""
        for url in self.urls:
            async with httpx2.AsyncClient(timeout=CLIENT_TIMEOUT) as http:
                for owner in self.auth:
                    await self._one(http, url, owner, Kind.GET, None)

    async def _client(self, number: int, stop: asyncio.Event, limit: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        url = self.urls[number % len(self.urls)]
        known: dict[str, str | None] = {}
        async with httpx2.AsyncClient(timeout=CLIENT_TIMEOUT) as http:
            for _ in range(limit):
                if stop.is_set():
                    return
                owner = chance.choice(list(self.auth))
                absent = known.get(owner, "") is None and chance.random() < 0.8
                kind = Kind.CREATE if absent else chance.choice(KINDS)
                compares = kind in (Kind.PUT, Kind.DELETE) and chance.random() < 0.6
                if_match = known.get(owner) if compares else None
                done = await self._one(http, url, owner, kind, if_match)
                if done.status == 404 or done.revision is not None:
                    known[owner] = done.revision
                if self.pause:
                    await asyncio.sleep(self.pause * chance.random() * 2)

    async def _one(
        self, http: httpx2.AsyncClient, url: str, owner: str, kind: Kind, if_match: str | None
    ) -> Operation:
        method, path = PATHS[kind]
        headers = dict(self.auth[owner])
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        writes = kind in (Kind.CREATE, Kind.PUT)
        value = f"v{next(self._numbers)}" if writes else None
        sent = {"json": body(value)} if value is not None else {}
        invoked = time.monotonic()
        try:
            response = await http.request(method, url + path, headers=headers, **sent)
        except httpx2.HTTPError as err:
            response = None
            self.wrong.append(f"{method}: {err!r}")
        returned = time.monotonic()
        self.longest = max(self.longest, returned - invoked)
        status = revision = None
        if response is not None:
            self.statuses[f"{method} {response.status_code}"] += 1
            if response.status_code in EXPECTED[kind]:
                status = response.status_code
            else:
                self._judge(method, response)
            revision = response.headers.get("ETag", "").strip('"') or None
            if response.status_code in (200, 201):
                read = value_of(response.json())
                value = value or read
                if read != value:
                    self.wrong.append(f"{method} answered with another body")
        done = Operation(owner, kind, invoked, returned, status, value, revision, if_match)
        self.history.append(done)
        return done

    def _judge(self, method: str, response: httpx2.Response) -> None:
        """Note down what is neither the register's answer nor an outage as the contract has it."""
        try:
            code = json.loads(response.content)["type"].rpartition(":")[2]
        except ValueError:
            code = repr(response.content[:100])
        said = f"{method}: {response.status_code} {code}"
        if (
            response.status_code != 503
            or code != "storage-unavailable"
            or not response.headers.get("Retry-After", "").isdecimal()
        ):
            self.wrong.append(said)

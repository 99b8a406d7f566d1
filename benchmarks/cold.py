"""Tokens that were never seen: one after the other, and many at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.client import READ, client
from benchmarks.dataset import people
from benchmarks.figures import median
from benchmarks.scale import Scale
from benchmarks.stage import Contender

CROWD_TIMEOUT = 60.0
"""Seconds within which every one of the crowd must have its answer."""


def measure_cold_tokens(
    contenders: Sequence[Contender], scale: Scale
) -> dict[str, dict[str, list[float]]]:
    """Return for each contender, by round: the median seconds of a first request, and of a crowd
    the seconds until the last answer and how many were refused."""
    found: dict[str, dict[str, list[float]]] = {
        contender.name: {"first": [], "crowd": [], "refused": []} for contender in contenders
    }
    for number in range(scale.rounds):
        for contender in contenders:
            mine = found[contender.name]
            mine["first"].append(first_requests(contender, scale, f"cold{number}"))
            seconds, refused = asyncio.run(crowd(contender, scale, f"crowd{number}"))
            mine["crowd"].append(seconds)
            mine["refused"].append(refused)
    return found


def first_requests(contender: Contender, scale: Scale, name: str) -> float:
    owners = people(scale.owners)
    seconds = []
    with client(contender.process) as one:
        for number in range(scale.cold_tokens):
            token = owners[number % len(owners)].cold_token(f"{name}-{number}")
            begun = time.perf_counter()
            answer = one.send("GET", READ, token)
            seconds.append(time.perf_counter() - begun)
            if answer.status != 200:
                raise RuntimeError(f"{contender.name}: a cold token is answered {answer.status}")
    return median(seconds)


async def crowd(contender: Contender, scale: Scale, name: str) -> tuple[float, int]:
    """Open all connections, then send all requests; return the seconds and how many failed."""
    owners = people(scale.owners)
    port = contender.process.port
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(scale.crowd)]
    try:
        begun = time.perf_counter()
        for number, (_, writer) in enumerate(pairs):
            token = owners[number % len(owners)].cold_token(f"{name}-{number}")
            writer.write(
                f"GET {READ} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {token}\r\n\r\n".encode()
            )
        reads: list[Any] = [reader.readline() for reader, _ in pairs]
        lines = await asyncio.wait_for(asyncio.gather(*reads), CROWD_TIMEOUT)
        seconds = time.perf_counter() - begun
    finally:
        for _, writer in pairs:
            writer.close()
    return seconds, sum(b" 200 " not in line for line in lines)

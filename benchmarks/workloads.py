"""The requests that every contender serves in turn, how fast it does, and how it holds the loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.client import READ, UPDATE, Client, client
from benchmarks.dataset import LARGE, SMALL, Person
from benchmarks.environment import Contender, Environment
from benchmarks.load import Request, load, write_requests
from benchmarks.rounds import Figures, Results, in_turn

CONNECTIONS = 64
LARGE_CONNECTIONS = 8  # A hundred sealed keys take long: more would only wait for each other.
WARM_UP = 3
"""Requests of a kind before the loop is watched."""


@dataclass(frozen=True)
class Workload:
    name: str
    method: str = "GET"
    path: str = READ
    size: int = SMALL
    conditional: bool = False
    sealed: bool = False

    @property
    def connections(self) -> int:
        return CONNECTIONS if self.size == SMALL else LARGE_CONNECTIONS


GET = Workload("GET")
GET_304 = Workload("GET 304", conditional=True)
PUT_3 = Workload("PUT 3", "PUT", UPDATE)
PUT_3_SEALED = Workload("PUT 3 sealed", "PUT", UPDATE, sealed=True)
PUT_100 = Workload("PUT 100", "PUT", UPDATE, LARGE)
PUT_100_SEALED = Workload("PUT 100 sealed", "PUT", UPDATE, LARGE, sealed=True)
COMPARED = (GET, GET_304, PUT_3, PUT_3_SEALED, PUT_100)
WORKLOADS = (*COMPARED, PUT_100_SEALED)

VARIANTS: dict[str, dict[str, Any]] = {
    # Ours with something changed, beside "ours", for the workloads in VARIED. An operator's
    # catalogue of 2,000 models will be one more line: {"settings": {"catalog": …}}.
    "ours, pymongo": {"driver": "pymongo"},
}
VARIED = (GET, PUT_3)


def compare(env: Environment, workloads: Sequence[Workload]) -> Results:
    """Return the figures of every contender; all are up, and idle while it is not their turn."""
    if not workloads:
        return {}
    with ExitStack() as stack:
        contenders = [
            stack.enter_context(start)
            for start in (
                env.ours(),
                *(env.ours(name, **options) for name, options in VARIANTS.items()),
                env.bare(),
                env.fastapi(),
                env.bare("fixed bytes", fixed=True),
            )
        ]
        etags = {contender.name: prime(env, contender) for contender in contenders}
        results: Results = {}
        for workload in workloads:
            taking_part = [one for one in contenders if takes_part(one.name, workload)]
            turns = prepare(env, workload, taking_part, etags)
            results[workload.name] = in_turn(env.scale.rounds, turns)
    return results


def takes_part(contender: str, workload: Workload) -> bool:
    if contender == "fixed bytes":
        return workload is GET
    return contender not in VARIANTS or workload in VARIED


def prime(env: Environment, contender: Contender) -> dict[str, str]:
    """Let every token be introspected; return the entity tags of the owners."""
    with client(contender.server) as one:
        return {
            person.subject: one.send("GET", READ, person.token).etag
            for person in env.dataset.people
        }


def prepare(
    env: Environment,
    workload: Workload,
    contenders: Collection[Contender],
    etags: dict[str, dict[str, str]],
) -> dict[str, Callable[..., Figures]]:
    """Return each contender's turn. Raises RuntimeError where they would answer differently."""
    people = env.dataset.of_size(workload.size)
    bodies = [body(env, workload, person) for person in people]
    turns: dict[str, Callable[..., Figures]] = {}
    answers = {}
    for contender in contenders:
        if workload.method == "PUT":
            contender.refill()
        known = etags[contender.name] if workload.conditional else {}
        requests = [
            Request(person.token, known.get(person.subject, ""), body)
            for person, body in zip(people, bodies, strict=True)
        ]
        if contender.name != "fixed bytes":
            answers[contender.name] = first_answer(contender, workload, requests[0])
        file = write_requests(env.directory / f"{contender.name}.requests", requests)
        turns[contender.name] = partial(serve, env, contender, workload, file)
    if any(answer != answers["ours"] for answer in answers.values()):
        raise RuntimeError(f"{workload.name}: the contenders answer differently: {answers}")
    return turns


def first_answer(contender: Contender, workload: Workload, request: Request) -> tuple[int, Any]:
    with client(contender.server) as one:
        answer = one.send(
            workload.method, workload.path, request.token, etag=request.etag, body=request.body
        )
    return answer.status, answer.json()


def serve(
    env: Environment, contender: Contender, workload: Workload, requests: Path, seconds: int = 0
) -> Figures:
    return load(
        contender.server, workload.method, workload.path, requests,
        seconds=seconds or env.scale.seconds, connections=workload.connections,
    )  # fmt: skip


def body(env: Environment, workload: Workload, person: Person) -> str:
    return env.dataset.body(person, sealed=workload.sealed) if workload.method == "PUT" else ""


def measure_holds(env: Environment) -> Results:
    """Return for how long one request of each kind, with nothing beside it, holds the event loop.

    A process of its own notes how late a callback comes that it asks for every millisecond, so
    time for which a worker thread keeps the interpreter counts as well.
    """
    results: Results = {}
    with env.ours("watched", watch=True) as contender, client(contender.server) as one:
        for workload in WORKLOADS:
            person = env.dataset.of_size(workload.size)[0]
            holds = watch(env, one, workload, person)
            results[workload.name] = {"ours": {"hold": holds}}
    return results


def watch(env: Environment, one: Client, workload: Workload, person: Person) -> list[float]:
    etag = one.send("GET", READ, person.token).etag if workload.conditional else ""
    sent = body(env, workload, person)
    holds = []
    for _ in range(WARM_UP + env.scale.watched):
        longest_hold(one)
        one.send(workload.method, workload.path, person.token, etag=etag, body=sent)
        holds.append(longest_hold(one))
    return holds[WARM_UP:]


def longest_hold(one: Client) -> float:
    """Return the longest hold since the last call, in seconds."""
    held: float = one.send("GET", "/loop-watch", "").json()["seconds"]
    return held

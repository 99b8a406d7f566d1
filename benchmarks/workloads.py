"""The requests that every contender serves in turn, how fast it does, and how it holds the loop."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.dataset import LARGE, READ, SMALL, UPDATE
from benchmarks.environment import FASTAPI, Contender, Environment
from benchmarks.rounds import Figures, Results, in_turn
from benchmarks.servers import client, load

WARM_UP = 3  # requests of a kind before the loop is watched


@dataclass(frozen=True)
class Workload:
    name: str
    method: str
    path: str
    size: int = SMALL
    sealed: bool = False
    connections: int = 64

    def requests(self, env: Environment) -> dict[str, str]:
        """Return the body of each owner's request, by token."""
        tokens = env.dataset.tokens[self.size]
        if self.method == "GET":
            return dict.fromkeys(tokens, "")
        return {one: env.dataset.body(one, self.size, sealed=self.sealed) for one in tokens}


GET = Workload("GET", "GET", READ)
PUT_3 = Workload("PUT-3", "PUT", UPDATE)
PUT_3_SEALED = Workload("PUT-3-sealed", "PUT", UPDATE, sealed=True)
PUT_100 = Workload("PUT-100", "PUT", UPDATE, LARGE, connections=8)
PUT_100_SEALED = Workload("PUT-100-sealed", "PUT", UPDATE, LARGE, sealed=True)
COMPARED = (GET, PUT_3, PUT_3_SEALED, PUT_100)
WORKLOADS = (*COMPARED, PUT_100_SEALED)

FIXED = "fixed bytes"
VARIANTS: dict[str, dict[str, Any]] = {
    "ours, pymongo": {"mongodb_driver": "pymongo"},
    "ours, catalogue": {"catalog": "catalog.json"},  # of 2,000 models
}
TAKING_PART = {FIXED: (GET,), **dict.fromkeys(VARIANTS, (GET, PUT_3))}


def compare(env: Environment, workloads: Sequence[Workload]) -> Results:
    """Return the figures of every contender; all are up, and idle while it is not their turn."""
    with ExitStack() as stack:
        starts = [env.ours(), *(env.ours(name, **options) for name, options in VARIANTS.items())]
        starts += map(env.other, ("bare", FASTAPI, FIXED))
        contenders = [stack.enter_context(start) for start in starts]
        for one in contenders:
            remember_tokens(env, one)
        results: Results = {}
        for workload in workloads:
            chosen = [one for one in contenders if workload in TAKING_PART.get(one.name, COMPARED)]
            results[workload.name] = in_turn(env.scale.rounds, turns(env, workload, chosen))
    return results


def remember_tokens(env: Environment, contender: Contender) -> None:
    contender.refill()
    with client(contender.server) as send:
        for tokens in env.dataset.tokens.values():
            for token in tokens:
                send("GET", READ, token)


def turns(
    env: Environment, workload: Workload, contenders: Sequence[Contender]
) -> dict[str, Callable[..., Figures]]:
    """Return each one's turn. Raises RuntimeError where they would answer differently."""
    requests = workload.requests(env)
    file = env.directory / workload.name
    file.write_text("".join(f"{token}\n{body}\n" for token, body in requests.items()))
    token, body = next(iter(requests.items()))
    taken: dict[str, Callable[..., Figures]] = {}
    answers = []
    for one in contenders:
        one.refill()
        with client(one.server) as send:
            answers.append(send(workload.method, workload.path, token, body))
        request = (workload.method, workload.path, file, workload.connections)
        taken[one.name] = partial(load, one.server, *request, seconds=env.scale.seconds)
    if any(answer != answers[0] for answer in answers):
        raise RuntimeError(f"{workload.name}: the contenders answer differently: {answers}")
    return taken


def measure_holds(env: Environment) -> Results:
    """Return for how long one request of each kind, with nothing beside it, holds the event loop.

    Time for which a worker thread keeps the interpreter counts as well.
    """
    results: Results = {}
    with env.ours("watched", watch=True) as contender, client(contender.server) as send:
        contender.refill()
        for workload in WORKLOADS:
            token, body = next(iter(workload.requests(env).items()))
            holds = []
            for _ in range(WARM_UP + env.scale.watched):
                send("GET", "/longest-hold", token)
                send(workload.method, workload.path, token, body)
                holds.append(send("GET", "/longest-hold", token)["seconds"])
            results[workload.name] = {"hold": {"ours": holds[WARM_UP:]}}
    return results

"""Bodies that are being received are bounded in all, and an unfinished one gives its share back."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from aiconfig_plugin.domain import Submission
from aiconfig_plugin.http import handlers, parse_submission
from aiconfig_plugin.http.body import BodyBudget
from tests.support.gateway import CREATE_PATH, DELETE_PATH, UPDATE_PATH, Gateway, body, problem

MakeGateway = Callable[..., Awaitable[Gateway]]
TOTAL = 400_000
BUDGET = {"total": TOTAL, "reserved": 100_000, "small": 50_000}
JSON = "Content-Type: application/json"
LARGE = 200_000


async def with_budget(make_gateway: MakeGateway, **given: Any) -> tuple[Gateway, BodyBudget]:
    gateway = await make_gateway(mount=False, **given)
    budget = BodyBudget(**BUDGET)
    specs = gateway.plugin.handlers()
    config = dataclasses.replace(specs[0].kwargs["config"], bodies=budget)
    for spec in specs:
        spec.kwargs["config"] = config
    gateway.app.add_handlers(".*", specs)
    return gateway, budget


def is_free(budget: BodyBudget) -> bool:
    return budget.has(TOTAL, large=False) and budget.has(TOTAL - BUDGET["reserved"], large=True)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def unfinished(
    gateway: Gateway, budget: BodyBudget, method: str = "PUT", path: str = UPDATE_PATH
) -> AsyncIterator[asyncio.StreamReader]:
    """A request whose body has arrived but for its last byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        head = gateway.head(method, path, JSON, f"Content-Length: {LARGE}")
        writer.write(head + b" " * (LARGE - 1))
        room = TOTAL - BUDGET["reserved"] - LARGE + 1
        await until(lambda: not budget.has(room + 1, large=True))
        yield reader
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_further_large_body_is_refused_and_small_ones_get_through(
    make_gateway: MakeGateway,
) -> None:
    gateway, budget = await with_budget(make_gateway)
    length = f"Content-Length: {LARGE}"
    refused = (
        (length,),  # before a byte of it is sent
        (length, "Expect: 100-continue"),
        (length, b" " * LARGE),
        ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (LARGE, b" " * LARGE)),  # and no end
    )
    async with unfinished(gateway, budget):
        for framing in refused:
            head = gateway.head(
                "POST", CREATE_PATH, JSON, *(h for h in framing if isinstance(h, str))
            )
            answer = await gateway.send(
                head, *(part for part in framing if isinstance(part, bytes))
            )
            document = problem(answer, 503, "storage-unavailable")
            assert (answer.headers["Retry-After"], document["outcome"]) == ("1", "nothing-changed")
            # Who expects "100 Continue" may take it for an answer: it must not follow one.
            closes = answer.headers.get("Connection") == "close"
            assert closes == ("Expect: 100-continue" in framing)
        assert (await gateway.user("bob").create(body())).code == 201
    await until(lambda: is_free(budget))  # The connection has ended.
    large = json.dumps(body()).encode().ljust(LARGE)
    assert (await gateway.user("alice").create(large)).code == 201
    await until(lambda: is_free(budget))


async def test_a_body_that_stops_arriving_gives_its_share_back_at_the_timeout(
    make_gateway: MakeGateway,
) -> None:
    gateway, budget = await with_budget(make_gateway, http={"body_timeout": 0.5})
    async with unfinished(gateway, budget) as reader:
        assert await reader.read() == b""  # closed by the server
        await until(lambda: is_free(budget))


async def test_a_connection_goes_on_after_an_early_refusal(make_gateway: MakeGateway) -> None:
    gateway, budget = await with_budget(make_gateway)
    sent = json.dumps(body()).encode()
    refused = gateway.head("POST", CREATE_PATH, "Content-Type: a/b", f"Content-Length: {LARGE}")
    good = gateway.head("POST", CREATE_PATH, JSON, f"Content-Length: {len(sent)}")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        statuses = []
        for head, rest in ((refused, b" " * LARGE), (good, sent)):
            writer.write(head)
            if head is good:
                writer.write(rest)
            answer = await reader.readuntil(b"\r\n\r\n")
            statuses.append(int(answer.split()[1]))
            length = next(
                int(line.split()[1])
                for line in answer.splitlines()
                if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            if head is refused:
                writer.write(rest)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert statuses == [415, 201]
    assert is_free(budget)


async def test_all_plugins_of_a_process_share_one_budget(make_gateway: MakeGateway) -> None:
    one, other = await make_gateway(), await make_gateway(prefix="/other")
    budgets = {spec.kwargs["config"].bodies for g in (one, other) for spec in g.plugin.handlers()}
    assert len(budgets) == 1
    assert one.plugin.handlers()[0].kwargs["route"] is other.plugin.handlers()[0].kwargs["route"]


async def test_a_method_without_a_body_takes_no_share(make_gateway: MakeGateway) -> None:
    gateway, budget = await with_budget(make_gateway)
    await gateway.user("alice").create(body())
    head = gateway.head("DELETE", DELETE_PATH, f"Content-Length: {2 * TOTAL}")
    assert (await gateway.send(head, b" " * 2 * TOTAL)).code == 204
    assert is_free(budget)


async def test_large_bodies_are_parsed_beside_the_loop_one_at_a_time(
    make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsing, seen = set(), []

    def parse(raw: bytearray) -> Submission:
        parsing.add(threading.get_ident())
        seen.append((len(raw), threading.get_ident() == loop, len(parsing)))
        try:
            return parse_submission(raw)
        finally:
            parsing.remove(threading.get_ident())

    loop = threading.get_ident()
    monkeypatch.setattr(handlers, "parse_submission", parse)
    gateway = await make_gateway()
    alice = gateway.user("alice")
    sizes = [65_536, 65_537, 500_000, 500_000, 500_000]
    bodies = [json.dumps(body()).encode().ljust(size) for size in sizes]
    await asyncio.gather(*(alice.create(sent) for sent in bodies))
    assert sorted(seen) == sorted((size, size == 65_536, 1) for size in sizes)

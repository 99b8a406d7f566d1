"""Reads that share a round trip are answered as if each had gone by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeAlias

import pytest
from pymongo.errors import AutoReconnect
from tornado.ioloop import IOLoop

from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.store.shared_reads import (
    MAX_BATCH_SIZE,
    MAX_OPEN_QUERIES,
    MAX_QUERIES,
    SharedReads,
)

Document: TypeAlias = "dict[str, Any]"

RUN = pytest.mark.gen_test(timeout=60)
ASKED_BY: ContextVar[str] = ContextVar("ASKED_BY", default="nobody")


class Query:
    def __init__(self, ids: Collection[str]) -> None:
        self.ids = sorted(ids)
        self.asked_by = ASKED_BY.get()
        self.reply: asyncio.Future[Mapping[str, Document]] = asyncio.Future()

    def answer(self, version: int = 1) -> None:
        self.reply.set_result({id: {"_id": id, "version": version} for id in self.ids})


class Store:
    """Hands each query to the test, which answers it."""

    def __init__(self) -> None:
        self.queries: asyncio.Queue[Query] = asyncio.Queue()
        self.reads = SharedReads(self.find, timeout=20.0, late=1000.0)
        self.began: list[asyncio.Task[Any]] = []

    async def find(self, ids: Collection[str]) -> Mapping[str, Document]:
        query = Query(ids)
        self.queries.put_nowait(query)
        return await query.reply

    async def begin(self, ids: Iterable[str]) -> list[asyncio.Task[Document | None]]:
        began = [asyncio.create_task(self.reads.read(id)) for id in ids]
        self.began += began
        await asyncio.sleep(0)
        return began

    async def stop(self) -> None:
        for task in self.began:
            task.cancel()
        await outcomes(self.began)
        await self.reads.close()

    async def busy(self) -> list[Query]:
        """As many queries as there may be at once, each by a reader alone."""
        self.alone = await self.begin(f"busy{number}" for number in range(MAX_QUERIES))
        return [await self.queries.get() for _ in self.alone]

    async def batch(self, ids: Iterable[str]) -> tuple[list[asyncio.Task[Document | None]], Query]:
        """A query for several that is under way, and those who wait for it."""
        first, *_ = await self.busy()
        waiting = await self.begin(ids)
        first.answer()
        return waiting, await self.queries.get()


def version(found: Document | None) -> int:
    assert found is not None
    return int(found["version"])


async def outcomes(tasks: Iterable[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def store(io_loop: IOLoop) -> Iterator[Store]:
    yield (made := Store())
    io_loop.run_sync(made.stop)


def own_tasks() -> list[Any]:
    return [task for task in asyncio.all_tasks() if "SharedReads._" in str(task.get_coro())]


@RUN
async def test_what_comes_in_meanwhile_goes_together_and_each_gets_its_own(store: Store) -> None:
    waiting, query = await store.batch(["a", "b", "a", "absent"])
    assert query.ids == ["a", "absent", "b"]
    query.reply.set_result({"a": {"_id": "a"}, "b": {"_id": "b"}})
    assert await outcomes(waiting) == [{"_id": "a"}, {"_id": "b"}, {"_id": "a"}, None]
    assert store.queries.empty()


@RUN
async def test_a_read_is_never_answered_from_a_query_that_began_before_it(store: Store) -> None:
    other, own = await store.busy()
    other.ids = own.ids = ["a"]
    [early] = await store.begin(["a"])
    other.answer(version=1)
    query = await store.queries.get()
    [late] = await store.begin(["a"])
    query.answer(version=2)
    own.answer(version=2)
    assert version(await early) == 2
    assert not late.done()
    (await store.queries.get()).answer(version=3)
    assert version(await late) == 3


@RUN
async def test_round_trips_are_bounded_in_size_and_in_number(store: Store) -> None:
    busy = await store.busy()
    waiting = await store.begin(f"{number:03}" for number in range(3 * MAX_BATCH_SIZE))
    for query in busy:
        query.answer()
    sizes = []
    for query in [await store.queries.get() for _ in range(MAX_QUERIES)]:
        assert store.queries.empty()
        sizes.append(len(query.ids))
        query.answer()
    (last := await store.queries.get()).answer()
    assert [*sizes, len(last.ids)] == [MAX_BATCH_SIZE] * 3
    answers = [found["_id"] for found in await asyncio.gather(*waiting) if found]
    assert answers == [f"{number:03}" for number in range(3 * MAX_BATCH_SIZE)]
    await store.begin(["after"])
    assert (await store.queries.get()).ids == ["after"]


@RUN
async def test_an_unreadable_document_fails_its_own_reader_alone(store: Store) -> None:
    waiting, query = await store.batch(["a", "bad", "c"])
    query.reply.set_exception(ValueError("one of them"))
    for _ in waiting:
        query = await store.queries.get()
        if query.ids == ["bad"]:
            query.reply.set_exception(ValueError("this one"))
        else:
            query.answer()
    a, bad, c = await outcomes(waiting)
    assert (a["_id"], str(bad), c["_id"]) == ("a", "this one", "c")


@RUN
async def test_an_outage_is_everybodys_and_no_two_share_an_error(store: Store) -> None:
    waiting, query = await store.batch(["a", "b", "a"])
    query.reply.set_exception(AutoReconnect("gone"))
    errors = await outcomes(waiting)
    assert [type(error) for error in errors] == [StorageUnavailable] * 3
    assert len({id(error) for error in errors}) == 3
    assert {str(error.__cause__) for error in errors} == {"gone"}
    assert store.queries.empty()


@RUN
async def test_a_reader_who_gives_up_takes_nobody_elses_answer(store: Store) -> None:
    waiting, query = await store.batch(["a", "a", "b"])
    waiting[0].cancel()
    await asyncio.sleep(0)
    query.answer()
    gone, *answers = await outcomes(waiting)
    assert isinstance(gone, asyncio.CancelledError)
    assert [found["_id"] for found in answers] == ["a", "b"]


@RUN
async def test_a_reader_alone_who_gives_up_makes_room_for_those_who_wait(store: Store) -> None:
    await store.busy()
    gone, left = await store.begin(["gone", "left"])
    gone.cancel()
    store.alone[0].cancel()
    query = await store.queries.get()
    assert query.ids == ["left"], "who has given up before is not asked for"
    query.answer()
    assert version(await left) == 1


@RUN
async def test_nobody_waits_longer_than_the_timeout_and_nobody_fails_for_it_but_the_oldest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    first, *_ = await store.busy()
    [old] = await store.begin(["old"])
    monkeypatch.setattr(loop, "time", lambda: began + 19)
    [young] = await store.begin(["young"])
    monkeypatch.setattr(loop, "time", lambda: began + 21)
    with pytest.raises(StorageUnavailable):
        await old
    first.answer()
    query = await store.queries.get()
    assert query.ids == ["young"]
    query.answer()
    assert version(await young) == 1


@RUN
async def test_a_round_trip_that_is_broken_off_leaves_nobody_without_an_answer(
    store: Store,
) -> None:
    waiting, _ = await store.batch(["a", "b"])
    [later] = await store.begin(["later"])
    own_tasks()[0].cancel()
    assert {type(error) for error in await outcomes(waiting)} == {StorageUnavailable}
    (await store.queries.get()).answer()
    assert version(await later) == 1


@RUN
async def test_late_queries_keep_nobody_waiting_and_are_bounded_in_number(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    store.reads = SharedReads(store.find, timeout=1000.0, late=1.0)
    opened = await store.busy()
    waiting = await store.begin(["a", "b"])

    async def pass_time(seconds: float) -> None:
        monkeypatch.setattr(loop, "time", lambda: began + seconds)
        for _ in range(5):
            await asyncio.sleep(0)

    await pass_time(0.9)
    assert store.queries.empty()
    await pass_time(1.1)
    opened.append(together := store.queries.get_nowait())
    assert together.ids == ["a", "b"]
    for number in range(2, 20):
        await store.begin([f"{number}"])
        await pass_time(number * 2)
        while not store.queries.empty():
            opened.append(store.queries.get_nowait())
    assert len(opened) == MAX_OPEN_QUERIES
    together.answer()
    assert [version(found) for found in await outcomes(waiting)] == [1, 1]
    assert len(store.queries.get_nowait().ids) == 20 - 2 - (MAX_OPEN_QUERIES - 3)


@RUN
async def test_who_waits_does_not_inherit_the_context_of_who_came_before(store: Store) -> None:
    ASKED_BY.set("somebody, with a deadline")
    _, query = await store.batch(["a"])
    assert query.asked_by == "nobody"


@RUN
async def test_close_answers_who_waits_and_leaves_no_task(store: Store) -> None:
    asked, _ = await store.batch(["asked"])
    queued = await store.begin(["queued"])
    await store.reads.close()
    assert own_tasks() == []
    errors = await outcomes([*asked, *queued])
    assert [error.detail for error in errors] == [
        "The read was interrupted.",
        "The connection to the database is being closed.",
    ]

"""What is received is bounded for each request and for the process, and given back."""

from __future__ import annotations

import pytest

from aiconfig_plugin.errors import BodyTooLarge, StorageUnavailable, UnsupportedMediaType
from aiconfig_plugin.http.body import (
    MAX_BODY_BYTES,
    MAX_DRAINED_BYTES,
    MIB,
    BodyBudget,
    BodyReader,
    require_media_type,
)

PIECE = b"x" * 65_536


def receive(reader: BodyReader, size: int) -> None:
    for _ in range(size // len(PIECE)):
        reader.receive(PIECE)
    reader.receive(PIECE[: size % len(PIECE)])


def budget(total: int = 100, reserved: int = 20, small: int = 10) -> BodyBudget:
    return BodyBudget(total, reserved=reserved, small=small)


def room(of: BodyBudget, *, large: bool) -> int:
    return next(n for n in range(101, -1, -1) if of.has(n, large=large))


@pytest.mark.parametrize("announced", [None, MIB])
def test_a_body_may_have_one_mebibyte_and_no_byte_more(announced: int | None) -> None:
    reader = BodyReader(BodyBudget(), announced)
    reader.check_announced()
    receive(reader, MAX_BODY_BYTES)
    assert len(reader.read()) == MAX_BODY_BYTES == MIB
    with pytest.raises(BodyTooLarge):
        reader.receive(b"x")
    with pytest.raises(BodyTooLarge):
        BodyReader(BodyBudget(), MIB + 1).check_announced()


def test_what_follows_a_refusal_is_dropped_up_to_a_limit() -> None:
    shared = BodyBudget()
    reader = BodyReader(shared, None)
    with pytest.raises(BodyTooLarge):
        receive(reader, MAX_BODY_BYTES + 1)
    receive(reader, MAX_DRAINED_BYTES - MAX_BODY_BYTES - 1)
    assert (reader.read(), reader.is_overlong()) == (b"", False)
    assert shared.has(64 * MIB, large=False)
    with pytest.raises(BodyTooLarge):
        reader.receive(b"x")
    assert reader.is_overlong()


@pytest.mark.parametrize("announced", [None, 5 * MIB, MAX_DRAINED_BYTES])
def test_a_method_without_a_body_keeps_nothing_of_one(announced: int | None) -> None:
    shared = BodyBudget()
    reader = BodyReader(shared, announced, keep=False)
    reader.check_announced()
    receive(reader, MAX_DRAINED_BYTES)
    assert reader.read() == b""
    assert shared.has(64 * MIB, large=False)
    with pytest.raises(BodyTooLarge):
        reader.receive(b"x")
    with pytest.raises(BodyTooLarge):
        BodyReader(shared, MAX_DRAINED_BYTES + 1, keep=False).check_announced()


def test_all_bodies_share_the_budget_and_small_ones_have_a_part_for_themselves() -> None:
    shared = budget()
    large = [BodyReader(shared, 40), BodyReader(shared, None)]
    for reader in large:
        reader.receive(b"x" * 40)
    for refused in (BodyReader(shared, 11), BodyReader(shared, None)):
        with pytest.raises(StorageUnavailable) as caught:
            refused.receive(b"x")
        assert (caught.value.retry_after, caught.value.outcome) == (1, "nothing-changed")
    with pytest.raises(StorageUnavailable):
        BodyReader(shared, 11).check_announced()
    small = [BodyReader(shared, 10), BodyReader(shared, 10)]
    for reader in small:
        reader.check_announced()
        reader.receive(b"x" * 10)
    with pytest.raises(StorageUnavailable):
        BodyReader(shared, 1).receive(b"x")
    assert [len(reader.read()) for reader in (*large, *small)] == [40, 40, 10, 10]


@pytest.mark.parametrize(("announced", "large"), [(40, True), (None, True), (10, False)])
def test_the_share_is_given_back_once(announced: int | None, large: bool) -> None:
    shared = budget()
    reader = BodyReader(shared, announced)
    reader.receive(b"x" * 10)
    assert (room(shared, large=False), room(shared, large=True)) == (90, 70 if large else 80)
    reader.close()
    reader.close()
    assert (room(shared, large=False), room(shared, large=True)) == (100, 80)
    reader.receive(b"x")  # What comes after is dropped.
    assert reader.read() == b""


def test_a_refused_body_gives_back_what_it_had() -> None:
    shared = budget()
    first, second = BodyReader(shared, 80), BodyReader(shared, 80)
    first.receive(b"x" * 50)
    second.receive(b"x" * 30)
    with pytest.raises(StorageUnavailable):
        second.receive(b"x")
    assert room(shared, large=True) == 30
    first.receive(b"x" * 30)


def test_the_budget_of_a_process_is_64_mib_with_8_for_bodies_up_to_64_kib() -> None:
    shared = BodyBudget()
    assert shared.small == 65_536
    assert shared.has(56 * MIB, large=True) and not shared.has(56 * MIB + 1, large=True)
    assert shared.has(64 * MIB, large=False) and not shared.has(64 * MIB + 1, large=False)


@pytest.mark.parametrize(
    "media_type",
    [
        *("application/json", "application/json;charset=UTF-8"),
        *("Application/JSON", "application/json ; x=y"),
    ],
)
@pytest.mark.parametrize("coding", [{}, {"Content-Encoding": "Identity"}])
def test_json_is_taken_whatever_its_parameters_and_case(
    media_type: str, coding: dict[str, str]
) -> None:
    require_media_type({"Content-Type": media_type, **coding}, "application/json")


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *(
            {"Content-Type": media_type}
            for media_type in (
                *("", "text/plain", "text/json", "application/x-www-form-urlencoded"),
                *("multipart/form-data; boundary=x", "application/problem+json"),
                *("application/merge-patch+json", "application/jsonp"),
                "text/plain; application/json",
            )
        ),
        *({**JSON, "Content-Encoding": c} for c in ("gzip", "GZIP", "br", "identity, gzip")),
        {**JSON, "X-Consumed-Content-Encoding": "gzip"},
        {**JSON, "X-Consumed-Content-Encoding": "gzip", "Content-Encoding": "identity"},
    ],
    ids=str,
)
def test_any_other_type_or_coding_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        require_media_type(headers, "application/json")

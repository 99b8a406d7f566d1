"""Whatever is searched or walked on a request's account takes time in proportion to its length.

Below :data:`~aiconfig_plugin.http.strict_json.MAX_VALUES` and with no bound on the length.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from aiconfig_plugin.errors import AIConfigError, InvalidToken, MalformedJSON
from aiconfig_plugin.http import entity_tags, strict_json
from aiconfig_plugin.http.challenge import challenge
from aiconfig_plugin.http.strict_json import MAX_VALUES, read_json
from aiconfig_plugin.http.validation import parse_submission
from tests.support.growth import assert_linear

UNITS = {
    "blanks": " ",
    "tabs and commas": "\t,",
    "quotes": '"',
    "tags": '"a", ',
    "weak tags": 'W/"a",',
    "weak signs": "W/",
    "tags that are not separated": '"a" ',
}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
@pytest.mark.parametrize("around", ["{}", '"a"{}"b"', '"{}', '"a",{}x'])
@pytest.mark.parametrize("compare", [entity_tags.if_match, entity_tags.if_none_match])
def test_entity_tags(
    monkeypatch: pytest.MonkeyPatch, unit: str, around: str, compare: Callable[..., object]
) -> None:
    monkeypatch.setattr(entity_tags, "MAX_LENGTH", 10**9)
    more = ("other",) if compare is entity_tags.if_none_match else ()
    assert_linear(
        lambda header: compare(header, *more), lambda size: around.format(unit * size), 5000
    )


def submit(raw: bytes) -> None:
    with contextlib.suppress(AIConfigError):
        parse_submission(raw)


def with_models(models: list[Any], **members: Any) -> bytes:
    return json.dumps({"models": models, "system_prompt": "", **members}).encode()


def entries(**members: Any) -> list[dict[str, Any]]:
    return [{"provider": "p", "type": "t", "isPaid": 0, **members}] * 50


BODIES: dict[str, Callable[[int], bytes]] = {
    "entries": lambda n: with_models([{}] * n),
    "lists": lambda n: with_models([[]] * n),
    "members of the body": lambda n: with_models(entries(), **{str(i): 0 for i in range(n)}),
    "members of the entries": lambda n: with_models(entries(**{str(i): 0 for i in range(n // 50)})),
    "a prompt": lambda n: with_models([], system_prompt="x" * 50 * n),
    "quotes": lambda n: with_models([], system_prompt='"' * 20 * n),
    "backslashes": lambda n: with_models([], system_prompt="\\" * 20 * n),
    "escapes": lambda n: with_models([], system_prompt="\u20ac" * 20 * n),
    "values of another type": lambda n: with_models(entries(model=[0] * (n // 50))),
    "deep lists": lambda n: b"[" * 30 + b",".join([b"[]"] * n) + b"]" * 30,
    "an unclosed string": lambda n: b'"' + b'\\"' * 20 * n,
    "blanks": lambda n: b" " * 50 * n,
    "brackets": lambda n: b"[" * 50 * n,
    **{
        f"{name} of {what}": lambda n, name=name, unit=unit: with_models(
            [{"isPaid": True, "model": "m", "provider": "p", "type": "t", name: unit * 10 * n}]
        )
        for name in ("provider", "type", "apiKeyEncrypted")
        for what, unit in {"blanks": " ", "letters": "a", "both": "a ", "marks": "\ufeff"}.items()
    },
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES.keys())
def test_bodies(make: Callable[[int], bytes]) -> None:
    submit(b"{}")  # compiles the schemas
    assert_linear(submit, make, 1500)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: b"[" + b"0," * n,
        lambda n: b"{}" * n,
        lambda n: b'"' * n,
        lambda n: b'"' + b"," * n,
        lambda n: b'\\"' * n + b"," * n,
    ],
)
def test_bodies_of_more_values_than_are_parsed(make: Callable[[int], bytes]) -> None:
    assert_linear(submit, make, MAX_VALUES + 1)


def test_a_body_of_too_many_values_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(read_json(b"[" + b"0," * (MAX_VALUES - 2) + b"0]")) == MAX_VALUES - 1
    monkeypatch.setattr(strict_json, "_decode", None)
    for raw in (
        b"[" + b"0," * MAX_VALUES + b"0]",
        b"[" * (MAX_VALUES + 1),
        b"[" + b'"",' * MAX_VALUES + b'""]',
        b'["\\\\",' + b"0," * MAX_VALUES + b"0]",
    ):
        with pytest.raises(MalformedJSON, match="100000 values"):
            read_json(raw)


@pytest.mark.parametrize("text", [",[{" * 60_000, '\\",' * 120_000, "\\\\" + "," * 120_000])
def test_what_stands_in_a_string_is_no_value(text: str) -> None:
    raw = json.dumps({"system_prompt": text}).encode()
    assert read_json(raw) == {"system_prompt": text}


@pytest.mark.parametrize("unit", ['"', "a", "\\", "\r\n", "\u20ac"])
def test_challenges(unit: str) -> None:
    assert_linear(challenge, lambda size: InvalidToken(unit * size), 20_000)

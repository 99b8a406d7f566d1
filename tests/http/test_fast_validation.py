"""jsonschema-rs passes what jsonschema passes and no more, and jsonschema has the last word."""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aiconfig_plugin.errors import MalformedJSON, SchemaViolation
from aiconfig_plugin.http import schema_check, validation
from aiconfig_plugin.http.schema_check import load_schema
from aiconfig_plugin.http.validation import parse_submission

ENTRY = {"provider": "p", "type": "t", "model": "m", "apiKeyEncrypted": "k", "isPaid": True}
GOOD = {"models": [ENTRY], "system_prompt": ""}
MEMBERS = load_schema("entry")["properties"]
PATTERNS = {name: MEMBERS[name]["pattern"] for name in MEMBERS if "pattern" in MEMBERS[name]}
# All of the basic plane, and a sample of the others.
CODE_POINTS = [*range(0xD800), *range(0xE000, 0x10000), *range(0x10000, 0x110000, 101)]
SPACES = [chr(point) for point in CODE_POINTS if chr(point).isspace()]


@pytest.fixture
def afresh() -> Iterator[None]:
    """Let a test see another jsonschema_rs than the rest of them."""
    validation._fast_validator.cache_clear()
    yield
    validation._fast_validator.cache_clear()


def both(document: Any) -> tuple[bool, bool]:
    slow = schema_check._validator("config")
    return validation._fast_validator()(document), slow.is_valid(document)


def test_every_pattern_is_one_of_those_that_are_compared() -> None:
    files = [json.dumps(load_schema(name)) for name in ("config", "entry")]
    # The names of options are ASCII by their pattern, which both dialects read alike.
    assert "".join(files).count('"pattern"') == len(PATTERNS) == 4
    assert PATTERNS["provider"] == PATTERNS["model"] == PATTERNS["label"]


@pytest.mark.parametrize("name", ["model", "type"])  # The others have model's.
@pytest.mark.parametrize("place", ["{}a", "a{}", "a{}a"])
def test_both_regex_dialects_agree_on_every_character(name: str, place: str) -> None:
    passes, search = validation._fast_validator(), schema_check._ecma_262(PATTERNS[name]).search

    def document(texts: list[str]) -> Any:
        return {"models": [{**ENTRY, name: text} for text in texts], "system_prompt": ""}

    texts = [place.format(chr(point)) for point in CODE_POINTS]
    fitting = [text for text in texts if search(text)]
    for start in range(0, len(fitting), 100):  # They pass together,
        assert passes(document(fitting[start : start + 100]))
    refused = [text for text in texts if not search(text)]
    for text in refused[:5000] + refused[5000::11]:  # and each of these fails by itself.
        assert not passes(document([text]))


edges = st.sampled_from(["", "\n", "\r\n", "\0", "\x1f", "\x7f", "\x85", "\u180e", "\u200b"]) | (
    st.sampled_from([*SPACES, "\ufeff"]) | st.characters(codec="utf-8")
)
units = st.sampled_from(["x", "7", "\u00e9", "e\u0301", "\u2028", "\U0001f511", "\U0010ffff"])


def lengths_about(limit: int) -> st.SearchStrategy[int]:
    return st.integers(max(limit - 2, 0), limit + 1) | st.integers(0, 3)


def texts(limit: int) -> st.SearchStrategy[str]:
    """Texts of one unit, with something at either end, some of them just about ``limit`` long."""
    return st.builds(
        lambda start, unit, times, end: start + unit * times + end,
        edges, units, lengths_about(limit), edges,
    )  # fmt: skip


def words(limit: int) -> st.SearchStrategy[str]:
    characters = st.characters(
        codec="utf-8", exclude_categories=["Cc", "Z"], exclude_characters="\ufeff"
    )
    return st.text(characters, min_size=1, max_size=limit)


fitting_entries = st.fixed_dictionaries(
    {
        "provider": words(64),
        "type": st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
        "model": words(200),
        "isPaid": st.booleans(),
    },
    optional={
        "apiKeyEncrypted": st.none() | st.text(st.characters(codec="utf-8"), min_size=1),
    },
)
fitting = st.fixed_dictionaries(
    {
        "models": st.lists(fitting_entries, min_size=1, max_size=3)
        | fitting_entries.map(lambda entry: [entry] * 100),
        "system_prompt": st.text(st.characters(codec="utf-8")),
    }
)
numbers = st.sampled_from([0, 1, -1, 1.0, 0.0, -0.0, 1e308, math.inf, -math.inf]) | st.sampled_from(
    [2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, -(10**4000)]
)
odd = st.one_of(
    st.none(), st.booleans(), numbers, texts(1), st.just([]), st.just({}), st.just([None]),
    st.just([ENTRY]), st.just(ENTRY), st.just([ENTRY] * 101), st.sampled_from(["true", "null"]),
)  # fmt: skip
limited = st.sampled_from(["provider", "type", "model", "apiKeyEncrypted"]).flatmap(
    lambda name: st.tuples(st.just(name), texts(MEMBERS[name]["maxLength"]))
)
names = st.sampled_from([*ENTRY, *GOOD, "Type", "type\n", "", "$ref", "$schema", "\0"])
# What is put where: in the n-th entry of models, or in the body itself (None).
changes = st.one_of(
    st.tuples(st.integers(0, 99), limited),
    st.tuples(st.integers(0, 99), st.tuples(names, odd)),
    st.tuples(st.none(), st.tuples(names, odd)),
    st.tuples(st.none(), st.tuples(st.just("system_prompt"), texts(32_768))),
    st.tuples(st.none() | st.integers(0, 99), st.tuples(names, st.just(...))),  # taken out
)


def changed(document: dict[str, Any], change: tuple[int | None, tuple[str, Any]]) -> dict[str, Any]:
    document = copy.deepcopy(document)
    place, (name, value) = change
    models = document.get("models")
    target: Any = document
    if place is not None and isinstance(models, list) and models:
        target = models[place % len(models)]
    if not isinstance(target, dict):
        return document
    if value is ...:
        target.pop(name, None)
    else:
        target[name] = value
    return document


thorough = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(thorough, max_examples=100)
@given(fitting)
def test_what_fits_passes_at_once(document: Any) -> None:
    assert both(document) == (True, True)


@thorough
@given(fitting, st.lists(changes, min_size=1, max_size=3))
def test_near_the_schema_both_judge_alike(document: Any, several: list[Any]) -> None:
    for change in several:
        document = changed(document, change)
    fast, slow = both(document)
    assert fast == slow


@thorough
@given(st.sampled_from(sorted(ENTRY)), odd)
@example("apiKeyEncrypted", math.inf)  # what JSON's 1e400 is in Python
@example("isPaid", 1)
@example("type", "chat\n")
@example("provider", "OpenAI\n")
def test_any_value_in_an_entry_is_judged_alike(name: str, value: Any) -> None:
    fast, slow = both({"models": [{**ENTRY, name: value}], "system_prompt": ""})
    assert fast == slow


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


def refuse_to_be_asked(_document: Any) -> bool:
    raise AssertionError("asked for what is settled")


def test_jsonschema_decides_about_what_does_not_pass_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(validation, "check_schema", refuse_to_be_asked)
        assert parse_submission(raw(GOOD)).models[0].provider == "p"
    monkeypatch.setattr(validation, "_fast_validator", lambda: lambda _document: False)
    assert parse_submission(raw(GOOD)).models[0].provider == "p"
    with pytest.raises(SchemaViolation):
        parse_submission(raw({**GOOD, "models": [1]}))


@pytest.mark.parametrize("text", ["[" * 33 + "]" * 33, '{"models":1,"models":1}', "[NaN]"])
def test_what_is_not_safe_json_reaches_no_validator(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "_fast_validator", lambda: refuse_to_be_asked)
    with pytest.raises(MalformedJSON):
        parse_submission(text.encode())


def test_the_entries_of_a_list_that_is_too_long_are_not_looked_at() -> None:
    unlike_json = object()
    with pytest.raises(ValueError):
        validation._fast_validator()({**GOOD, "models": [unlike_json] * 100})
    assert not validation._fast_validator()({**GOOD, "models": [unlike_json] * 101})


def test_a_release_that_cannot_be_kept_offline_is_not_used(
    monkeypatch: pytest.MonkeyPatch, afresh: None
) -> None:
    class Older:
        def __init__(self, schema: Any) -> None: ...

        def is_valid(self, document: Any) -> bool:
            return True

    monkeypatch.setitem(sys.modules, "jsonschema_rs", SimpleNamespace(Draft202012Validator=Older))
    with pytest.raises(SchemaViolation):
        parse_submission(b"{}")

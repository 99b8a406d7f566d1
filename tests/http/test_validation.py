"""What a request body may be: the named vectors, and that no answer repeats what was sent."""

from __future__ import annotations

import functools
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiconfig_plugin.domain.model import ABSENT, Submission, SubmittedEntry
from aiconfig_plugin.errors import AIConfigError, MalformedJSON, SchemaViolation
from aiconfig_plugin.http import schema_check, validation
from aiconfig_plugin.http.strict_json import read_json
from aiconfig_plugin.http.validation import parse_submission

Vector: TypeAlias = dict[str, Any]

FILE = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bodies.json").read_text(encoding="utf-8")
)
VECTORS: list[Vector] = FILE["vectors"]
GOOD: dict[str, Any] = FILE["good"]


@pytest.fixture(scope="module", params=["jsonschema_rs", "jsonschema alone"], autouse=True)
def installed(request: pytest.FixtureRequest) -> Iterator[None]:
    """All of this holds where the extra ``speed`` is installed and where it is not."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "jsonschema alone":
            patch.setitem(sys.modules, "jsonschema_rs", None)
        validation._fast_validator.cache_clear()
        yield
    validation._fast_validator.cache_clear()


def expand(value: Any) -> Any:
    """Return a value of a vector with every ``$repeat`` in it carried out."""
    if isinstance(value, dict) and "$repeat" in value:
        unit, times = value["$repeat"]
        return unit * times if isinstance(unit, str) else [expand(unit)] * times
    if isinstance(value, dict):
        return {name: expand(member) for name, member in value.items()}
    return [expand(item) for item in value] if isinstance(value, list) else value


def raw(vector: Vector) -> bytes:
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    if "text" in vector:
        text = expand(vector["text"])
        return (text if isinstance(text, str) else "".join(text)).encode("utf-8")
    body = expand(vector["body"]) if "body" in vector else with_entry(vector)
    return json.dumps(body, ensure_ascii=False).encode("utf-8")


def with_entry(vector: Vector) -> dict[str, Any]:
    entry = {**GOOD, **expand(vector.get("entry", {}))}
    for name in vector.get("without", []):
        del entry[name]
    return {"models": [entry], "system_prompt": ""}


def named(*problems: str | None) -> Any:
    fitting = [vector for vector in VECTORS if vector.get("problem") in problems]
    assert fitting
    return pytest.mark.parametrize("vector", fitting, ids=lambda vector: vector["name"])


def as_submission(body: dict[str, Any]) -> Submission:
    entries = [
        SubmittedEntry(
            entry["provider"],
            entry["type"],
            entry["model"],
            entry["isPaid"],
            entry.get("apiKeyEncrypted", ABSENT),
        )
        for entry in body["models"]
    ]
    return Submission(tuple(entries), body["system_prompt"])


@named(None)
def test_a_body_that_fits_means_what_it_says(vector: Vector) -> None:
    submission = parse_submission(raw(vector))
    assert submission == as_submission(json.loads(raw(vector)))
    assert all(type(entry.is_paid) is bool for entry in submission.models)


@named("schema-violation")
def test_every_violation_is_told_in_document_order(vector: Vector) -> None:
    with pytest.raises(SchemaViolation) as caught:
        parse_submission(raw(vector))
    assert [[v.pointer, v.code] for v in caught.value.violations] == vector["errors"]
    assert all(v.detail.endswith(".") for v in caught.value.violations)


@named("malformed-json")
def test_what_is_not_safe_json_is_refused_before_any_schema(vector: Vector) -> None:
    for read in (read_json, parse_submission):
        with pytest.raises(MalformedJSON) as caught:
            read(raw(vector))
        assert caught.value.detail.endswith(".")


def test_every_vector_is_of_a_known_kind_and_named_once() -> None:
    kinds = {vector.get("problem") for vector in VECTORS}
    assert kinds == {None, "schema-violation", "malformed-json"}
    names = [vector["name"] for vector in VECTORS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a":1,"a":2}', "twice"),
        ("NaN", "NaN"),
        ("[" * 33 + "]" * 33, "32 deep"),
        ("[" * 100_000, "32 deep"),
        ("9" * 5000, "number"),
        (r'"\ud800"', "UTF-8"),
        ('{"a":1,\n "b" 2}', "line 2, column 6"),
    ],
)
def test_a_detail_says_why_it_is_malformed(text: str, words: str) -> None:
    with pytest.raises(MalformedJSON, match=words):
        read_json(text.encode())


def test_a_detail_says_what_the_schema_asks_for() -> None:
    body = {
        "models": [{"type": "T" * 33, "model": "", "provider": " ", "apiKeyEncrypted": 1, "x": 1}],
        "system_prompt": "x" * 32_769,
    }
    with pytest.raises(SchemaViolation) as caught:
        parse_submission(json.dumps(body).encode())
    details = {(v.pointer, v.code): v.detail for v in caught.value.violations}
    assert details == {
        ("/models/0", "required"): "The member isPaid is missing.",
        ("/models/0", "additionalProperties"): "Only these members are allowed: "
        "provider, type, model, apiKeyEncrypted, isPaid, label, enabled, baseUrl, options.",
        ("/models/0/type", "maxLength"): "Must have at most 32 characters.",
        ("/models/0/type", "pattern"): "Must begin with a lower-case letter and go on with "
        "lower-case letters, digits, _ or -.",
        ("/models/0/model", "minLength"): "Must not be empty.",
        ("/models/0/provider", "pattern"): "Must hold no control characters and no white space at "
        "either end.",
        ("/models/0/apiKeyEncrypted", "type"): "Must be string or null.",
        ("/system_prompt", "maxLength"): "Must have at most 32768 characters.",
    }


def test_nesting_of_32_is_read_and_33_is_not() -> None:
    document: Any = "core"
    for _ in range(16):
        document = [{"a": document}]
    text = json.dumps(document)
    assert read_json(text.encode()) == document
    with pytest.raises(MalformedJSON):
        read_json(f"[{text}]".encode())
    with pytest.raises(MalformedJSON):
        read_json(f'{{"a":1,"b":{text},"c":2}}'.encode())


def test_depth_is_not_width() -> None:
    assert read_json(b"[" + b"[]," * 5000 + b"{}]")[-1] == {}


def test_a_submission_shows_neither_a_key_nor_the_prompt() -> None:
    entry = {**GOOD, "apiKeyEncrypted": "hush-0f9b"}
    body = json.dumps({"models": [entry], "system_prompt": "hush-0f9b"}).encode()
    submission = parse_submission(body)
    assert submission.models[0].api_key_encrypted == "hush-0f9b"
    assert "0f9b" not in repr(submission) + str(submission)


# A mark that no schema, message or source line holds; it stands in every place of a body.
MARK = "Zq7Xv0Kw"
MARKED_NUMBER = 8157320964
MEMBERS = [*GOOD, "models", "system_prompt", "$ref", "__proto__"]

marked_text = st.builds(
    lambda before, after: before + MARK + after,
    st.text(st.characters(codec="utf-8"), max_size=3),
    st.sampled_from(["", "\n", " ", "\x85", "\u00a0", MARK * 9, "'", '"', "\\", "/", "~1", "%s"]),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.just(MARKED_NUMBER), st.just(-MARKED_NUMBER / 7), marked_text
)
names = st.one_of(st.sampled_from(MEMBERS), marked_text)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
    max_leaves=12,
)
entries = st.one_of(
    anything,
    st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, anything)).flatmap(
        lambda entry: st.dictionaries(names, anything, max_size=2).map(lambda more: more | entry)
    ),
)
bodies = st.one_of(
    anything,
    st.fixed_dictionaries(
        {"models": st.lists(entries, max_size=4), "system_prompt": anything},
        optional={MARK: anything},
    ),
)


def told(error: AIConfigError) -> Iterator[str]:
    """Everything that an error may bring to a client, or to the log."""
    yield from (error.detail, str(error), repr(error), error.title, error.code)
    yield "".join(traceback.format_exception(error))
    for violation in getattr(error, "violations", ()):
        yield from (repr(violation), violation.pointer, violation.code, violation.detail)


def assert_nothing_is_repeated(error: AIConfigError) -> None:
    for text in told(error):
        assert MARK not in text
        assert str(MARKED_NUMBER) not in text
        assert str(-MARKED_NUMBER / 7) not in text


thorough = functools.partial(
    settings,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@thorough(max_examples=150)
@given(bodies, st.booleans())
def test_no_refusal_repeats_what_was_submitted(body: Any, ascii_only: bool) -> None:
    try:
        parse_submission(json.dumps(body, ensure_ascii=ascii_only).encode())
    except SchemaViolation as error:
        assert error.violations
        assert_nothing_is_repeated(error)


@thorough(max_examples=150)
@given(
    bodies,
    st.sampled_from(
        ["", "x", '"', "\\", "\\u", "\\ud800", "\n", ",", "}", "NaN", "\x00", "\ufeff"]
    ),
    st.integers(0, 10_000),
    st.booleans(),
)
def test_no_refusal_of_broken_json_repeats_it(
    body: Any, junk: str, place: int, cut_off: bool
) -> None:
    text = json.dumps(body, ensure_ascii=False)
    place %= len(text) + 1
    broken = text[:place] + junk + ("" if cut_off else text[place:])
    try:
        read_json(broken.encode())
    except MalformedJSON as error:
        assert_nothing_is_repeated(error)


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_malformed(body: bytes) -> None:
    try:
        document = read_json(body)
    except MalformedJSON:
        return
    assert document == json.loads(body.decode("utf-8"))


def test_a_twice_given_member_is_not_named() -> None:
    with pytest.raises(MalformedJSON) as caught:
        read_json(f'{{"{MARK}":1,"{MARK}":2}}'.encode())
    assert_nothing_is_repeated(caught.value)


def test_the_first_body_waits_for_no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    validation.compile_schemas()
    monkeypatch.setattr(validation, "load_schema", None)
    monkeypatch.setattr(schema_check, "load_schema", None)
    with pytest.raises(SchemaViolation):
        parse_submission(b"{}")

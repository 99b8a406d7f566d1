"""Bodies, headers, queries and include lists, generated; and a few that are known to hurt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import share
from tests.fuzz.target import Target

API = "/api/v1"
CREATE, READ, UPDATE, DELETE = (
    f"{API}/{verb}/ai-model-config" for verb in ("create", "get", "update", "delete")
)
WRITES = [("POST", CREATE), ("PUT", UPDATE)]
ROUTES = [*WRITES, ("GET", READ), ("HEAD", READ), ("DELETE", DELETE)]
JSON = {"Content-Type": "application/json"}
KEY = "gAAAAABmY2lwaGVydGV4dCBvZiBhIGNsaWVudA=="

odd = st.sampled_from(
    ["", " ", "$", "$$ROOT", "$where", "a.b", ".", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202e",
     "\ufeff", "\r\n", "\U0001f511" * 64, "__proto__", "x" * 201, "../..", '"', "\\", "%00",
     "eyJ.a.b.c.d", KEY, "sk-" + "a1" * 20]
)  # fmt: skip
texts = odd | st.text(max_size=20) | st.builds(lambda a, b: a + b, odd, st.text(max_size=5))
numbers = st.sampled_from([0, -1, 2**63, 10**400, 1e308, -0.0, 1.5]) | st.integers()
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {
        "provider": st.just("OpenAI") | texts,
        "type": st.just("chat") | texts,
        "model": st.just("gpt-4") | texts,
        "isPaid": st.booleans() | values,
    },
    optional={"apiKeyEncrypted": st.just(KEY) | st.none() | texts, "extra": values},
)
bodies = (
    st.fixed_dictionaries(
        {"models": st.lists(entries, max_size=6) | values, "system_prompt": texts | values},
        optional={"_id": values, "revision": texts, "$set": values},
    )
    | values
)


@given(route=st.sampled_from(WRITES), body=bodies, ascii_only=st.booleans())
@share(40)
def test_any_json_is_stored_or_refused(
    target: Target, route: tuple[str, str], body: Any, ascii_only: bool
) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    target.send(*route, headers=JSON, body=raw)


HURTFUL = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep members": b'{"models":' * 50_000 + b"1" + b"}" * 50_000,
    "unclosed": b"[" * 500_000,
    "a huge number": b'{"models": ' + b"9" * 900_000 + b"}",
    "a huge exponent": b'{"models": 1e999999999, "system_prompt": -1e999999999}',
    "duplicate members": b'{"models": [], "models": [], "system_prompt": ""}',
    "a million members": b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}",
    "many entries": b'{"models": [' + b"{}," * 300_000 + b'{}], "system_prompt": ""}',
    "a lone surrogate": b'{"models": [], "system_prompt": "\\ud800"}',
    "UTF-16": '{"models": []}'.encode("utf-16"),
    "an overlong form": b'{"models": "\xc0\xaf"}',
    "NUL": b'{"models": "\0"}',
    "NaN": b'{"models": [NaN, Infinity, -Infinity]}',
    "10 MB in one string": b'{"system_prompt": "' + b"x" * 10_000_000 + b'", "models": []}',
    "white space alone": b" " * 1_000_000,
    "nothing": b"",
    "many lists": b'{"models": [' + b"[]," * 340_000 + b'[]], "system_prompt": ""}',
    "many numbers": b"[" + b"0," * 520_000 + b"0]",
    "many deep lists": b"[" + b",".join([b"[" * 31 + b"]" * 31] * 16_000) + b"]",
    "long numbers": b"[" + b",".join([b"1" * 4299] * 240) + b"]",
    "many members and violations": (
        b'{"models": ['
        + b",".join([b'{"type": "", "model": 1, "x": 1}'] * 100)
        + b"], "
        + b",".join(b'"%05x": 0' % n for n in range(70_000))
        + b"}"
    ),
    "violations of a megabyte": json.dumps(
        {"models": [{"provider": " " * 5000, "type": "A" * 5000, "isPaid": 1}] * 100}
    ).encode(),
}


@pytest.mark.parametrize("body", HURTFUL.values(), ids=HURTFUL.keys())
@pytest.mark.parametrize("route", WRITES, ids=["POST", "PUT"])
def test_bodies_that_hurt_are_refused(target: Target, route: tuple[str, str], body: bytes) -> None:
    assert target.send(*route, headers=JSON, body=body) in (400, 413, 422)


@given(
    route=st.sampled_from(WRITES),
    body=st.binary(max_size=200)
    | st.text(alphabet='{}[]",:\\ue0+-.tfn\0 ', max_size=60).map(lambda text: text.encode()),
)
@share(10)
def test_any_bytes_are_refused(target: Target, route: tuple[str, str], body: bytes) -> None:
    assert target.send(*route, headers=JSON, body=body) in (400, 422)


header_values = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40
) | st.sampled_from(["", "*", '"a"', 'W/"a"', '"a", "b"', '"' * 500, "," * 500, "\t", '"\\"'])
headers = st.dictionaries(
    st.sampled_from(
        ["If-Match", "If-None-Match", "Content-Type", "Content-Encoding", "Accept", "Origin",
         "Authorization", "Cookie", "X-HTTP-Method-Override", "X-Forwarded-For", "Range",
         "If-Modified-Since", "Accept-Encoding", "X-Request-Id", "traceparent"]
    ),
    header_values | st.just("application/json"),
    max_size=5,
)  # fmt: skip


@given(route=st.sampled_from(ROUTES), headers=headers)
@share(12)
def test_any_headers_are_taken_or_refused(
    target: Target, route: tuple[str, str], headers: dict[str, str]
) -> None:
    body = b'{"models": [], "system_prompt": ""}' if route in WRITES else None
    encoded = {name: value.strip().encode("latin-1") for name, value in headers.items()}
    target.send(*route, headers={**JSON, **encoded}, body=body)


# Long runs, nested quotes, repeated separators: what makes a pattern or a loop go back and forth.
units = st.sampled_from(
    [" ", "\t", '"', "'", ",", ", ", ";", "=", "\\", '\\"', 'W/', 'W/"', '"a",', '"a" ', "a", "a.",
     ".", "eyJ", "eyJ.", "sk-", "Bearer ", "a=", "%", "%22", "-_", "A" * 40 + " ", "\x80", "\xff"]
)  # fmt: skip


def runs(longest: int) -> st.SearchStrategy[str]:
    """Texts of up to ``longest`` characters that are one unit many times, with something around."""
    edges = st.sampled_from(["", "a", '"', "W/", "eyJ", "sk-", "a.", "Bearer ", ","])
    return st.builds(
        lambda before, unit, part, after: (
            before + unit * (part * (longest - 20) // 100 // len(unit)) + after
        ),
        edges, units, st.integers(1, 100), edges,
    )  # fmt: skip


@given(
    route=st.sampled_from(ROUTES),
    header=st.sampled_from(
        ["If-Match", "If-None-Match", "Content-Type", "Content-Encoding", "Authorization", "Origin",
         "Cookie", "Accept", "X-Consumed-Content-Encoding"]
    ),
    value=runs(60_000),
)  # fmt: skip
@share(5)
def test_headers_of_adverse_shape(
    target: Target, route: tuple[str, str], header: str, value: str
) -> None:
    body = b'{"models": [], "system_prompt": ""}' if route in WRITES else None
    sent: dict[str, str | bytes] = {**JSON, header: value.strip().encode("latin-1")}
    target.send(*route, headers=sent, body=body)


@given(route=st.sampled_from(WRITES), key=runs(8192), members=st.integers(1, 100))
@share(5)
def test_keys_of_adverse_shape(
    target: Target, route: tuple[str, str], key: str, members: int
) -> None:
    entry = {"provider": "p", "type": "t", "isPaid": False, "apiKeyEncrypted": key[:8192]}
    models = [{**entry, "model": f"m{n}"} for n in range(members)]
    body = json.dumps({"models": models, "system_prompt": key}).encode()
    target.send(*route, headers=JSON, body=body)


includes = st.sampled_from(["apiKeyEncrypted", "keyState", "apikeyencrypted", "", ",", "%2C"])
query_text = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=30
)


@given(
    route=st.sampled_from(ROUTES[2:]),
    pairs=st.lists(
        st.tuples(
            st.sampled_from(["include", "include[]", "access_token", "%ff", ""]) | query_text,
            st.lists(includes | query_text, max_size=4).map(",".join),
        ),
        max_size=4,
    ),
)
@share(16)
def test_any_query_is_taken_or_refused(
    target: Target, route: tuple[str, str], pairs: list[tuple[str, str]]
) -> None:
    target.send(*route, query="?" + "&".join("=".join(pair) for pair in pairs))


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
    | st.text("ABCXYZ", min_size=1, max_size=10),
    path=st.sampled_from([path for _, path in ROUTES]),
)
@share(3)
def test_any_method_is_answered(target: Target, method: str, path: str) -> None:
    target.send(method, path)


def test_a_configuration_can_still_be_kept(target: Target) -> None:
    target.send("DELETE", DELETE)
    body = {
        "models": [{"provider": "a.b$c", "type": "chat", "model": "$set", "isPaid": True}],
        "system_prompt": "$$ROOT\0",
    }
    raw = json.dumps(body).encode()
    assert target.send("POST", CREATE, headers=JSON, body=raw) == 201
    assert target.send("PUT", UPDATE, headers=JSON, body=raw) == 200
    assert target.send("GET", READ, query="?include=apiKeyEncrypted,keyState") == 200

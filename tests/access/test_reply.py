"""What every reply that servers give means, by the vectors; without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest

from aiconfig_plugin import Principal, Settings
from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.access.reply import read_reply
from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    InvalidToken,
)
from tests.access.conftest import ISSUER, NOW, TOKEN, Make
from tests.support.scripted_server import Reply, ScriptedServer

Vector: TypeAlias = dict[str, Any]

FILE = Path(__file__).parents[1] / "vectors" / "introspection.json"
VECTORS: list[Vector] = json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
PROBLEMS = {
    "invalid-token": InvalidToken,
    "authorization-server-unavailable": AuthorizationServerUnavailable,
    "internal-error": ClientCredentialsRefused,
}
# What the HTTP client does with these is part of what they mean.
ON_THE_WIRE = [v for v in VECTORS if {"Location", "Content-Encoding"} & set(v.get("headers", ()))]


def content(vector: Vector) -> bytes:
    if "reply" in vector:
        return json.dumps(vector["reply"]).encode()
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()


def principal(status: int, body: bytes, **given: Any) -> Principal:
    response = httpx2.Response(status, headers=given.pop("headers", None), content=body)
    active = read_reply(response, Settings(issuer=ISSUER, **given))
    active.check_time(NOW)
    return active.principal


def of(vector: Vector) -> Principal:
    headers = {name: text.encode("latin-1") for name, text in vector.get("headers", {}).items()}
    given = vector.get("settings", {})
    return principal(vector.get("status", 200), content(vector), headers=headers, **given)


def test_the_vectors_are_of_known_kinds_and_named_once() -> None:
    assert {vector["problem"] for vector in VECTORS if "problem" in vector} == set(PROBLEMS)
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v not in ON_THE_WIRE], ids=lambda vector: vector["name"]
)
def test_a_reply_means_what_its_vector_says(vector: Vector) -> None:
    if "problem" not in vector:
        expected = {"subject": "alice", "scopes": [], **vector["principal"]}
        assert of(vector) == Principal(ISSUER, **expected)
        return
    with pytest.raises(PROBLEMS[vector["problem"]]) as caught:
        of(vector)
    error = caught.value
    assert error.detail
    if isinstance(error, AuthorizationServerUnavailable):
        assert error.retry_after == vector.get("retry_after", 5)
    if isinstance(error, ClientCredentialsRefused):
        assert "AICONFIG_CLIENT_ID" in error.detail
        assert f"HTTP {vector.get('status', 200)}" in error.detail


@pytest.mark.parametrize("vector", ON_THE_WIRE, ids=lambda vector: vector["name"])
async def test_a_reply_that_the_client_must_not_follow_is_an_outage(
    make: Make, server: ScriptedServer, vector: Vector
) -> None:
    authenticator = await make()
    server.script(TOKEN, Reply(content(vector), vector.get("status", 200), vector["headers"]))
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)
    assert [call.path for call in server.calls] == ["/introspect"]
    assert server.fetched == []


@pytest.mark.parametrize(
    "body",
    [b'{"active":true,"sub":"alice","exp":' + b"9" * 5000 + b"}", b"[" * 100_000],
    ids=["a number of 5,000 digits", "100,000 brackets"],
)
def test_a_reply_that_python_cannot_read_is_an_outage(body: bytes) -> None:
    with pytest.raises(AuthorizationServerUnavailable):
        principal(200, body)


@pytest.mark.parametrize("token_type", [None, "Bearer", "access_token"])
def test_a_token_type_may_be_required(token_type: str | None) -> None:
    body = json.dumps({"active": True, "sub": "alice", "token_type": token_type}).encode()
    assert principal(200, body).subject == "alice"
    if token_type:
        assert principal(200, body, require_token_type=True).subject == "alice"
    else:
        with pytest.raises(InvalidToken, match="no token_type"):
            principal(200, body, require_token_type=True)


@pytest.mark.parametrize(
    ("members", "claim", "subject"),
    [
        ({"sub": "alice", "client_id": "web"}, "sub", "alice"),
        ({"sub": "svc", "client_id": "svc"}, "sub", None),
        ({"sub": "svc", "username": "alice", "client_id": "svc"}, "username", None),
        ({"sub": "1", "username": "svc", "client_id": "svc"}, "username", None),
        ({"username": "alice", "client_id": "svc"}, "username", "alice"),
        ({"sub": "alice"}, "sub", "alice"),
        ({"sub": "alice", "client_id": None}, "sub", "alice"),
        ({"username": "alice", "client_id": None}, "username", "alice"),
        ({"client_id": "svc"}, "sub", None),
    ],
)
def test_a_service_is_no_user(members: dict[str, Any], claim: str, subject: str | None) -> None:
    body = json.dumps({"active": True, **members}).encode()
    assert principal(200, body, subject_claim=claim).subject == subject


@pytest.mark.parametrize("leeway", [0, 60])
def test_clocks_may_differ_by_the_leeway(leeway: float) -> None:
    active = ActiveToken(Principal(ISSUER, "alice", expires_at=NOW), not_before=NOW - 9)
    for now in (NOW - 9 - leeway, NOW - 0.5 + leeway):
        active.check_time(now, leeway)
    for now in (NOW - 9.5 - leeway, NOW + leeway):
        with pytest.raises(InvalidToken):
            active.check_time(now, leeway)

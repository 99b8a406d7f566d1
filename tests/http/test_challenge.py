"""Challenges are those of RFC 6750; with a resource of its own name they lead to its metadata."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from aiconfig_plugin import InvalidToken, MissingToken, Principal
from aiconfig_plugin.errors import (
    AIConfigError,
    ConfigurationError,
    InsufficientScope,
    InvalidDPoPProof,
)
from aiconfig_plugin.http.challenge import Schemes, challenge, metadata_url, resource_metadata
from aiconfig_plugin.settings import Settings
from tests.support.gateway import READ_PATH, Gateway, bearer, nobody

MakeGateway: TypeAlias = Callable[..., Awaitable[Gateway]]
RESOURCE = "https://gateway.example/api/v1"
METADATA = "/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MissingToken("x"), 'Bearer realm="aiconfig"'),
        (InvalidToken("Ends."), 'Bearer error="invalid_token", error_description="Ends."'),
        (InvalidToken(), 'Bearer error="invalid_token"'),
        (
            InsufficientScope("a:b"),
            'Bearer error="insufficient_scope", scope="a:b", '
            'error_description="The scope a:b is required."',
        ),
        (AIConfigError("x"), None),
    ],
)
def test_each_error_has_its_challenge(error: AIConfigError, expected: str | None) -> None:
    assert challenge(error) == expected


SCHEMES = Schemes(RESOURCE, "on", ("ES256", "EdDSA"))
ALGS = 'algs="ES256 EdDSA"'
LINK = f'resource_metadata="https://gateway.example{METADATA}/api/v1"'
WITH_DPOP: tuple[tuple[AIConfigError, str, str, str], ...] = (
    (MissingToken(), "on", "", f'Bearer realm="aiconfig", {LINK}, DPoP {ALGS}'),
    (MissingToken(), "required", "", f'DPoP realm="aiconfig", {LINK}, {ALGS}'),
    (InvalidToken(), "on", "Bearer x", f'Bearer error="invalid_token", {LINK}, DPoP {ALGS}'),
    (InvalidToken(), "on", "dpop x", f'DPoP error="invalid_token", {LINK}, {ALGS}'),
    (
        InvalidDPoPProof("Ends."),
        "on",
        "Bearer x",
        f'DPoP error="invalid_dpop_proof", error_description="Ends.", {LINK}, {ALGS}',
    ),
    (
        InsufficientScope("a"),
        "on",
        "DPoP x",
        'DPoP error="insufficient_scope", scope="a", '
        f'error_description="The scope a is required.", {LINK}, {ALGS}',
    ),
)


@pytest.mark.parametrize(("error", "dpop", "authorization", "expected"), WITH_DPOP)
def test_with_dpop_a_challenge_names_its_scheme_and_algorithms(
    error: AIConfigError, dpop: Any, authorization: str, expected: str
) -> None:
    assert challenge(error, replace(SCHEMES, dpop=dpop), authorization) == expected


def test_a_description_holds_only_what_it_may() -> None:
    given = InvalidToken('a"b\\c\r\nSet-Cookie: é…')
    assert challenge(given) == (
        'Bearer error="invalid_token", error_description="a b c Set-Cookie:  "'
    )


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://g.example", f"https://g.example{METADATA}"),
        ("https://g.example/", f"https://g.example{METADATA}"),
        (RESOURCE, f"https://gateway.example{METADATA}/api/v1"),
        ("http://127.0.0.1:8/x/", f"http://127.0.0.1:8{METADATA}/x"),
    ],
)
def test_the_metadata_are_where_rfc_9728_puts_them(resource: str, url: str) -> None:
    assert metadata_url(resource) == url


@pytest.mark.parametrize("resource", ["/api/v1", "gateway", RESOURCE + "?x", RESOURCE + "#x"])
def test_a_resource_is_a_url_without_query_and_fragment(resource: str) -> None:
    with pytest.raises(ConfigurationError, match="AICONFIG_RESOURCE"):
        Settings(resource=resource)


async def test_the_metadata_tell_a_client_where_to_get_a_token(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(
        resource=RESOURCE, issuer="https://login.example", authenticate=nobody
    )
    answer = await gateway.call("GET", f"{METADATA}/api/v1")
    assert (answer.code, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.body) == {
        "resource": RESOURCE,
        "authorization_servers": ["https://login.example"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["ai-config:read", "ai-config:write"],
    }


@pytest.mark.parametrize(("mode", "required"), [("on", False), ("required", True)])
def test_the_metadata_tell_of_proofs(mode: Any, required: bool) -> None:
    found = json.loads(resource_metadata(replace(SCHEMES, dpop=mode), None, ()))
    assert found["dpop_signing_alg_values_supported"] == ["ES256", "EdDSA"]
    assert found["dpop_bound_access_tokens_required"] is required


async def test_every_challenge_leads_to_the_metadata(make_gateway: MakeGateway) -> None:
    async def by_token(request: Any) -> Principal:
        token = request.headers.get("Authorization")
        if token is None:
            raise MissingToken()
        if token == "Bearer bad":
            raise InvalidToken("No.")
        return Principal("https://issuer.example", "alice")

    gateway = await make_gateway(resource=RESOURCE, authenticate=by_token)
    link = f'resource_metadata="https://gateway.example{METADATA}/api/v1"'
    for headers, status in (({}, 401), (bearer("bad"), 401), (bearer("good"), 403)):
        answer = await gateway.call("GET", READ_PATH, headers=headers)
        assert answer.code == status
        assert answer.headers["WWW-Authenticate"].endswith(link)


async def test_a_proxy_that_changes_the_path_leads_there_as_well(
    make_gateway: MakeGateway,
) -> None:
    gateway = await make_gateway(resource="https://g.example/ai", authenticate=nobody)
    for path in ("/ai", "/api/v1"):
        assert (await gateway.call("GET", METADATA + path)).code == 200


async def test_it_is_off_by_default(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(issuer="https://login.example", authenticate=nobody)
    assert (await gateway.call("GET", f"{METADATA}/api/v1")).code == 404

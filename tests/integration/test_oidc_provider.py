"""The real routes with the tokens of a server that nobody of this project wrote."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.integration import oidc_provider
from tests.integration.oidc_provider import RESOURCE, OIDCProvider
from tests.support.gateway import CREATE_PATH, Gateway, bearer, body
from tests.support.processes import need
from tests.support.signing import AUDIENCE, key, proof
from tests.support.token_gateway import URL

MakeGateway: TypeAlias = Callable[..., Awaitable[Gateway]]
KEYS = {
    "ec": ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig", "alg": "ES256"}),
    "rsa": RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig", "alg": "RS256"}),
    "pss": RSAKey.generate_key(2048, {"kid": "pss-1", "use": "sig", "alg": "PS256"}),
    "ed25519": OKPKey.generate_key("Ed25519", {"kid": "ed-1", "use": "sig", "alg": "EdDSA"}),
}
SECRET = "s:e%c+r et&=" + "0123456789" * 3


def client(name: str, method: str, **members: Any) -> dict[str, Any]:
    return {
        "client_id": name,
        "token_endpoint_auth_method": method,
        "redirect_uris": [],
        "response_types": [],
        "grant_types": [],
        **members,
    }


CLIENTS = [
    client("gate:way", "client_secret_basic", client_secret=SECRET),
    client("gateway-post", "client_secret_post", client_secret=SECRET),
    *(
        client(name, "private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
        for name, key in KEYS.items()
    ),
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OIDCProvider]:
    need("node")
    need("npm")
    folder = oidc_provider.installed(tmp_path_factory.mktemp("oidc-provider"))
    started = OIDCProvider(folder, *CLIENTS)
    yield started
    started.stop()


def settings(provider: OIDCProvider, folder: Path, number: int = 0) -> dict[str, Any]:
    chosen = CLIENTS[number]
    given = {
        "issuer": provider.issuer,
        "introspection_endpoint": None,
        "client_id": chosen["client_id"],
        "client_auth_method": chosen["token_endpoint_auth_method"],
        "audience": RESOURCE,
    }
    if number < 2:
        return given | {"client_secret": SECRET}
    key = folder / "client.jwk"
    content = KEYS[chosen["client_id"]].as_dict(private=True)
    key.write_text(json.dumps(content), encoding="utf-8")
    key.chmod(0o600)
    return given | {"client_secret": None, "client_key": key}


async def status(gateway: Gateway, token: str, method: str = "GET") -> int:
    return (await gateway.call(method, headers=bearer(token))).code


@pytest.mark.parametrize("number", range(len(CLIENTS)), ids=[c["client_id"] for c in CLIENTS])
async def test_a_user_who_logs_in_has_a_configuration_of_their_own(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path, number: int
) -> None:
    gateway = await make_gateway(**settings(provider, tmp_path, number))
    alice = (await provider.log_in("alice"))["access_token"]
    bob = (await provider.log_in("bob"))["access_token"]
    created = await gateway.call("POST", CREATE_PATH, body(), bearer(alice))
    assert created.code == 201, created.body
    assert await status(gateway, alice) == 200
    assert await status(gateway, bob) == 404


async def test_a_scope_that_was_not_granted_is_not_there(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path
) -> None:
    gateway = await make_gateway(**settings(provider, tmp_path))
    token = (await provider.log_in("alice", "ai-config:read"))["access_token"]
    assert await status(gateway, token) == 404
    refused = await gateway.call("POST", CREATE_PATH, body(), bearer(token))
    assert refused.code == 403
    assert 'scope="ai-config:write"' in refused.headers["WWW-Authenticate"]


async def test_a_revoked_token_ends_with_forget(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path
) -> None:
    gateway = await make_gateway(**settings(provider, tmp_path))
    token = (await provider.log_in("alice"))["access_token"]
    assert await status(gateway, token) == 404
    await provider.revoke(token)
    assert await status(gateway, token) == 404  # remembered
    gateway.plugin.forget(subject="alice")
    assert await status(gateway, token) == 401


async def test_a_token_that_is_bound_to_a_key_is_refused(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path
) -> None:
    gateway = await make_gateway(**settings(provider, tmp_path))
    granted = await provider.log_in("alice", dpop_key=ECKey.generate_key("P-256"))
    assert granted["token_type"] == "DPoP"
    assert await status(gateway, granted["access_token"]) == 401


async def test_with_dpop_it_passes_with_its_proof(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path
) -> None:
    given = settings(provider, tmp_path) | {"dpop": "on", "resource": AUDIENCE}
    gateway = await make_gateway(**given)
    holder = key("ec-holder")
    assert isinstance(holder, ECKey)
    granted = await provider.log_in("alice", dpop_key=holder)
    for token in (
        granted["access_token"],
        (await provider.refresh(granted["refresh_token"], dpop_key=holder))["access_token"],
    ):
        assert await status(gateway, token) == 401
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof(token, URL)}
        assert (await gateway.call("GET", headers=headers)).code == 404
        assert (await gateway.call("GET", headers=headers)).code == 401  # the same proof again


async def test_a_refresh_token_is_none_where_the_token_type_is_required(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path
) -> None:
    gateway = await make_gateway(**settings(provider, tmp_path), require_token_type=True)
    granted = await provider.log_in("alice")
    assert await status(gateway, granted["refresh_token"]) == 401
    again = await provider.refresh(granted["refresh_token"])
    assert await status(gateway, again["access_token"]) == 404


async def test_what_is_no_access_token_of_this_server_is_refused(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path
) -> None:
    gateway = await make_gateway(**settings(provider, tmp_path))
    granted = await provider.log_in("alice")
    for token in ("junk", granted["id_token"], granted["access_token"] + "x", "a.b.c"):
        assert await status(gateway, token) == 401
    assert await status(gateway, granted["access_token"]) == 404


@pytest.mark.parametrize("number", range(2))
async def test_wrong_credentials_are_the_operators_affair(
    make_gateway: MakeGateway, provider: OIDCProvider, tmp_path: Path, number: int
) -> None:
    given = settings(provider, tmp_path, number) | {"client_secret": "wrong"}
    gateway = await make_gateway(**given)
    assert await status(gateway, (await provider.log_in("alice"))["access_token"]) == 500

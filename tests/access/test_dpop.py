"""Proofs of possession: what URL a caller signs, which proofs are new, and bound opaque tokens."""

from __future__ import annotations

from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from aiconfig_plugin import InvalidToken, Principal
from aiconfig_plugin.access.dpop import ProofMemory, check_proof, normal_url, public_url
from aiconfig_plugin.errors import AIConfigError, InvalidDPoPProof
from tests.access.conftest import NOW, Make
from tests.support.scripted_server import Reply, ScriptedServer, active
from tests.support.signing import key, proof

RESOURCE = "https://gateway.example/ai/v1"
URL = f"{RESOURCE}/get/ai-model-config"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/api/v1/get/x", f"{RESOURCE}/get/x"),
        ("/api/v1", RESOURCE),
        ("/chat", "https://gateway.example/chat"),
        ("/user/al/ai/get/ai-model-config", f"{RESOURCE}/get/ai-model-config"),
        ("/other/get/ai-model-config/catalog", f"{RESOURCE}/get/ai-model-config/catalog"),
        ("/get/ai-model-configs", "https://gateway.example/get/ai-model-configs"),
        ("/api/v11/x", "https://gateway.example/api/v11/x"),
    ],
)
def test_a_caller_signs_the_public_url(path: str, url: str) -> None:
    assert public_url(RESOURCE, "/api/v1", path) == url


def test_without_a_prefix_every_path_is_below_the_resource() -> None:
    assert public_url(RESOURCE, "", "/get/x") == f"{RESOURCE}/get/x"


SAME = {
    "HTTPS://Gateway.Example/a": "https://gateway.example/a",
    "https://g.example:443/a": "https://g.example/a",
    "http://g.example:80": "http://g.example/",
    "https://g.example/a?x=1#y": "https://g.example/a",
    "https://g.example/%7ea%2f": "https://g.example/~a%2F",
    "https://[::1]:8443/a": "https://[::1]:8443/a",
}
DIFFERENT = {
    "https://g.example/a": "https://g.example/a/",
    "https://g.example/A": "https://g.example/a",
    "https://g.example/a%2Fb": "https://g.example/a/b",
    "https://g.example:8443/a": "https://g.example/a",
    "http://g.example/a": "https://g.example/a",
    "https://g.example.org/a": "https://g.example/a",
}


@pytest.mark.parametrize("url", SAME)
def test_urls_that_mean_the_same_are_the_same(url: str) -> None:
    assert normal_url(url) == normal_url(SAME[url]) is not None


@pytest.mark.parametrize("url", DIFFERENT)
def test_urls_that_do_not_are_not(url: str) -> None:
    assert normal_url(url) != normal_url(DIFFERENT[url])


@pytest.mark.parametrize("url", ["", "x", "https://", "https://[", "https://h:x/", "https://u@h/"])
def test_what_is_no_url_has_no_form(url: str) -> None:
    assert normal_url(url) is None


@pytest.mark.parametrize("holder", ["ec-holder", "rsa-holder", "ed-holder"])
@pytest.mark.parametrize("shift", [-60, 0, 60])
def test_each_kind_of_key_proves_within_a_minute(holder: str, shift: float) -> None:
    text = proof("token", URL, holder=holder, now=NOW + shift)
    found = check_proof(text, method="GET", url=URL, token="token", now=NOW)
    assert found.jkt == key(holder).thumbprint()


@pytest.mark.parametrize("shift", [-61, 61])
def test_and_not_beyond(shift: float) -> None:
    text = proof("token", URL, now=NOW + shift)
    with pytest.raises(InvalidDPoPProof, match="iat"):
        check_proof(text, method="GET", url=URL, token="token", now=NOW)


def test_a_jti_is_remembered_for_as_long_as_its_proof_is_good() -> None:
    memory = ProofMemory()
    assert memory.add("a", NOW)
    for after in (0, 60, 119, 120):
        assert not memory.add("a", NOW + after)
        assert memory.add(f"b{after}", NOW + after)
    assert memory.add("c", NOW + 500)
    assert memory.add("a", NOW + 500)


def test_it_is_forgotten_when_it_is_no_longer() -> None:
    memory = ProofMemory()
    for second in range(2000):
        assert memory.add(str(second), NOW + second)
    assert len(vars(memory)["_recent"]) + len(vars(memory)["_older"]) <= 240


# In front of introspection

BOUND = {"cnf": {"jkt": key("ec-holder").thumbprint()}}


def request(authorization: str, *proofs: str, method: str = "GET") -> HTTPServerRequest:
    headers = HTTPHeaders({"Host": "inner", "Authorization": authorization})
    for text in proofs:
        headers.add("DPoP", text)
    line = RequestStartLine(method, "/api/v1/get/ai-model-config?include=keyState", "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=headers)


async def test_a_bound_opaque_token_passes_with_its_proof(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(dpop="on", resource=RESOURCE)
    for token_type in ("DPoP", "dpop", "Bearer", None):
        server.script("t", active(token_type=token_type, **BOUND))
        authenticator.forget(token="t")
        for _ in range(2):
            sent = request("DPoP t", proof("t", URL, now=NOW))
            assert (await authenticator(sent)).subject == "alice"
    head = request("DPoP t", proof("t", URL, "HEAD", now=NOW), method="HEAD")
    assert (await authenticator(head)).subject == "alice"
    assert server.asked("t") == 4  # remembered as ever


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "bound, as Bearer": (BOUND, "Bearer", "on"),
    "bound to another key": ({"cnf": {"jkt": "x" * 43}}, "DPoP", "on"),
    "not bound, as DPoP": ({}, "DPoP", "on"),
    "not bound, as Bearer, where it must be": ({}, "Bearer", "required"),
    "not bound, as DPoP, where it must be": ({}, "DPoP", "required"),
    "bound, as Bearer, where it must be": (BOUND, "Bearer", "required"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_possession_is_asked_for_by_token_and_setting(
    make: Make, server: ScriptedServer, name: str
) -> None:
    members, scheme, mode = WRONG[name]
    authenticator = await make(dpop=mode, resource=RESOURCE)
    server.script("t", active(**members))
    proofs = [proof("t", URL, now=NOW)] if scheme == "DPoP" else []
    with pytest.raises(InvalidDPoPProof):
        await authenticator(request(f"{scheme} t", *proofs))


async def test_on_takes_bearer_tokens_as_well_and_off_takes_no_bound_ones(
    make: Make, server: ScriptedServer
) -> None:
    server.script("plain", active())
    server.script("bound", active(**BOUND))
    on = await make(dpop="on", resource=RESOURCE)
    assert isinstance(await on(request("Bearer plain")), Principal)
    off = await make(resource=RESOURCE)
    with pytest.raises(InvalidToken, match="bound to a key"):
        await off(request("Bearer bound"))
    with pytest.raises(AIConfigError, match="Authorization: Bearer"):
        await off(request("DPoP bound", proof("bound", URL, now=NOW)))


@pytest.mark.parametrize("token_type", ["DPoP", "N_A"])
async def test_a_token_type_needs_its_confirmation(
    make: Make, server: ScriptedServer, token_type: str
) -> None:
    authenticator = await make(dpop="on", resource=RESOURCE)
    server.script("t", active(token_type=token_type))
    with pytest.raises(InvalidToken, match="not a bearer access token"):
        await authenticator(request("DPoP t", proof("t", URL, now=NOW)))


async def test_without_a_good_proof_the_server_is_not_asked(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(dpop="on", resource=RESOURCE)
    server.script("t", Reply(status=500))
    for proofs in ([], ["junk"], [proof("t", URL, now=NOW - 999)]):
        with pytest.raises(InvalidDPoPProof):
            await authenticator(request("DPoP t", *proofs))
    assert server.calls == []


async def test_a_proof_for_a_token_that_is_refused_is_not_used_up(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(dpop="on", resource=RESOURCE)
    server.script("t", Reply(status=503), active(**BOUND))
    text = proof("t", URL, now=NOW)
    with pytest.raises(AIConfigError):
        await authenticator(request("DPoP t", text))
    assert (await authenticator(request("DPoP t", text))).subject == "alice"
    with pytest.raises(InvalidDPoPProof, match="used before"):
        await authenticator(request("DPoP t", text))

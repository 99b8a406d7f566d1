"""Wrong proofs of possession (RFC 9449): each rule broken alone, as in ``test_tokens``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.forgeries.conftest import (
    ALGORITHM,
    JWT,
    KEY,
    NOW,
    SECRET,
    assert_dpop_challenge,
    assert_refused,
    rows,
)
from tests.support.scripted_server import ScriptedServer
from tests.support.signing import (
    AUDIENCE,
    access_token,
    bound_token,
    encode,
    key,
    proof,
    proof_claims,
    proof_header,
    sign,
    sign_hmac,
)
from tests.support.token_gateway import URL, TokenGateway

SMALL = {"n": encode(b"\xf1" * 128), "e": "AQAB", "kty": "RSA"}
Prove: TypeAlias = Callable[[str], list[str]]
"""From a token bound to ec-holder to the DPoP headers that are sent with it."""


def proves(**changes: Any) -> Prove:
    return lambda token: [proof(token, URL, **changes)]


def proof_headed(holder: str = "ec-holder", by: str | None = None, **changes: Any) -> Prove:
    return lambda token: [
        sign(proof_header(holder, **changes), proof_claims(token, URL), by or holder)
    ]


def proof_by_secret(token: str) -> list[str]:
    jwk = SECRET.as_dict(private=True)
    return [sign_hmac(proof_header("ec", alg="HS256", jwk=jwk), proof_claims(token, URL), b"k")]


PRIVATE = {n: v for n, v in key("ec-holder").as_dict(private=True).items() if n != "kid"}
PROOFS: dict[str, tuple[Prove, str]] = {
    "two proofs": (lambda t: [proof(t, URL), proof(t, URL)], "not 2"),
    "two proofs in one header": (lambda t: [f"{proof(t, URL)}, {proof(t, URL)}"], JWT),
    "no JWT": (lambda _: ["proof"], JWT),
    "the access token": (lambda t: [t], "typ is not dpop+jwt"),
    "typ JWT": (proof_headed(typ="JWT"), "typ is not dpop+jwt"),
    "no typ": (proof_headed(typ=None), "typ is not dpop+jwt"),
    "alg none": (
        lambda t: [f"{encode(proof_header('ec-holder', alg='none'))}.{encode({})}."], ALGORITHM,
    ),
    "a symmetric key": (proof_by_secret, ALGORITHM),
    "ES384": (proof_headed("p384"), ALGORITHM),
    "ES256 with a key of another curve": (proof_headed("p384", alg="ES256"), KEY),
    "no jwk": (proof_headed(jwk=None), "jwk is not a public key"),
    "a private jwk": (proof_headed(jwk=PRIVATE), "jwk is not a public key"),
    "a jwk of a small RSA key": (
        proof_headed("rsa", jwk=SMALL), "RSA key is too small",
    ),
    "a jwk that cannot be read": (
        proof_headed(jwk={"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}), "cannot be read",
    ),
    "a jwk that did not sign": (proof_headed(by="ec-stranger"), KEY),
    "another key than the token's": (proves(holder="ec-stranger"), "another key than the token's"),
    "another key, of RSA": (proves(holder="rsa-holder"), "another key than the token's"),
    "an extension that must be understood": (proof_headed(crit=["exp"]), "an extension"),
    "another method": (proves(method="POST"), "htm is not the method"),
    "the method in lower case": (proves(method="get"), "htm is not the method"),
    "no method": (proves(htm=None), "htm is not the method"),
    "another path": (proves(htu=f"{AUDIENCE}/update/ai-model-config"), "htu is not"),
    "another host": (proves(htu=URL.replace("gateway", "stranger")), "htu is not"),
    "another port": (proves(htu=URL.replace("example", "example:8443")), "htu is not"),
    "http": (proves(htu=URL.replace("https", "http")), "htu is not"),
    "a path in upper case": (proves(htu=URL.replace("get", "GET")), "htu is not"),
    "no URL": (proves(htu=None), "htu is not"),
    "a URL that is none": (proves(htu="https://[/"), "htu is not"),
    "a clock behind": (proves(now=NOW - 3600), "iat is not the present time"),
    "a clock ahead": (proves(now=NOW + 3600), "iat is not the present time"),
    "no iat": (proves(iat=None), "iat is not the present time"),
    "iat as a string": (proves(iat=str(int(NOW))), "iat is not the present time"),
    "iat that no float can hold": (proves(iat=10**400), "iat is not the present time"),
    "no ath": (proves(ath=None), "ath is not the hash"),
    "the ath of another token": (lambda _: [proof("other", URL)], "ath is not the hash"),
    "no jti": (proves(jti=None), "it has no jti"),
    "an empty jti": (proves(jti=""), "it has no jti"),
    "a jti of 10,000 letters": (proves(jti="j" * 10_000), "it has no jti"),
    "jti as a number": (proves(jti=1), "it has no jti"),
}  # fmt: skip


@rows(PROOFS)
async def test_a_wrong_proof_is_refused(
    gateway: TokenGateway,
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
    names: list[str],
) -> None:
    for name in names:
        prove, told = PROOFS[name]
        token = bound_token(server.issuer, "ec-holder")
        assert (await gateway.read(token, proof(token, URL))).code == 404
        for _ in range(2):
            caplog.clear()
            answer = await gateway.read(token, *prove(token))
            assert_refused(answer, caplog, told, token)
            assert_dpop_challenge(answer)
        assert (await gateway.read(token, proof(token, URL))).code == 404


async def test_a_proof_is_taken_once(gateway: TokenGateway, server: ScriptedServer) -> None:
    token = bound_token(server.issuer, "ec-holder")
    once = proof(token, URL)
    assert (await gateway.read(token, once)).code == 404
    answer = await gateway.read(token, once)
    assert answer.code == 401
    assert_dpop_challenge(answer)
    other = bound_token(server.issuer, "ec-holder")
    assert (await gateway.read(other, proof(other, URL, jti="same"))).code == 404
    assert (await gateway.read(token, proof(token, URL, jti="same"))).code == 401


async def test_a_proof_does_not_make_a_token_bound(
    gateway: TokenGateway, server: ScriptedServer
) -> None:
    token = access_token(server.issuer)
    answer = await gateway.read(token, proof(token, URL))
    assert answer.code == 401
    assert_dpop_challenge(answer)
    assert (await gateway.read(token)).code == 404


async def test_the_scheme_is_told_by_the_token_and_a_proof_alone_is_nothing(
    gateway: TokenGateway, server: ScriptedServer
) -> None:
    token = bound_token(server.issuer, "ec-holder")
    for scheme, proofs in (("DPoP", []), ("Bearer", [proof(token, URL)])):
        answer = await gateway.read(token, *proofs, scheme=scheme)
        assert answer.code == 401
        assert_dpop_challenge(answer)
    assert (await gateway.read(token, proof(token, URL), scheme="dpop")).code == 404

"""Wrong access tokens: each rule broken alone, and none is ever taken.

Every row is refused with its status, challenge and log line, twice, so that nothing wrong is ever
remembered as good; a good one passes before and after.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.forgeries.conftest import (
    ALGORITHM,
    JWT,
    KEY,
    NOW,
    SECRET,
    STRANGER,
    Forge,
    assert_refused,
    rows,
)
from tests.support.scripted_server import ScriptedServer
from tests.support.signing import (
    AUDIENCE,
    access_claims,
    access_header,
    access_token,
    bound_token,
    encode,
    key,
    logout_claims,
    logout_token,
    public,
    sign,
    sign_hmac,
)
from tests.support.token_gateway import TokenGateway


def claims(**changes: Any) -> Forge:
    return lambda issuer: access_token(issuer, **changes)


def header(signer: str = "ec", by: str | None = None, **changes: Any) -> Forge:
    """A good token but for its header; ``by`` is the key that signs instead."""
    return lambda issuer: sign(
        access_header(signer, **changes), access_claims(issuer), by or signer
    )


def as_alg(signer: str, alg: str) -> Forge:
    """A signature that is right by an algorithm that does not count."""
    return lambda issuer: sign(access_header(signer, alg=alg), access_claims(issuer), signer, alg)


def by_secret(secret: bytes, kid: str) -> Forge:
    return lambda issuer: sign_hmac(
        access_header(alg="HS256", kid=kid), access_claims(issuer), secret
    )


def parts(change: Callable[[list[str], list[str]], list[str]]) -> Forge:
    """A token made of the parts of two good ones, alice's and mallory's."""

    def forge(issuer: str) -> str:
        alice, mallory = access_token(issuer), access_token(issuer, sub="mallory")
        return ".".join(change(alice.split("."), mallory.split(".")))

    return forge


def payload(value: Any) -> Forge:
    return lambda _issuer: sign(access_header(), value, "ec")


def unsigned(alg: str) -> Forge:
    return lambda issuer: (
        f"{encode({'typ': 'at+jwt', 'alg': alg, 'kid': 'ec'})}.{encode(access_claims(issuer))}."
    )


TYPE = "typ is not that of an access token"
TOKENS: dict[str, tuple[Forge, str]] = {
    # How it is made
    "one part": (lambda _: "opaque", JWT),
    "three parts that are no JWT": (lambda _: "mF_9.B5f-4.1JqM", JWT),
    "an encrypted JWT": (lambda issuer: access_token(issuer) + ".a.b", JWT),
    "a header of 5,000 brackets": (lambda _: f"{encode(b'[' * 5000)}.e30.AA", JWT),
    "a header that is a list": (lambda _: f"{encode(['alg'])}.e30.AA", JWT),
    "no signature": (parts(lambda a, _: [*a[:2], ""]), KEY),
    "half a signature": (parts(lambda a, _: [*a[:2], a[2][:43]]), KEY),
    "padding": (parts(lambda a, _: [*a[:2], a[2] + "=="]), KEY),
    "another token's signature": (parts(lambda a, m: [*a[:2], m[2]]), KEY),
    "another token's claims": (parts(lambda a, m: [a[0], m[1], a[2]]), KEY),
    "claims that are no JSON": (payload(b"{"), "the payload is not JSON"),
    "claims that are a list": (payload([1]), "the payload is not a JSON object"),
    "claims of 5,000 brackets": (payload(b"[" * 5000), "the payload is not JSON"),
    # The algorithm
    "alg none": (unsigned("none"), ALGORITHM),
    "alg None": (unsigned("None"), ALGORITHM),
    "alg ES256 without a signature": (unsigned("ES256"), KEY),
    "HMAC with the public key as PEM": (
        by_secret(key("rsa").as_pem(private=False), "rsa"), ALGORITHM,
    ),
    "HMAC with the public key as JWK": (
        by_secret(json.dumps(public("rsa")).encode(), "rsa"), ALGORITHM,
    ),
    "HMAC with a key of the set": (by_secret(SECRET.raw_value, "shared"), ALGORITHM),
    "RS512": (as_alg("rsa", "RS512"), ALGORITHM),
    "ES384": (as_alg("p384", "ES384"), ALGORITHM),
    "ES256 in the header, RS256 in the signature": (header("ec", by="rsa"), KEY),
    "PS256 in the header, RS256 in the signature": (header("rsa", alg="PS256"), KEY),
    "EdDSA in the header, ES256 in the signature": (header("ec", alg="EdDSA"), KEY),
    # The key
    "another key under the same kid": (header("ec", by="ec-stranger"), KEY),
    "a kid that is not in the set": (header("ec-stranger"), KEY),
    "the kid of another key": (header("ec", kid="rsa"), KEY),
    "a key without a kid that is not in the set": (header("ec-stranger", kid=None), KEY),
    "a key for encryption": (header("ec-enc"), KEY),
    "a key for signing alone": (header("ec-ops"), KEY),
    "a key for another algorithm": (header("rsa-pss"), KEY),
    "a key of another curve": (header("p384", alg="ES256"), KEY),
    "a key that cannot be read": (header("ec", kid="broken"), KEY),
    "a jwk in the header": (header("ec", by="ec-stranger", jwk=STRANGER), KEY),
    "a jwk in the header and no kid": (
        header("ec", by="ec-stranger", jwk=STRANGER, kid=None), KEY,
    ),
    "a jku in the header": (
        header("ec", by="ec-stranger", jku="https://stranger.example/jwks"), KEY,
    ),
    "an x5u in the header": (header("ec", by="ec-stranger", x5u="https://stranger.example/"), KEY),
    "an x5c in the header": (header("ec", by="ec-stranger", x5c=["AAAA"]), KEY),
    "an extension that must be understood": (header(crit=["exp"]), "an extension"),
    "a payload that is not encoded": (header(crit=["b64"], b64=False), "an extension"),
    # The type
    "no typ": (header(typ=None), TYPE),
    "typ JWT": (header(typ="JWT"), TYPE),
    "typ dpop+jwt": (header(typ="dpop+jwt"), TYPE),
    "a logout token": (lambda issuer: logout_token(issuer), TYPE),
    "a logout token with the typ of an access token": (
        lambda issuer: sign(access_header(), logout_claims(issuer, aud=AUDIENCE), "ec"),
        "not an access token",
    ),
    "a refresh token": (claims(token_use="refresh"), "not an access token"),
    "an ID token": (claims(typ="ID"), "not an access token"),
    # The claims
    "another issuer": (claims(iss="https://stranger.example"), "another issuer"),
    "an issuer with a slash": (lambda i: access_token(i, iss=i + "/"), "another issuer"),
    "no issuer": (claims(iss=None), "names no issuer"),
    "another audience": (claims(aud="https://other.example"), "another audience"),
    "a longer audience": (claims(aud=AUDIENCE + "/x"), "another audience"),
    "no audience": (claims(aud=None), "another audience"),
    "an audience as an object": (claims(aud={AUDIENCE: 1}), "another audience"),
    "expired": (claims(exp=NOW - 1), "has expired"),
    "no exp": (claims(exp=None), "has no exp"),
    "exp as a string": (claims(exp=str(NOW + 300)), "no usable exp"),
    "exp as a bool": (claims(exp=True), "no usable exp"),
    "a clock an hour behind": (claims(now=NOW - 3600), "has expired"),
    "not valid yet": (claims(nbf=NOW + 3600), "not valid yet"),
    "nbf as a string": (claims(nbf="soon"), "no usable nbf"),
    "bound to a key, as Bearer": (
        lambda issuer: bound_token(issuer, "ec-holder"), "bound to a key; send it as DPoP",
    ),
    "bound to a certificate": (claims(cnf={"x5t#S256": "A" * 43}), "bound to a key"),
    "bound to two things": (claims(cnf={"jkt": "A", "x5t#S256": "B"}), "bound to a key"),
    "bound to nothing": (claims(cnf={}), "bound to a key"),
}  # fmt: skip


@rows(TOKENS)
async def test_a_wrong_access_token_is_refused(
    gateway: TokenGateway,
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
    names: list[str],
) -> None:
    for name in names:
        forge, told = TOKENS[name]
        token = forge(server.issuer)
        assert (await gateway.read(access_token(server.issuer))).code == 404
        for _ in range(2):
            caplog.clear()
            answer = await gateway.read(token)
            assert_refused(answer, caplog, told, token)
        error = "invalid_dpop_proof" if "DPoP" in told else "invalid_token"
        assert f'error="{error}"' in answer.headers["WWW-Authenticate"]
        assert (await gateway.read(access_token(server.issuer))).code == 404
        assert set(server.fetched) == {"/jwks"}  # no URL out of a token


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a service's own": ({"sub": "web"}, "user-required"),
    "of nobody": ({"sub": None}, "user-required"),
    "of another client": ({"client_id": "other"}, "client-not-allowed"),
    "of no client": ({"client_id": None}, "client-not-allowed"),
    "without a scope": ({"scope": None}, "insufficient-scope"),
    "with another scope": ({"scope": "ai-config:write openid"}, "insufficient-scope"),
    "with a scope in one word": ({"scp": ["ai-config:read ai-config:write"], "scope": None},
        "insufficient-scope"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_says_too_little_is_forbidden(
    gateway: TokenGateway, server: ScriptedServer, name: str
) -> None:
    changes, code = REFUSED[name]
    token = access_token(server.issuer, **changes)
    for _ in range(2):
        answer = await gateway.read(token)
        assert answer.code == 403
        assert json.loads(answer.body)["type"] == f"urn:aiconfig:problem:{code}"

"""JWT access tokens (RFC 9068): what a good one may look like, and that no broken one passes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiconfig_plugin import InvalidToken, Settings
from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.access.dpop import check_proof
from aiconfig_plugin.access.jws import PublicKey, WrongJWT, public_key, read_jwt
from aiconfig_plugin.access.jwt import active_jwt, read_access_token
from aiconfig_plugin.access.logout_token import check_claims
from aiconfig_plugin.composition import open_authenticator
from aiconfig_plugin.errors import ConfigurationError, InvalidDPoPProof
from tests.access.conftest import ISSUER, NOW
from tests.support.signing import (
    AUDIENCE,
    CLIENT,
    access_claims,
    access_header,
    logout_token,
    proof,
    public,
    sign,
)

KEYS: list[PublicKey] = [public_key(public(name)) for name in ("ec", "rsa", "ed")]
URL = "https://gateway.example/api/v1/get/ai-model-config"


def read(token: str, **given: Any) -> ActiveToken:
    settings = Settings(issuer=ISSUER, audience=AUDIENCE, tokens="jwt", **given)
    jwt = read_access_token(token, any_type=settings.jwt_typ == "any")
    active = active_jwt(jwt, KEYS, settings)
    active.check_time(NOW)
    return active


def token(signer: str = "ec", header: Any = None, alg: str | None = None, **claims: Any) -> str:
    head = access_header(signer, **(header or {}))
    return sign(head, access_claims(ISSUER, now=NOW, **claims), signer, alg)


@pytest.mark.parametrize("signer", ["ec", "rsa", "ed"])
def test_each_kind_of_key_signs(signer: str) -> None:
    active = read(token(signer))
    assert (active.principal.subject, active.principal.client_id) == ("alice", CLIENT)
    assert active.principal.scopes == {"ai-config:read", "ai-config:write"}
    assert (active.principal.expires_at, active.issued_at) == (NOW + 300, NOW)


def test_pss_is_chosen_by_the_header_where_the_key_leaves_it_open() -> None:
    assert read(token("rsa", {"alg": "PS256"}, "PS256")).principal.subject == "alice"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_type_is_a_media_type(typ: str) -> None:
    assert read(token(header={"typ": typ}))


@pytest.mark.parametrize("typ", ["JWT", "jwt", None, "at+jwt"])
def test_any_type_takes_what_older_servers_send(typ: str | None) -> None:
    assert read(token(header={"typ": typ}), jwt_typ="any")


@pytest.mark.parametrize("typ", ["dpop+jwt", "logout+jwt", "none", "None", "secevent+jwt", ""])
def test_any_type_is_not_every_type(typ: str) -> None:
    with pytest.raises(InvalidToken, match="typ"):
        read(token(header={"typ": typ}), jwt_typ="any")


SCOPES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a string": ({"scope": "a b"}, {"a", "b"}),
    "a list": ({"scope": ["a", "b"]}, {"a", "b"}),
    "scp as a string": ({"scope": None, "scp": "a b"}, {"a", "b"}),
    "scp as a list": ({"scope": None, "scp": ["a", "b"]}, {"a", "b"}),
    "scope before scp": ({"scope": "a", "scp": ["b"]}, {"a"}),
    "neither": ({"scope": None}, set()),
}


@pytest.mark.parametrize("name", SCOPES)
def test_scopes_are_read_as_servers_write_them(name: str) -> None:
    claims, scopes = SCOPES[name]
    assert read(token(**claims)).principal.scopes == scopes


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
def test_the_audience_is_one_of_those_named(aud: Any) -> None:
    assert read(token(aud=aud))


def test_the_subject_may_be_another_claim() -> None:
    active = read(token(sub="4711", username="alice"), subject_claim="username")
    assert (active.principal.subject, active.sub) == ("alice", "4711")
    assert active.is_of("alice") and active.is_of("4711") and not active.is_of("bob")


@pytest.mark.parametrize("exp", [NOW + 0.5, NOW + 1])
def test_exp_may_be_a_float(exp: float) -> None:
    assert read(token(exp=exp)).principal.expires_at == exp


NEEDED: dict[str, dict[str, Any]] = {
    "AICONFIG_AUDIENCE": {"audience": None},
    "AICONFIG_ISSUER": {"issuer": None},
    "AICONFIG_RESOURCE": {"dpop": "on"},
    "AICONFIG_CLIENT_ID": {"backchannel_logout": True},
}


@pytest.mark.parametrize("name", NEEDED)
def test_what_a_mode_needs_is_named(name: str) -> None:
    given = {"issuer": ISSUER, "audience": AUDIENCE, "tokens": "jwt"}
    open_authenticator(Settings(**given))
    with pytest.raises(ConfigurationError, match=f"^{name} .*is not set"):
        open_authenticator(Settings(**given | NEEDED[name]))


GOOD = {name: token(name) for name in ("ec", "rsa", "ed")}
OTHER = {name: token(name, sub="mallory") for name in GOOD}
PROOF = proof("token", URL, now=NOW)
LOGOUT = logout_token(ISSUER, now=NOW)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ é"


@st.composite
def broken(draw: st.DrawFn, good: str) -> str:
    """A good token with some letters changed, added, dropped or moved."""
    text = good
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text) - 1))
        until = draw(st.integers(at, min(len(text), at + 4)))
        new = draw(st.text(LETTERS, max_size=3))
        text = text[:at] + new + text[until:]
    return text


@given(st.data(), st.sampled_from(sorted(GOOD)))
def test_a_token_with_broken_parts_is_invalid(data: st.DataObject, name: str) -> None:
    text = data.draw(broken(GOOD[name]))
    if text != GOOD[name]:
        with pytest.raises(InvalidToken):
            read(text)


@given(st.lists(st.sampled_from([*GOOD.values(), *OTHER.values(), PROOF, LOGOUT]), min_size=3))
def test_parts_of_several_tokens_make_no_other(whole: list[str]) -> None:
    parts = [text.split(".")[n] for n, text in enumerate(whole[:3])]
    text = ".".join(parts)
    if text not in (*GOOD.values(), *OTHER.values()):
        with pytest.raises(InvalidToken):
            read(text)


@given(broken(PROOF))
def test_a_proof_with_broken_parts_is_invalid(text: str) -> None:
    if text != PROOF:
        with pytest.raises(InvalidDPoPProof):
            check_proof(text, method="GET", url=URL, token="token", now=NOW)


@given(broken(LOGOUT))
def test_a_logout_token_with_broken_parts_is_invalid(text: str) -> None:
    if text != LOGOUT:
        with pytest.raises(WrongJWT):
            claims = read_jwt(text).verify(KEYS)
            check_claims(claims, issuer=ISSUER, clients=[CLIENT], now=NOW)


def test_the_good_ones_pass() -> None:
    assert all(map(read, GOOD.values()))
    assert check_proof(PROOF, method="GET", url=URL, token="token", now=NOW).jti
    claims = read_jwt(LOGOUT).verify(KEYS)
    assert check_claims(claims, issuer=ISSUER, clients=[CLIENT], now=NOW)[0] == "alice"

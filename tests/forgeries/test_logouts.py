"""Wrong logout tokens: each rule broken alone, and nobody is logged out by one."""

from __future__ import annotations

import json
import logging
from urllib.parse import urlencode

import pytest

from aiconfig_plugin.access.logout_token import EVENT
from tests.forgeries.conftest import (
    ALGORITHM,
    JWT,
    KEY,
    NOW,
    STRANGER,
    Forge,
    rows,
)
from tests.support.scripted_server import ScriptedServer
from tests.support.signing import (
    access_token,
    encode,
    logout_claims,
    logout_header,
    logout_token,
    sign,
    sign_hmac,
)
from tests.support.token_gateway import TokenGateway

LOG_OUTS: dict[str, tuple[Forge, str]] = {
    "no JWT": (lambda _: "junk-0f9b", JWT),
    "alg none": (
        lambda i: f"{encode(logout_header(alg='none'))}.{encode(logout_claims(i))}.", ALGORITHM,
    ),
    "HMAC with the client's secret": (
        lambda i: sign_hmac(logout_header(alg="HS256"), logout_claims(i), b"secret"), ALGORITHM,
    ),
    "another key": (lambda i: sign(logout_header(), logout_claims(i), "ec-stranger"), KEY),
    "a jwk in the header": (
        lambda i: sign(logout_header(jwk=STRANGER), logout_claims(i), "ec-stranger"), KEY,
    ),
    "an access token": (lambda i: access_token(i), "typ is not logout+jwt"),
    "a proof's typ": (
        lambda i: sign(logout_header(typ="dpop+jwt"), logout_claims(i), "ec"),
        "typ is not logout+jwt",
    ),
    "an ID token": (
        lambda i: sign(logout_header(typ="JWT"), logout_claims(i, events=None), "ec"),
        "no back-channel log-out",
    ),
    "another issuer": (lambda _: logout_token("https://stranger.example"), "another issuer"),
    "another client": (lambda i: logout_token(i, aud="other"), "aud is no client"),
    "no audience": (lambda i: logout_token(i, aud=None), "aud is no client"),
    "an hour old": (lambda i: logout_token(i, now=NOW - 3600, exp=None), "iat is not the present"),
    "from the future": (lambda i: logout_token(i, now=NOW + 3600), "iat is not the present"),
    "no iat": (lambda i: logout_token(i, iat=None), "iat is not the present"),
    "expired": (lambda i: logout_token(i, exp=NOW - 1), "has expired"),
    "exp as a string": (lambda i: logout_token(i, exp="later"), "has expired"),
    "another event": (
        lambda i: logout_token(i, events={"https://other.example": {}}), "no back-channel log-out",
    ),
    "an event without an object": (
        lambda i: logout_token(i, events={EVENT: True}), "no back-channel log-out",
    ),
    "a nonce": (lambda i: logout_token(i, nonce="n"), "has a nonce"),
    "a session alone": (lambda i: logout_token(i, sub=None, sid="s"), "has no sub"),
    "sub as a number": (lambda i: logout_token(i, sub=7), "has no sub"),
    "no jti": (lambda i: logout_token(i, jti=None), "has no jti"),
}  # fmt: skip


@rows(LOG_OUTS)
async def test_a_wrong_logout_token_logs_nobody_out(
    gateway: TokenGateway,
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
    names: list[str],
) -> None:
    for name in names:
        forge, told = LOG_OUTS[name]
        sent = forge(server.issuer)
        token = access_token(server.issuer)
        assert (await gateway.read(token)).code == 404
        for _ in range(2):
            caplog.clear()
            answer = await gateway.log_out(urlencode({"logout_token": sent}))
            assert (answer.code, answer.headers["Cache-Control"]) == (400, "no-store")
            assert "WWW-Authenticate" not in answer.headers
            [line] = [each for each in caplog.records if "log-out refused" in each.getMessage()]
            assert told in line.getMessage() and line.levelno == logging.WARNING
            assert sent not in caplog.text
        assert (await gateway.read(token)).code == 404


BODIES = {
    "nothing": "",
    "another field": "token=x",
    "two tokens": "logout_token=a&logout_token=b",
    "not ASCII": "logout_token=é",
    "a token of 2 MB": "logout_token=" + "a" * 2_000_000,
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_wrong_form_is_400(gateway: TokenGateway, name: str) -> None:
    answer = await gateway.log_out(BODIES[name])
    assert (answer.code, answer.headers["Cache-Control"]) == (400, "no-store")


async def test_a_good_one_is_taken_once_and_ends_what_was_issued_before(
    gateway: TokenGateway, server: ScriptedServer
) -> None:
    before, never_seen = access_token(server.issuer), access_token(server.issuer)
    undated = access_token(server.issuer, iat=None)
    bob = access_token(server.issuer, sub="bob")
    form = urlencode({"logout_token": logout_token(server.issuer)})
    for token in (before, undated, bob):
        assert (await gateway.read(token)).code == 404
    answer = await gateway.log_out(form)
    assert (answer.code, answer.headers["Cache-Control"]) == (200, "no-store")
    for token in (before, never_seen, undated):
        refused = await gateway.read(token)
        assert refused.code == 401
        assert json.loads(refused.body)["detail"] == "The user has logged out."
    assert (await gateway.read(bob)).code == 404
    assert (await gateway.read(access_token(server.issuer, iat=NOW + 36_000))).code == 404
    assert (await gateway.log_out(form)).code == 400
    json_body = await gateway.log_out(form, **{"Content-Type": "application/json"})
    assert json_body.code == 400


@pytest.mark.parametrize("typ", ["logout+jwt", "JWT", None])
async def test_servers_name_the_type_as_they_like(
    gateway: TokenGateway, server: ScriptedServer, typ: str | None
) -> None:
    sent = sign(logout_header(typ=typ), logout_claims(server.issuer, exp=None), "ec")
    assert (await gateway.log_out(urlencode({"logout_token": sent}))).code == 200

"""The bearer token of a request: of its Authorization header alone, one token or a refusal."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from aiconfig_plugin import InvalidToken, MissingToken
from aiconfig_plugin.access.authorization import presented_token
from tests.access.conftest import TOKEN, Make
from tests.support.growth import assert_linear
from tests.support.scripted_server import ScriptedServer, active

TOKEN_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")
# As they come from the wire: what is not ASCII is read as Latin-1.
header_text = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=20)


def read(value: str) -> str:
    return presented_token(HTTPHeaders({"Authorization": value})).token


async def test_a_request_is_authenticated_by_its_authorization_header_alone(
    make: Make, server: ScriptedServer
) -> None:
    def request(**headers: str) -> HTTPServerRequest:
        form = {"Host": "gateway.example", "Content-Type": "application/x-www-form-urlencoded"}
        return HTTPServerRequest(
            start_line=RequestStartLine("POST", f"/x?access_token={TOKEN}", "HTTP/1.1"),
            headers=HTTPHeaders({**form, **headers}),
            body=f"access_token={TOKEN}".encode(),
        )

    authenticator = await make()
    server.script(TOKEN, active())
    assert (await authenticator(request(Authorization=f"Bearer {TOKEN}"))).subject == "alice"
    for headers in ({}, {"Cookie": f"access_token={TOKEN}"}, {"X-Access-Token": TOKEN}):
        with pytest.raises(MissingToken):
            await authenticator(request(**headers))
    assert server.asked(TOKEN) == 1


@pytest.mark.parametrize(
    "value", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR   {}", "  Bearer {}  "]
)
@pytest.mark.parametrize("token", ["x", TOKEN, "a.b.c", "0" * 4000, "a======"])
def test_a_bearer_token_is_read(value: str, token: str) -> None:
    assert read(value.format(token)) == token


MISSING = (
    *("", " ", "Bearer", "Bearer ", "Basic Z2F0ZXdheTpodXNo", "DPoP abc", "Bearerabc"),
    *("Bearer,abc", "Bearer\tabc", "abc", "Token token=abc", 'Digest username="Bearer abc"'),
)
INVALID = (
    *("Bearer a b", "Bearer a,b", "Bearer a, Bearer b", 'Bearer "a"', "Bearer token=a"),
    *("Bearer a\tb", "Bearer =", "Bearer a=b", "Bearer a;b", "Bearer a%20b", "Bearer é"),
    *("Bearer a\x00", "Bearer \u212a", "Bearer \u017f"),  # The latter two fold to k and s.
)


@pytest.mark.parametrize("value", MISSING)
def test_without_a_bearer_token_it_is_missing(value: str) -> None:
    with pytest.raises(MissingToken):
        read(value)


def test_without_a_header_it_is_missing() -> None:
    with pytest.raises(MissingToken):
        presented_token(HTTPHeaders())


@pytest.mark.parametrize("value", INVALID, ids=ascii)
def test_what_cannot_be_a_token_is_invalid(value: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        read(value)
    assert value not in caught.value.detail


def test_two_headers_are_not_one_token() -> None:
    headers = HTTPHeaders()
    headers.add("Authorization", "Bearer a")
    headers.add("Authorization", "Bearer b")
    with pytest.raises(InvalidToken):
        presented_token(headers)


@given(st.sampled_from(["Bearer ", "bearer  ", "Bearer", "", "Basic ", " Bearer "]), header_text)
def test_a_header_gives_a_token_or_a_refusal_and_nothing_else(scheme: str, rest: str) -> None:
    try:
        token = read(scheme + rest)
    except (MissingToken, InvalidToken):
        return
    assert token.rstrip("=")
    assert set(token) <= TOKEN_LETTERS
    assert token in rest


@pytest.mark.parametrize(
    "pattern", ["Bearer {}", "Bearer{}x", "Bearer {}\x00", "{}Bearer x", "Bearer x{}x"]
)
@pytest.mark.parametrize("repeated", [" ", "a", "=", "a=", "Bearer ", ".", "\t"])
def test_the_header_is_read_in_linear_time(pattern: str, repeated: str) -> None:
    def work(headers: HTTPHeaders) -> None:
        with contextlib.suppress(MissingToken, InvalidToken):
            presented_token(headers)

    def make(size: int) -> HTTPHeaders:
        return HTTPHeaders({"Authorization": pattern.format(repeated * size)})

    assert_linear(work, make, 1000)

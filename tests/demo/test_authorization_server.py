"""The demo's authorization server, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Awaitable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.oauth_handlers import application
from tests.support.issuer import BOTH, READ

ISSUER = "http://127.0.0.1:8889"
REDIRECT_URI = "http://127.0.0.1:8888/"
ORIGIN = "http://127.0.0.1:8888"
GATEWAY = ("demo-gateway", "s:e%c+r et/é")
SERVER: dict[str, Any] = {
    "issuer": ISSUER,
    "gateway_client": GATEWAY,
    "users": {"alice": "wonderland", "bob": "builder"},
    "redirect_uris": [REDIRECT_URI],
}


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Client:
    """A browser and a client of the server, whose clock is ``now``."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.5
        self.verifier = secrets.token_urlsafe(48)
        self.server = AuthorizationServer(**SERVER, origins=[ORIGIN], clock=lambda: self.now)
        socket, self._port = bind_unused_port()
        self.http = HTTPServer(application(self.server))
        self.http.add_socket(socket)

    async def call(self, path: str, method: str = "GET", **kwargs: Any) -> HTTPResponse:
        return await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{self._port}{path}",
            method=method,
            raise_error=False,
            follow_redirects=False,
            **kwargs,
        )

    async def form(self, path: str, headers: dict[str, str] | None = None, /, **data: str) -> Any:
        response = await self.call(path, "POST", body=urlencode(data), headers=headers)
        return response.code, json.loads(response.body)

    def query(self, **changes: str | None) -> str:
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "demo-spa",
            "redirect_uri": REDIRECT_URI,
            "scope": BOTH,
            "state": "a b&c=é",
            "code_challenge": s256(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return "/authorize?" + urlencode({k: v for k, v in parameters.items() if v is not None})

    async def submit(
        self,
        username: str = "alice",
        password: str = "wonderland",
        *,
        form: dict[str, str] | None = None,
        **changes: str | None,
    ) -> HTTPResponse:
        """Log in as a browser does: take the form as it is served and send it back."""
        credentials = {"username": username, "password": password}
        page = await self.call(self.query(**changes))
        assert page.code == 200, page.body
        text = page.body.decode()
        action = re.search(r'<form method="post" action="([^"]*)"', text)
        token = re.search(r'name="_xsrf" value="([^"]*)"', text)
        assert action and token
        return await self.call(
            html.unescape(action[1]),
            "POST",
            headers={"Cookie": page.headers["Set-Cookie"].split(";")[0]},
            body=urlencode({**(form or credentials), "_xsrf": token[1]}),
        )

    def issue(self, user: str = "alice", scope: str = BOTH) -> str:
        token: str = self.server.issue(user, scope)["access_token"]
        return token

    async def code(self, **changes: str | None) -> str:
        response = await self.submit(**changes)
        assert response.code == 303
        return parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]

    async def exchange(self, code: str, **changes: str) -> Any:
        data = {
            "grant_type": "authorization_code",
            "client_id": "demo-spa",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": self.verifier,
            **changes,
        }
        return await self.form("/token", **data)

    async def refresh(self, token: str, **changes: str) -> Any:
        data = {"client_id": "demo-spa", "refresh_token": token, **changes}
        return await self.form("/token", grant_type="refresh_token", **data)

    async def introspect(self, token: str) -> Any:
        status, reply = await self.form("/introspect", basic(*GATEWAY), token=token)
        assert status == 200
        return reply

    async def tokens(self, **changes: str | None) -> dict[str, Any]:
        status, reply = await self.exchange(await self.code(**changes))
        assert status == 200, reply
        tokens: dict[str, Any] = reply
        return tokens

    async def refused(self, **changes: str | None) -> str:
        response = await self.call(self.query(**changes))
        assert response.code == 303
        location = response.headers["Location"]
        assert location.startswith(REDIRECT_URI)
        answer = parse_qs(urlsplit(location).query)
        assert answer["iss"] == [ISSUER]
        assert answer["state"] == ["a b&c=é"]
        return answer["error"][0]

    async def revoke(self, token: str) -> int:
        status, reply = await self.form("/revoke", token=token, client_id="demo-spa")
        assert reply == {}
        return int(status)


async def error(call: Awaitable[Any]) -> str:
    """The OAuth error code of a call that is answered with 400."""
    status, reply = await call
    assert status == 400
    code: str = reply["error"]
    return code


INACTIVE = {"active": False}


@pytest.fixture
def client(io_loop: IOLoop, caplog: pytest.LogCaptureFixture) -> Iterator[Client]:
    async def start() -> Client:
        return Client()

    with caplog.at_level("DEBUG"):
        made = io_loop.run_sync(start)
        yield made
        made.http.stop()
        io_loop.run_sync(made.http.close_all_connections)
    assert "Traceback" not in caplog.text


# Logging in


async def test_a_whole_log_in_gives_tokens_for_the_user(client: Client) -> None:
    response = await client.submit()
    assert response.code == 303
    location = response.headers["Location"]
    assert location.startswith(REDIRECT_URI + "?")
    answer = parse_qs(urlsplit(location).query)
    assert answer["state"] == ["a b&c=é"]
    assert answer["iss"] == [ISSUER]
    status, tokens = await client.exchange(answer["code"][0])
    assert status == 200
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert tokens["scope"] == BOTH
    assert await client.introspect(tokens["access_token"]) == {
        "active": True,
        "scope": BOTH,
        "client_id": "demo-spa",
        "username": "alice",
        "token_type": "Bearer",
        "exp": 1_700_003_600,
        "iat": 1_700_000_000,
        "sub": "alice",
        "aud": "demo-gateway",
        "iss": ISSUER,
    }


async def test_a_client_may_ask_for_less(client: Client) -> None:
    tokens = await client.tokens(scope=READ)
    assert tokens["scope"] == READ
    assert (await client.introspect(tokens["access_token"]))["scope"] == READ


async def test_a_wrong_password_shows_the_page_again(client: Client) -> None:
    for username, password in (("alice", "builder"), ("mallory", ""), ("", "")):
        response = await client.submit(username, password)
        assert response.code == 403
        assert "Location" not in response.headers
        assert b"The user name or the password is wrong." in response.body


async def test_cancel_tells_the_client(client: Client) -> None:
    response = await client.submit(form={"decision": "deny"})
    assert response.code == 303
    answer = parse_qs(urlsplit(response.headers["Location"]).query)
    assert answer["error"] == ["access_denied"]
    assert answer["iss"] == [ISSUER]


async def test_the_form_counts_only_with_its_own_anti_forgery_token(client: Client) -> None:
    body = urlencode({"username": "alice", "password": "wonderland"})
    response = await client.call(client.query(), "POST", body=body)
    assert response.code == 403
    assert "Location" not in response.headers


async def test_the_page_runs_nothing_and_its_cookie_is_kept_close(client: Client) -> None:
    page = await client.call(client.query())
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"form-action 'self' {ORIGIN};" in policy
    assert "frame-ancestors 'none'" in policy
    assert b"<script" not in page.body and b"style=" not in page.body
    cookie = page.headers["Set-Cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/authorize" in cookie
    style = await client.call("/login.css")
    assert style.headers["Content-Type"].startswith("text/css")


async def test_what_a_request_says_is_escaped_on_the_page(client: Client) -> None:
    page = await client.call(client.query(state='"><b id=x>'))
    assert page.code == 200
    assert b"<b id=x>" not in page.body


# The authorization request


async def test_a_wrong_redirect_uri_or_client_is_told_here_and_not_redirected(
    client: Client,
) -> None:
    for changes in (
        {"redirect_uri": "http://127.0.0.1:8888/other"},
        {"redirect_uri": "http://127.0.0.1:8888"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": 'https://evil.example/"<b>'},
        {"redirect_uri": None},
        {"client_id": "nobody"},
        {"client_id": "demo-gateway"},
        {"client_id": None},
        {"response_type": "é", "redirect_uri": "https://evil.example/"},
    ):
        response = await client.call(client.query(**changes))
        assert response.code == 400, changes
        assert "Location" not in response.headers
        assert b"<form" not in response.body and b"<b>" not in response.body


async def test_pkce_is_required_and_plain_is_refused(client: Client) -> None:
    for changes in (
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": "short"},
    ):
        assert await client.refused(**changes) == "invalid_request", changes


async def test_an_unknown_scope_or_response_type_is_told_to_the_client(client: Client) -> None:
    assert await client.refused(scope="ai-config:read admin") == "invalid_scope"
    assert await client.refused(response_type="token") == "unsupported_response_type"


async def test_a_parameter_given_twice_is_refused(client: Client) -> None:
    response = await client.call(client.query() + "&client_id=demo-spa")
    assert response.code == 400


# Tokens


async def test_a_wrong_or_missing_verifier_gets_nothing(client: Client) -> None:
    assert (
        await error(client.exchange(await client.code(), code_verifier="x" * 43)) == "invalid_grant"
    )
    assert await error(client.exchange(await client.code(), code_verifier="")) == "invalid_request"


async def test_a_code_that_failed_once_is_spent(client: Client) -> None:
    code = await client.code()
    await client.exchange(code, code_verifier="x" * 43)
    assert await error(client.exchange(code)) == "invalid_grant"


async def test_a_code_used_twice_ends_the_tokens_of_its_first_use(client: Client) -> None:
    code = await client.code()
    _, tokens = await client.exchange(code)
    assert (await client.introspect(tokens["access_token"]))["active"]
    assert await error(client.exchange(code)) == "invalid_grant"
    assert await client.introspect(tokens["access_token"]) == INACTIVE
    assert (await client.refresh(tokens["refresh_token"]))[0] == 400


async def test_a_code_is_bound_to_its_redirect_uri_and_its_minute(client: Client) -> None:
    assert await error(client.exchange(await client.code(), redirect_uri=ORIGIN)) == "invalid_grant"
    code = await client.code()
    client.now += 60
    assert await error(client.exchange(code)) == "invalid_grant"


async def test_only_the_public_client_gets_tokens(client: Client) -> None:
    status, reply = await client.exchange(await client.code(), client_id="demo-gateway")
    assert reply["error"] == "invalid_client"
    assert (
        await error(client.form("/token", grant_type="password", client_id="demo-spa"))
        == "unsupported_grant_type"
    )


async def test_a_parameter_sent_twice_is_refused(client: Client) -> None:
    body = "grant_type=refresh_token&client_id=demo-spa&refresh_token=a&refresh_token=b"
    response = await client.call("/token", "POST", body=body)
    assert (response.code, json.loads(response.body)["error"]) == (400, "invalid_request")


async def test_refresh_tokens_rotate_and_an_old_one_ends_them_all(client: Client) -> None:
    first = await client.tokens()
    status, second = await client.refresh(first["refresh_token"])
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert (await client.introspect(second["access_token"]))["active"]
    assert await error(client.refresh(first["refresh_token"])) == "invalid_grant"
    assert await client.introspect(second["access_token"]) == INACTIVE
    assert (await client.refresh(second["refresh_token"]))[0] == 400


async def test_a_refresh_narrows_the_scope_and_never_widens_it(client: Client) -> None:
    tokens = await client.tokens(scope=READ)
    assert await error(client.refresh(tokens["refresh_token"], scope=BOTH)) == "invalid_scope"
    tokens = await client.tokens()
    status, reply = await client.refresh(tokens["refresh_token"], scope=READ)
    assert (status, reply["scope"]) == (200, READ)


async def test_an_access_token_does_not_refresh(client: Client) -> None:
    tokens = await client.tokens()
    assert (await client.refresh(tokens["access_token"]))[0] == 400


async def test_an_access_token_ends_by_the_clock(client: Client) -> None:
    token = client.issue("bob", READ)
    client.now += 3599
    assert (await client.introspect(token))["sub"] == "bob"
    client.now += 1
    assert await client.introspect(token) == INACTIVE


async def test_replies_are_not_cached_and_no_token_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = await client.tokens()
    assert any(record.name.startswith("authlib") for record in caplog.records)
    assert tokens["access_token"] not in caplog.text
    assert tokens["refresh_token"] not in caplog.text
    response = await client.call("/token", "POST", body="")
    assert response.headers["Cache-Control"] == "no-store"


# Introspection


async def test_a_secret_with_special_characters_works_in_both_methods(client: Client) -> None:
    token = client.issue()
    assert (await client.introspect(token))["active"] is True
    status, reply = await client.form(
        "/introspect", token=token, client_id=GATEWAY[0], client_secret=GATEWAY[1]
    )
    assert (status, reply["active"]) == (200, True)


async def test_a_wrong_secret_or_client_is_401(client: Client) -> None:
    token = client.issue()
    raw = base64.b64encode(f"{GATEWAY[0]}:{GATEWAY[1]}".encode()).decode()
    for headers in (
        None,
        basic(GATEWAY[0], "wrong"),
        basic("nobody", GATEWAY[1]),
        basic("demo-spa", ""),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic /w=="},
        {"Authorization": f"Basic {raw}"},
        {"Authorization": f"Bearer {token}"},
    ):
        response = await client.call(
            "/introspect", "POST", body=urlencode({"token": token}), headers=headers
        )
        assert response.code == 401, headers
        assert json.loads(response.body)["error"] == "invalid_client"
        assert response.headers["WWW-Authenticate"].startswith("Basic")
    for who in ({"client_id": "demo-spa"}, {"client_id": "x", "client_secret": "y"}):
        assert (await client.form("/introspect", token=token, **who))[0] == 401


async def test_refresh_tokens_and_rubbish_are_inactive(client: Client) -> None:
    tokens = await client.tokens()
    for token in (tokens["refresh_token"], "rubbish", "a.b.c", "é\x00"):
        assert await client.introspect(token) == INACTIVE


async def test_a_hint_is_only_a_hint_and_a_missing_token_is_400(client: Client) -> None:
    token = client.issue()
    for hint in ("refresh_token", "unheard_of"):
        status, reply = await client.form(
            "/introspect", basic(*GATEWAY), token=token, token_type_hint=hint
        )
        assert (status, reply["active"]) == (200, True)
    assert (await client.form("/introspect", basic(*GATEWAY)))[0] == 400


# Revocation


async def test_an_access_token_goes_alone(client: Client) -> None:
    tokens = await client.tokens()
    response = await client.revoke(tokens["access_token"])
    assert response == 200
    assert await client.introspect(tokens["access_token"]) == INACTIVE
    assert (await client.refresh(tokens["refresh_token"]))[0] == 200


async def test_a_refresh_token_takes_its_access_tokens_along(client: Client) -> None:
    tokens = await client.tokens()
    other = client.issue()
    assert await client.revoke(tokens["refresh_token"]) == 200
    assert await client.introspect(tokens["access_token"]) == INACTIVE
    assert (await client.refresh(tokens["refresh_token"]))[0] == 400
    assert (await client.introspect(other))["active"] is True


async def test_an_unknown_token_is_no_error_and_an_unknown_client_is(client: Client) -> None:
    assert await client.revoke("rubbish") == 200
    token = client.issue()
    assert (await client.form("/revoke", token=token))[0] == 400
    assert (await client.form("/revoke", basic(*GATEWAY), token=token))[0] == 400
    assert (await client.introspect(token))["active"] is True


async def test_the_operator_may_revoke_directly(client: Client) -> None:
    token = client.issue()
    client.server.revoke(token)
    client.server.revoke("rubbish")
    assert await client.introspect(token) == INACTIVE


# What the server shows


async def test_the_metadata_name_every_endpoint_that_is_there(client: Client) -> None:
    response = await client.call("/.well-known/oauth-authorization-server")
    metadata = json.loads(response.body)
    assert metadata["issuer"] == ISSUER
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    for name in ("authorization", "token", "introspection", "revocation"):
        path = metadata[f"{name}_endpoint"].removeprefix(ISSUER)
        assert (await client.call(path, "POST", body="")).code in (400, 401, 403)


async def test_only_listed_origins_may_call_from_a_page(client: Client) -> None:
    allow = "Access-Control-Allow-Origin"
    metadata = "/.well-known/oauth-authorization-server"
    calls = [("/token", "POST", ""), ("/revoke", "POST", ""), (metadata, "GET", None)]
    for path, method, body in [*calls, *((path, "OPTIONS", None) for path, *_ in calls)]:
        response = await client.call(path, method, body=body, headers={"Origin": ORIGIN})
        assert response.headers[allow] == ORIGIN, path
        assert response.headers["Vary"] == "Origin"
        stranger = {"Origin": "https://evil.example"}
        response = await client.call(path, method, body=body, headers=stranger)
        assert allow not in response.headers
    for path in ("/introspect", client.query(), "/login.css"):
        response = await client.call(path, "GET", headers={"Origin": ORIGIN})
        assert allow not in response.headers


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://auth.example"},
        {"issuer": "http://127.0.0.1:8889/"},
        {"issuer": "ftp://localhost"},
        {"gateway_client": ("demo-gateway", "")},
        {"gateway_client": ("demo-spa", "x")},
        {"token_lifetime": 0},
    ],
)
def test_a_set_up_that_is_not_safe_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        AuthorizationServer(**{**SERVER, **changes})


def test_a_token_is_issued_to_known_users_for_known_scopes_alone() -> None:
    server = AuthorizationServer(**SERVER)
    for user, scope in (("mallory", READ), ("alice", "admin")):
        with pytest.raises(ValueError, match="no such user"):
            server.issue(user, scope)


def test_expired_tokens_do_not_pile_up() -> None:
    now = [0.0]
    server = AuthorizationServer(**SERVER, clock=lambda: now[0])
    for _ in range(5000):
        server.issue("alice", READ)
        now[0] += 3600
    assert len(server._store._records) <= 1000

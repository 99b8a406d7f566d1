"""The demo's authorization server, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest
import tornado.httpserver
import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.testing import AsyncHTTPTestCase, gen_test

from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.oauth_handlers import application

ISSUER = "http://127.0.0.1:8889"
REDIRECT_URI = "http://127.0.0.1:8888/"
ORIGIN = "http://127.0.0.1:8888"
GATEWAY = ("demo-gateway", "s:e%c+r et/é")
READ, BOTH = "ai-config:read", "ai-config:read ai-config:write"


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class ServerTest(AsyncHTTPTestCase):
    def get_app(self) -> tornado.web.Application:
        self.now = 1_700_000_000.5
        self.verifier = secrets.token_urlsafe(48)
        self.server = AuthorizationServer(
            ISSUER,
            gateway_client=GATEWAY,
            users={"alice": "wonderland", "bob": "builder"},
            redirect_uris=[REDIRECT_URI],
            origins=[ORIGIN],
            clock=lambda: self.now,
        )
        return application(self.server)

    @pytest.fixture(autouse=True)
    def _quiet(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with caplog.at_level("DEBUG"):
            yield
        self.assertNotIn("Traceback", caplog.text)

    async def call(self, path: str, method: str = "GET", **kwargs: Any) -> HTTPResponse:
        return await AsyncHTTPClient().fetch(
            self.get_url(path), method=method, raise_error=False, follow_redirects=False, **kwargs
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
        self, username: str = "alice", password: str = "wonderland", /, **changes: str | None
    ) -> HTTPResponse:
        """Log in as a browser does: take the form as it is served and send it back."""
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
            body=urlencode({"username": username, "password": password, "_xsrf": token[1]}),
        )

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


class TestLogIn(ServerTest):
    @gen_test
    async def test_a_whole_log_in_gives_tokens_for_the_user(self) -> None:
        response = await self.submit()
        assert response.code == 303
        location = response.headers["Location"]
        assert location.startswith(REDIRECT_URI + "?")
        answer = parse_qs(urlsplit(location).query)
        assert answer["state"] == ["a b&c=é"]
        assert answer["iss"] == [ISSUER]
        status, tokens = await self.exchange(answer["code"][0])
        assert status == 200
        assert tokens["token_type"] == "Bearer"
        assert tokens["expires_in"] == 3600
        assert tokens["scope"] == BOTH
        assert await self.introspect(tokens["access_token"]) == {
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

    @gen_test
    async def test_a_client_may_ask_for_less(self) -> None:
        tokens = await self.tokens(scope=READ)
        assert tokens["scope"] == READ
        assert (await self.introspect(tokens["access_token"]))["scope"] == READ

    @gen_test
    async def test_a_wrong_password_shows_the_page_again(self) -> None:
        for username, password in (("alice", "builder"), ("mallory", ""), ("", "")):
            response = await self.submit(username, password)
            assert response.code == 403
            assert "Location" not in response.headers
            assert b"The user name or the password is wrong." in response.body

    @gen_test
    async def test_cancel_tells_the_client(self) -> None:
        page = await self.call(self.query())
        cookie = page.headers["Set-Cookie"].split(";")[0]
        token = re.search(r'name="_xsrf" value="([^"]*)"', page.body.decode())
        assert token
        body = urlencode({"decision": "deny", "_xsrf": token[1]})
        response = await self.call(self.query(), "POST", body=body, headers={"Cookie": cookie})
        assert response.code == 303
        answer = parse_qs(urlsplit(response.headers["Location"]).query)
        assert answer["error"] == ["access_denied"]
        assert answer["iss"] == [ISSUER]

    @gen_test
    async def test_the_form_counts_only_with_its_own_anti_forgery_token(self) -> None:
        body = urlencode({"username": "alice", "password": "wonderland"})
        response = await self.call(self.query(), "POST", body=body)
        assert response.code == 403
        assert "Location" not in response.headers

    @gen_test
    async def test_the_page_runs_nothing_and_its_cookie_is_kept_close(self) -> None:
        page = await self.call(self.query())
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert f"form-action 'self' {ORIGIN};" in policy
        assert "frame-ancestors 'none'" in policy
        assert b"<script" not in page.body and b"style=" not in page.body
        cookie = page.headers["Set-Cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie and "path=/authorize" in cookie
        style = await self.call("/login.css")
        assert style.headers["Content-Type"].startswith("text/css")

    @gen_test
    async def test_what_a_request_says_is_escaped_on_the_page(self) -> None:
        page = await self.call(self.query(state='"><b id=x>'))
        assert page.code == 200
        assert b"<b id=x>" not in page.body


class TestAuthorizationRequest(ServerTest):
    @gen_test
    async def test_a_wrong_redirect_uri_or_client_is_told_here_and_not_redirected(self) -> None:
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
            response = await self.call(self.query(**changes))
            assert response.code == 400, changes
            assert "Location" not in response.headers
            assert b"<form" not in response.body and b"<b>" not in response.body

    async def refused(self, **changes: str | None) -> str:
        response = await self.call(self.query(**changes))
        assert response.code == 303
        location = response.headers["Location"]
        assert location.startswith(REDIRECT_URI)
        answer = parse_qs(urlsplit(location).query)
        assert answer["iss"] == [ISSUER]
        assert answer["state"] == ["a b&c=é"]
        return answer["error"][0]

    @gen_test
    async def test_pkce_is_required_and_plain_is_refused(self) -> None:
        for changes in (
            {"code_challenge_method": "plain"},
            {"code_challenge_method": None},
            {"code_challenge": None},
            {"code_challenge": None, "code_challenge_method": None},
            {"code_challenge": "short"},
        ):
            assert await self.refused(**changes) == "invalid_request", changes

    @gen_test
    async def test_an_unknown_scope_or_response_type_is_told_to_the_client(self) -> None:
        assert await self.refused(scope="ai-config:read admin") == "invalid_scope"
        assert await self.refused(response_type="token") == "unsupported_response_type"

    @gen_test
    async def test_a_parameter_given_twice_is_refused(self) -> None:
        response = await self.call(self.query() + "&client_id=demo-spa")
        assert response.code == 400


class TestTokens(ServerTest):
    @gen_test
    async def test_a_wrong_or_missing_verifier_gets_nothing(self) -> None:
        status, reply = await self.exchange(await self.code(), code_verifier="x" * 43)
        assert (status, reply["error"]) == (400, "invalid_grant")
        status, reply = await self.exchange(await self.code(), code_verifier="")
        assert (status, reply["error"]) == (400, "invalid_request")

    @gen_test
    async def test_a_code_that_failed_once_is_spent(self) -> None:
        code = await self.code()
        await self.exchange(code, code_verifier="x" * 43)
        status, reply = await self.exchange(code)
        assert (status, reply["error"]) == (400, "invalid_grant")

    @gen_test
    async def test_a_code_used_twice_ends_the_tokens_of_its_first_use(self) -> None:
        code = await self.code()
        _, tokens = await self.exchange(code)
        assert (await self.introspect(tokens["access_token"]))["active"]
        status, reply = await self.exchange(code)
        assert (status, reply["error"]) == (400, "invalid_grant")
        assert await self.introspect(tokens["access_token"]) == {"active": False}
        assert (await self.refresh(tokens["refresh_token"]))[0] == 400

    @gen_test
    async def test_a_code_is_bound_to_its_redirect_uri_and_its_minute(self) -> None:
        status, reply = await self.exchange(await self.code(), redirect_uri=ORIGIN)
        assert (status, reply["error"]) == (400, "invalid_grant")
        code = await self.code()
        self.now += 60
        status, reply = await self.exchange(code)
        assert (status, reply["error"]) == (400, "invalid_grant")

    @gen_test
    async def test_only_the_public_client_gets_tokens(self) -> None:
        status, reply = await self.exchange(await self.code(), client_id="demo-gateway")
        assert reply["error"] == "invalid_client"
        status, reply = await self.form("/token", grant_type="password", client_id="demo-spa")
        assert (status, reply["error"]) == (400, "unsupported_grant_type")

    @gen_test
    async def test_a_parameter_sent_twice_is_refused(self) -> None:
        body = "grant_type=refresh_token&client_id=demo-spa&refresh_token=a&refresh_token=b"
        response = await self.call("/token", "POST", body=body)
        assert (response.code, json.loads(response.body)["error"]) == (400, "invalid_request")

    @gen_test
    async def test_refresh_tokens_rotate_and_an_old_one_ends_them_all(self) -> None:
        first = await self.tokens()
        status, second = await self.refresh(first["refresh_token"])
        assert status == 200
        assert second["refresh_token"] != first["refresh_token"]
        assert (await self.introspect(second["access_token"]))["active"]
        status, reply = await self.refresh(first["refresh_token"])
        assert (status, reply["error"]) == (400, "invalid_grant")
        assert await self.introspect(second["access_token"]) == {"active": False}
        assert (await self.refresh(second["refresh_token"]))[0] == 400

    @gen_test
    async def test_a_refresh_narrows_the_scope_and_never_widens_it(self) -> None:
        tokens = await self.tokens(scope=READ)
        status, reply = await self.refresh(tokens["refresh_token"], scope=BOTH)
        assert (status, reply["error"]) == (400, "invalid_scope")
        tokens = await self.tokens()
        status, reply = await self.refresh(tokens["refresh_token"], scope=READ)
        assert (status, reply["scope"]) == (200, READ)

    @gen_test
    async def test_an_access_token_does_not_refresh(self) -> None:
        tokens = await self.tokens()
        assert (await self.refresh(tokens["access_token"]))[0] == 400

    @gen_test
    async def test_an_access_token_ends_by_the_clock(self) -> None:
        token = self.server.issue("bob", READ)["access_token"]
        self.now += 3599
        assert (await self.introspect(token))["sub"] == "bob"
        self.now += 1
        assert await self.introspect(token) == {"active": False}

    @gen_test
    async def test_replies_are_not_cached_and_no_token_is_logged(self) -> None:
        with self.assertLogs("authlib", "DEBUG") as logs:
            tokens = await self.tokens()
        said = "\n".join(logs.output)
        assert tokens["access_token"] not in said and tokens["refresh_token"] not in said
        response = await self.call("/token", "POST", body="")
        assert response.headers["Cache-Control"] == "no-store"


class TestIntrospection(ServerTest):
    @gen_test
    async def test_a_secret_with_special_characters_works_in_both_methods(self) -> None:
        token = self.server.issue("alice", BOTH)["access_token"]
        assert (await self.introspect(token))["active"] is True
        status, reply = await self.form(
            "/introspect", token=token, client_id=GATEWAY[0], client_secret=GATEWAY[1]
        )
        assert (status, reply["active"]) == (200, True)

    @gen_test
    async def test_a_wrong_secret_or_client_is_401(self) -> None:
        token = self.server.issue("alice", BOTH)["access_token"]
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
            response = await self.call(
                "/introspect", "POST", body=urlencode({"token": token}), headers=headers
            )
            assert response.code == 401, headers
            assert json.loads(response.body)["error"] == "invalid_client"
            assert response.headers["WWW-Authenticate"].startswith("Basic")
        for client in ({"client_id": "demo-spa"}, {"client_id": "x", "client_secret": "y"}):
            assert (await self.form("/introspect", token=token, **client))[0] == 401

    @gen_test
    async def test_refresh_tokens_and_rubbish_are_inactive(self) -> None:
        tokens = await self.tokens()
        for token in (tokens["refresh_token"], "rubbish", "a.b.c", "é\x00"):
            assert await self.introspect(token) == {"active": False}

    @gen_test
    async def test_a_hint_is_only_a_hint_and_a_missing_token_is_400(self) -> None:
        token = self.server.issue("alice", BOTH)["access_token"]
        for hint in ("refresh_token", "unheard_of"):
            status, reply = await self.form(
                "/introspect", basic(*GATEWAY), token=token, token_type_hint=hint
            )
            assert (status, reply["active"]) == (200, True)
        assert (await self.form("/introspect", basic(*GATEWAY)))[0] == 400


class TestRevocation(ServerTest):
    @gen_test
    async def test_an_access_token_goes_alone(self) -> None:
        tokens = await self.tokens()
        response = await self.revoke(tokens["access_token"])
        assert response == 200
        assert await self.introspect(tokens["access_token"]) == {"active": False}
        assert (await self.refresh(tokens["refresh_token"]))[0] == 200

    @gen_test
    async def test_a_refresh_token_takes_its_access_tokens_along(self) -> None:
        tokens = await self.tokens()
        other = self.server.issue("alice", BOTH)["access_token"]
        assert await self.revoke(tokens["refresh_token"]) == 200
        assert await self.introspect(tokens["access_token"]) == {"active": False}
        assert (await self.refresh(tokens["refresh_token"]))[0] == 400
        assert (await self.introspect(other))["active"] is True

    @gen_test
    async def test_an_unknown_token_is_no_error_and_an_unknown_client_is(self) -> None:
        assert await self.revoke("rubbish") == 200
        token = self.server.issue("alice", BOTH)["access_token"]
        assert (await self.form("/revoke", token=token))[0] == 400
        assert (await self.form("/revoke", basic(*GATEWAY), token=token))[0] == 400
        assert (await self.introspect(token))["active"] is True

    @gen_test
    async def test_the_operator_may_revoke_directly(self) -> None:
        token = self.server.issue("alice", BOTH)["access_token"]
        self.server.revoke(token)
        self.server.revoke("rubbish")
        assert await self.introspect(token) == {"active": False}

    async def revoke(self, token: str) -> int:
        status, reply = await self.form("/revoke", token=token, client_id="demo-spa")
        assert reply == {}
        return int(status)


class TestSurface(ServerTest):
    @gen_test
    async def test_the_metadata_name_every_endpoint_that_is_there(self) -> None:
        response = await self.call("/.well-known/oauth-authorization-server")
        metadata = json.loads(response.body)
        assert metadata["issuer"] == ISSUER
        assert metadata["code_challenge_methods_supported"] == ["S256"]
        for name in ("authorization", "token", "introspection", "revocation"):
            path = metadata[f"{name}_endpoint"].removeprefix(ISSUER)
            assert (await self.call(path, "POST", body="")).code in (400, 401, 403)

    @gen_test
    async def test_only_listed_origins_may_call_from_a_page(self) -> None:
        allow = "Access-Control-Allow-Origin"
        metadata = "/.well-known/oauth-authorization-server"
        calls = [("/token", "POST", ""), ("/revoke", "POST", ""), (metadata, "GET", None)]
        for path, method, body in [*calls, *((path, "OPTIONS", None) for path, *_ in calls)]:
            response = await self.call(path, method, body=body, headers={"Origin": ORIGIN})
            assert response.headers[allow] == ORIGIN, path
            assert response.headers["Vary"] == "Origin"
            stranger = {"Origin": "https://evil.example"}
            response = await self.call(path, method, body=body, headers=stranger)
            assert allow not in response.headers
        for path in ("/introspect", self.query(), "/login.css"):
            response = await self.call(path, "GET", headers={"Origin": ORIGIN})
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
    good: dict[str, Any] = {
        "issuer": ISSUER,
        "gateway_client": GATEWAY,
        "users": {},
        "redirect_uris": [],
    }
    with pytest.raises(ValueError, match="must be"):
        AuthorizationServer(**{**good, **changes})


def test_a_token_is_issued_to_known_users_for_known_scopes_alone() -> None:
    server = AuthorizationServer(
        ISSUER, gateway_client=GATEWAY, users={"alice": "x"}, redirect_uris=[]
    )
    with pytest.raises(ValueError, match="no such user"):
        server.issue("mallory", READ)
    with pytest.raises(ValueError, match="no such user"):
        server.issue("alice", "admin")


def test_expired_tokens_do_not_pile_up() -> None:
    now = [0.0]
    server = AuthorizationServer(
        ISSUER,
        gateway_client=GATEWAY,
        users={"alice": "x"},
        redirect_uris=[],
        clock=lambda: now[0],
    )
    for _ in range(5000):
        server.issue("alice", READ)
        now[0] += 3600
    assert len(server._store._records) <= 1000

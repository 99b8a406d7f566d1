"""Pages of the origins that are listed may call the routes, and nobody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from tornado.httpclient import HTTPResponse

from aiconfig_plugin import InvalidToken, Principal, Settings
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.http import ROUTES
from tests.support.gateway import CREATE_PATH, READ_PATH, Gateway, bearer, body

MakeGateway: TypeAlias = Callable[..., Awaitable[Gateway]]
APP, OTHER = "https://app.example", "https://other.example"


async def authenticate(request: Any) -> Principal:
    if request.headers.get("Authorization") != "Bearer good":
        raise InvalidToken("No.")
    return Principal("https://issuer.example", "alice", "ai-config:read ai-config:write")


async def gateway_for(make_gateway: MakeGateway, origins: Any = (APP,)) -> Gateway:
    return await make_gateway(authenticate=authenticate, cors_origins=origins)


def allowed(answer: HTTPResponse) -> set[str]:
    return {name for name in answer.headers if name.startswith("Access-Control-")}


def asking(origin: str, method: str = "PUT") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,if-match",
    }


@pytest.mark.parametrize(
    "origins",
    [
        *("*", "null", "https://*.example", "https://app.example/", "https://app.example/x"),
        *("https://App.example", "https://app.example:443", "http://app.example:80"),
        *("app.example", "ftp://app.example", "https://a.example https://b.example"),
        *("https://a.example,,https://b.example", "https://u@a.example", "https://a.example:0"),
        ["https://a.example", "*"],
    ],
    ids=str,
)
def test_what_is_no_exact_origin_stops_the_start(origins: Any) -> None:
    with pytest.raises(ConfigurationError, match="AICONFIG_CORS_ORIGINS"):
        Settings(cors_origins=origins)


def test_origins_are_separated_by_commas_in_the_environment() -> None:
    given = "https://a.example, http://localhost:5173,http://[::1]:8080"
    settings = Settings.from_env({"AICONFIG_CORS_ORIGINS": given})
    assert settings.cors_origins == (
        *("https://a.example", "http://localhost:5173", "http://[::1]:8080"),
    )


async def test_a_preflight_is_answered_without_a_token_on_every_route(
    make_gateway: MakeGateway,
) -> None:
    gateway = await gateway_for(make_gateway)
    for route in ROUTES:
        answer = await gateway.call("OPTIONS", f"/api/v1{route.path}", headers=asking(APP))
        assert (answer.code, answer.body) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Access-Control-Allow-Methods"] == ", ".join(route.methods)
        headers = answer.headers["Access-Control-Allow-Headers"]
        assert headers == "Authorization, Content-Type, DPoP, If-Match, If-None-Match"
        assert int(answer.headers["Access-Control-Max-Age"]) > 0
        assert answer.headers["Vary"] == "Authorization, Origin"


@pytest.mark.parametrize(
    "origin", [OTHER, "null", "*", APP + "/", APP.upper(), APP + ".evil.example", f"{APP}, {OTHER}"]
)
async def test_an_origin_that_is_not_listed_is_granted_nothing(
    make_gateway: MakeGateway, origin: str
) -> None:
    gateway = await gateway_for(make_gateway)
    preflight = await gateway.call("OPTIONS", READ_PATH, headers=asking(origin))
    assert preflight.code == 204
    answers = [preflight]
    for token in ("good", "bad"):
        answers.append(await gateway.call("GET", headers={"Origin": origin, **bearer(token)}))
    assert [answer.code for answer in answers[1:]] == [404, 401]
    for answer in answers:
        assert allowed(answer) == set()
        assert answer.headers["Vary"] == "Authorization, Origin"


async def test_responses_and_errors_carry_the_origin_that_asked(make_gateway: MakeGateway) -> None:
    gateway = await gateway_for(make_gateway, (APP, OTHER))
    for origin in (APP, OTHER):
        headers = {"Origin": origin, **bearer("good")}
        created = await gateway.call("POST", CREATE_PATH, body(), headers)
        etag = (await gateway.call("GET", headers=headers)).headers["ETag"]
        answers = [
            created,
            await gateway.call("GET", headers=headers),
            await gateway.call("GET", headers={**headers, "If-None-Match": etag}),
            await gateway.call("HEAD", headers=headers),
            await gateway.call("GET", headers={"Origin": origin}),
            await gateway.call("DELETE", headers=headers),
            await gateway.call("POST", CREATE_PATH, {"models": 1}, headers),
        ]
        codes = [201 if origin == APP else 409, 200, 304, 200, 401, 405, 422]
        assert [answer.code for answer in answers] == codes
        for answer in answers:
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            exposed = answer.headers["Access-Control-Expose-Headers"]
            assert {"ETag", "Location"} <= set(exposed.split(", "))
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert answer.headers["Vary"] == "Authorization, Origin"


async def test_without_origins_there_is_no_cors_at_all(make_gateway: MakeGateway) -> None:
    gateway = await gateway_for(make_gateway, ())
    preflight = await gateway.call("OPTIONS", READ_PATH, headers=asking(APP))
    assert (preflight.code, preflight.headers["Allow"]) == (405, "GET, HEAD")
    got = await gateway.call("GET", headers={"Origin": APP, **bearer("good")})
    for answer in (preflight, got):
        assert allowed(answer) == set()
        assert answer.headers["Vary"] == "Authorization"

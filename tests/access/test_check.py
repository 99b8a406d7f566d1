"""``aiconfig check`` of the authorization server and of a token, against one that is scripted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.cli.check import _check_authorization_server, _check_token
from aiconfig_plugin.cli.commands import main
from aiconfig_plugin.errors import AIConfigError, ConfigurationError
from aiconfig_plugin.settings import Settings
from tests.access.conftest import settings
from tests.support.scripted_server import Reply, ScriptedServer, active
from tests.support.signing import AUDIENCE, access_token, bound_token
from tests.support.tls import Certificate
from tests.support.token_gateway import publish

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


async def told(call: Any) -> str:
    """What ``check`` prints of a part that works, or the error's own words."""
    try:
        return str(await call)
    except AIConfigError as err:
        return f"{type(err).__name__}: {err.detail} {getattr(err, 'tried', '')}".strip()


class RefusesAll(ScriptedServer):
    """Refuses every introspection as a request that it does not like."""

    async def arrive(self, call: Any) -> Reply:
        await super().arrive(call)
        error = {"error": "invalid_request", "error_description": "Accept must be application/jwt"}
        return Reply(error, status=400)


async def test_a_request_that_is_refused_fails_with_what_the_server_says() -> None:
    server = RefusesAll()
    try:
        found = await told(_check_authorization_server(settings(server)))
    finally:
        await server.stop()
    assert found.startswith("ConfigurationError: ")
    assert "HTTP 400" in found
    assert "invalid_request: Accept must be application/jwt" in found


async def test_it_lists_where_it_looked_and_why_not(server: ScriptedServer) -> None:
    issuer = f"{server.issuer}/realm"
    server.documents = {
        f"{OAUTH}/realm": Reply({"issuer": "https://other.example"}),
        f"/realm{OPENID}": Reply(b"<html>"),
    }
    given = settings(server, issuer=issuer, introspection_endpoint=None)
    found = await told(_check_authorization_server(given))
    assert "The metadata of the authorization server cannot be used." in found
    for place, reason in (
        (f"{OAUTH}/realm", f"The issuer is 'https://other.example', not '{issuer}'."),
        (f"/realm{OPENID}", "The response is not JSON."),
        (f"/realm{OAUTH}", "The response has status 404."),
    ):
        assert f"{server.issuer}{place}: {reason}" in found


@pytest.mark.parametrize("discovers", [True, False])
async def test_a_wrong_ca_is_named_with_its_setting(tmp_path: Path, discovers: bool) -> None:
    server = ScriptedServer(tls=Certificate(tmp_path, "127.0.0.1").for_server())
    (tmp_path / "other").mkdir()
    other = Certificate(tmp_path / "other", "other.example")
    changes = {"introspection_endpoint": None} if discovers else {}
    try:
        given = settings(server, issuer=server.issuer, ca_file=other.path, **changes)
        found = await told(_check_authorization_server(given))
    finally:
        await server.stop()
    assert "certificate is not trusted (AICONFIG_CA_FILE)" in found


async def test_a_token_is_told_by_its_user_client_and_scopes(server: ScriptedServer) -> None:
    server.script("t", active("alice", client_id="web", scope="b a"))
    assert await told(_check_token("t", settings(server))) == (
        "OK; subject alice; client web; scopes a b"
    )
    server.script("t", active("alice"))
    assert await told(_check_token("t", settings(server))) == (
        "OK; subject alice; client not named; scopes none"
    )


async def test_a_token_is_told_by_the_rule_that_refuses_it(server: ScriptedServer) -> None:
    for reply, changes, words in (
        (active(exp=1), {}, "InvalidToken: The access token has expired."),
        (active(aud="x"), {"audience": "y"}, "InvalidToken: The access token is meant for another"),
        (active("svc", client_id="svc"), {}, "UserRequired: It stands for no user"),
        (active(), {"clients": "web"}, "ClientNotAllowed: AICONFIG_CLIENTS"),
    ):
        server.script("t", reply)
        found = await told(_check_token("t", settings(server, **changes)))
        assert found.startswith(words)


async def test_jwts_are_checked_by_the_set_and_need_no_proof(server: ScriptedServer) -> None:
    publish(server, "ec", "rsa")
    given = Settings(
        issuer=server.issuer,
        jwks_uri=f"{server.issuer}/jwks",
        tokens="jwt",
        audience=AUDIENCE,
        dpop="required",
        resource=AUDIENCE,
    )
    assert await told(_check_authorization_server(given)) == "OK; its JWK Set has 2 keys"
    bound = await told(_check_token(bound_token(server.issuer, "ec-holder"), given))
    assert bound.endswith("; bound to a key (DPoP)")
    assert (await told(_check_token(access_token(server.issuer), given))).startswith("OK; ")
    publish(server)
    with pytest.raises(ConfigurationError, match="no key for an algorithm"):
        await _check_authorization_server(given)


def test_a_token_file_that_is_not_there_is_a_wrong_argument(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--token-file", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err

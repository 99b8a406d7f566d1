"""``aiconfig serve`` with JWT access tokens of npm's ``oidc-provider``, and its log-outs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.keys import create_keyring
from tests.integration import oidc_provider
from tests.integration.oidc_provider import RESOURCE, OIDCProvider
from tests.support.processes import aiconfig, environment, need, program
from tests.support.signing import key, proof

READ = "/api/v1/get/ai-model-config"
LOG_OUT = "/api/v1/backchannel-logout"


class Served:
    """A gateway in a process of its own, beside the server that logs users in."""

    def __init__(self, stack: ExitStack, mongodb_uri: str, database: str, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        installed = oidc_provider.installed(folder)
        self.provider = OIDCProvider(installed, token_format="jwt", log_out=self.url + LOG_OUT)
        stack.callback(self.provider.stop)
        create_keyring(folder / "keyring.json")
        self.environment = environment(
            mongodb_uri=mongodb_uri,
            mongodb_database=database,
            keyring=str(folder / "keyring.json"),
            issuer=self.provider.issuer,
            tokens="jwt",
            audience=RESOURCE,
            clients="spa",
            dpop="on",
            resource=f"{self.url}/api/v1",
            backchannel_logout="true",
        )
        command = [aiconfig(), "serve", "--port", str(port), "--log-level", "info"]
        self.program = stack.enter_context(program(command, self.environment, folder / "serve"))
        self.program.wait_for("\n")

    async def read(self, token: str, proof: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        if proof is not None:
            headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        async with httpx2.AsyncClient() as http:
            return (await http.get(self.url + READ, headers=headers)).status_code

    def check(self, token: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [aiconfig(), "check", "--token-file", "-"],
            env=self.environment,
            input=token + "\n",
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def served(mongod: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    need("node")
    need("npm")
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("oidc-provider-jwt")
        yield Served(stack, mongod.uri, "aiconfig_test_oidc_provider_jwt", folder)


async def test_a_jwt_passes_and_what_is_none_does_not(served: Served) -> None:
    granted = await served.provider.log_in("alice")
    assert granted["access_token"].count(".") == 2
    assert await served.read(granted["access_token"]) == 404
    for wrong in (granted["id_token"], granted["refresh_token"], granted["access_token"] + "x"):
        assert await served.read(wrong) == 401
    again = await served.provider.refresh(granted["refresh_token"])
    assert await served.read(again["access_token"]) == 404
    assert granted["access_token"] not in served.program.err


async def test_a_bound_jwt_passes_with_its_proof(served: Served) -> None:
    holder = key("ec-holder")
    assert isinstance(holder, ECKey)
    granted = await served.provider.log_in("bob", dpop_key=holder)
    token = granted["access_token"]
    assert await served.read(token, proof(token, served.url + READ)) == 404
    assert await served.read(token) == 401
    assert await served.read(token, proof(token, served.url + READ, holder="ec-stranger")) == 401


async def test_a_log_out_at_the_server_ends_the_jwts_from_before(served: Served) -> None:
    carol = (await served.provider.log_in("carol"))["access_token"]
    dave = (await served.provider.log_in("dave"))["access_token"]
    for token in (carol, dave):
        assert await served.read(token) == 404
    await served.provider.log_out("carol")
    assert await served.read(carol) == 401
    assert await served.read(dave) == 404
    assert "a subject was logged out" in served.program.err
    assert "The user has logged out." in served.program.err


async def test_check_says_what_a_token_is_worth(served: Served) -> None:
    token = (await served.provider.log_in("erin", "ai-config:read"))["access_token"]
    done = served.check(token)
    assert done.returncode == 0, done.stdout
    assert "its JWK Set has " in done.stdout
    assert "OK; subject erin; client spa; scopes ai-config:read" in done.stdout
    refused = served.check(token + "x")
    assert refused.returncode == 1
    assert "token                 FAILED: The access token is refused" in refused.stdout
    assert token not in done.stdout + done.stderr + refused.stdout + refused.stderr

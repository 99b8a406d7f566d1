"""Credentials out of files: read at the start, and used anew when they have changed."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from aiconfig_plugin.access.authenticator import TokenAuthenticator
from aiconfig_plugin.composition import Reloader, open_authenticator
from aiconfig_plugin.errors import AIConfigError, ConfigurationError
from tests.access.conftest import ISSUER, settings
from tests.support.scripted_server import ScriptedServer, active
from tests.support.tls import Certificate


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


@asynccontextmanager
async def started(
    server: ScriptedServer, reloader: Reloader, **changes: Any
) -> AsyncIterator[TokenAuthenticator]:
    given = settings(server, **{"introspection_ttl": 0, **changes})
    authenticator = open_authenticator(given, reloader)
    await authenticator.start()
    try:
        yield authenticator
    finally:
        await authenticator.close()


def secret_of(server: ScriptedServer) -> str:
    scheme, _, pair = server.calls[-1].headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(pair).decode().partition(":")[2]


async def test_a_secret_is_read_from_a_file_and_again_when_it_changes(
    server: ScriptedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "secret", "first-0f9b\n")
    server.script("t", active())
    reloader = Reloader()
    files = {"client_secret": None, "client_secret_file": path}
    async with started(server, reloader, **files) as authenticator:
        await authenticator.authenticate("t")
        assert secret_of(server) == "first-0f9b"
        write(path, "second-0f9b")
        await authenticator.authenticate("t")
        assert secret_of(server) == "first-0f9b"
        await reloader.reload()
        await authenticator.authenticate("t")
        assert secret_of(server) == "second-0f9b"
        write(path, "two\nlines-0f9b")
        with caplog.at_level(logging.INFO):
            await reloader.reload()
        assert f"AICONFIG_CLIENT_SECRET_FILE: {path}: not one line of UTF-8 text." in caplog.text
        assert "0f9b" not in caplog.text
        await authenticator.authenticate("t")
        assert secret_of(server) == "second-0f9b"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by the decoding of this test
async def test_a_client_key_is_used_anew_with_its_own_algorithm(
    server: ScriptedServer, tmp_path: Path
) -> None:
    keys = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519", {"kid": "ed"})
    path = write(tmp_path / "key.pem", keys[0].as_pem(private=True))
    server.script("t", active())
    reloader = Reloader()
    given = {"client_auth_method": "private_key_jwt", "client_key": path, "client_secret": None}
    async with started(server, reloader, **given) as authenticator:
        await authenticator.authenticate("t")
        write(path, keys[1].as_pem(private=True))
        await reloader.reload()
        await authenticator.authenticate("t")
    sent = [call.form["client_assertion"][0] for call in server.calls]
    for text, key, algorithm in zip(sent, keys, ("ES256", "EdDSA"), strict=True):
        assert jwt.decode(text, key, algorithms=[algorithm]).claims["aud"] == ISSUER


async def test_the_audience_of_an_assertion_may_be_another(
    server: ScriptedServer, tmp_path: Path
) -> None:
    key = ECKey.generate_key("P-256")
    path = write(tmp_path / "key.pem", key.as_pem(private=True))
    given = {
        "client_auth_method": "private_key_jwt",
        "client_key": path,
        "assertion_audience": server.url,
    }
    server.script("t", active())
    async with started(server, Reloader(), **given) as authenticator:
        await authenticator.authenticate("t")
    [text] = server.calls[0].form["client_assertion"]
    assert jwt.decode(text, key, algorithms=["ES256"]).claims["aud"] == server.url


async def test_a_ca_file_is_used_anew(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("good", "other")]
    for folder in folders:
        folder.mkdir()
    good = Certificate(folders[0], "127.0.0.1")
    other = Certificate(folders[1], "other.example")
    server = ScriptedServer(tls=good.for_server())
    server.script("t", active())
    path = write(tmp_path / "ca.pem", good.path.read_bytes())
    reloader = Reloader()
    try:
        async with started(server, reloader, ca_file=path) as authenticator:
            await authenticator.authenticate("t")
            write(path, other.path.read_bytes())
            await reloader.reload()
            with pytest.raises(AIConfigError, match="AICONFIG_CA_FILE"):
                await authenticator.authenticate("t")
            write(path, "# Grüße\n".encode() + good.path.read_bytes())
            await reloader.reload()
            assert await authenticator.authenticate("t")
    finally:
        await server.stop()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"client_secret": "x"}, "CLIENT_SECRET and AICONFIG_CLIENT_SECRET_FILE are both set"),
    "empty": ({"content": "\n"}, "not one line"),
    "not text": ({"content": b"\xff\xfe"}, "not one line"),
    "open to others": ({"mode": 0o644}, "mode 0644"),
    "not there": ({"missing": True}, "No such file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_secret_file_that_cannot_be_used_stops_the_start(
    server: ScriptedServer, tmp_path: Path, name: str
) -> None:
    given, told = WRONG[name]
    path = write(tmp_path / "secret", given.get("content", "hush"))
    path.chmod(given.get("mode", 0o600))
    if given.get("missing"):
        path.unlink()
    changes = {"client_secret": given.get("client_secret"), "client_secret_file": path}
    with pytest.raises(ConfigurationError, match=told):
        open_authenticator(settings(server, **changes))

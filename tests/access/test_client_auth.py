"""The gateway proves who it is to the authorization server, over TLS that is always checked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from aiconfig_plugin import AuthorizationServerUnavailable, Settings
from aiconfig_plugin.access.client_auth import ASSERTION_LIFETIME
from aiconfig_plugin.composition import open_authenticator
from aiconfig_plugin.errors import ConfigurationError
from tests.access.conftest import ISSUER, TOKEN, Make
from tests.support.scripted_server import ScriptedServer, active
from tests.support.tls import Certificate

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def write(path: Path, content: Any, mode: int = 0o600) -> Path:
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def settings(path: Path, **given: Any) -> Settings:
    return Settings(
        **{
            "issuer": ISSUER,
            "introspection_endpoint": f"{ISSUER}/introspect",
            "client_id": "gateway",
            "client_auth_method": "private_key_jwt",
            "client_key": path,
        }
        | given
    )


EC = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
ED = OKPKey.generate_key("Ed25519")
KEYS = {
    "ec-jwk": (EC.as_dict(private=True) | {"kid": "k1", "use": "sig"}, "ES256", EC),
    "ec-jwk-alg": (EC.as_dict(private=True) | {"alg": "ES256"}, "ES256", EC),
    "ec-pem": (EC.as_pem(private=True).decode(), "ES256", EC),
    "rsa-jwk": (RSA.as_dict(private=True), "RS256", RSA),
    "rsa-jwk-alg": (RSA.as_dict(private=True) | {"alg": "PS256"}, "PS256", RSA),
    "ed-jwk": (ED.as_dict(private=True) | {"kid": "k2"}, "EdDSA", ED),
    "ed-jwk-alg": (ED.as_dict(private=True) | {"alg": "Ed25519"}, "Ed25519", ED),
    "ed-pem": (ED.as_pem(private=True).decode(), "EdDSA", ED),
    "rsa-pem": (RSA.as_pem(private=True).decode(), "RS256", RSA),
}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by the decoding of this test
@pytest.mark.parametrize("name", KEYS)
async def test_each_call_carries_a_fresh_assertion_for_the_issuer(
    server: ScriptedServer, tmp_path: Path, name: str
) -> None:
    content, algorithm, key = KEYS[name]
    path = write(tmp_path / "key", content)
    authenticator = open_authenticator(settings(path, introspection_endpoint=server.url))
    await authenticator.start()
    try:
        for token in ("a", "b"):
            server.script(token, active())
            await authenticator.authenticate(token)
    finally:
        await authenticator.close()
    seen = set()
    for call in server.calls:
        assert set(call.form) == {"token", "client_assertion_type", "client_assertion"}
        assert call.form["client_assertion_type"] == [JWT_BEARER]
        assert "Authorization" not in call.headers
        found = jwt.decode(call.form["client_assertion"][0], key, algorithms=[algorithm])
        kid = content.get("kid") if isinstance(content, dict) else None
        assert found.header.get("kid") == kid
        claims = found.claims
        assert claims["iss"] == claims["sub"] == "gateway"
        assert claims["aud"] == ISSUER
        assert claims["exp"] == claims["iat"] + ASSERTION_LIFETIME
        assert abs(claims["iat"] - time.time()) < 30
        seen.add(claims["jti"])
    assert len(seen) == 2


SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)
REFUSED = {
    "empty": "",
    "not a key": "hello",
    "not JSON": "{",
    "no object": "[]",
    "public JWK": EC.as_dict(private=False),
    "public PEM": RSA.as_pem(private=False).decode(),
    "symmetric": OctKey.generate_key(256).as_dict(private=True),
    "no signing curve": OKPKey.generate_key("X25519").as_dict(private=True),
    "a set": {"keys": [EC.as_dict(private=True)]},
    "pass phrase": pem(ec.generate_private_key(ec.SECP256R1()), b"secret"),
    "odd curve": pem(ec.generate_private_key(ec.SECP256K1())),
    "other alg": EC.as_dict(private=True) | {"alg": "RS256"},
    "none": RSA.as_dict(private=True) | {"alg": "none"},
    "HMAC": RSA.as_dict(private=True) | {"alg": "HS256"},
    "for encryption": EC.as_dict(private=True) | {"use": "enc"},
    "broken": EC.as_dict(private=True) | {"d": "AAAA"},
    "small": pem(SMALL),
    "not text": b"\xff\xfe" + EC.as_pem(private=True),
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_a_key_that_cannot_sign_stops_the_start_and_is_not_shown(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "key", REFUSED[name])
    with pytest.raises(ConfigurationError, match="AICONFIG_CLIENT_KEY") as caught:
        open_authenticator(settings(path))
    assert str(path) in caught.value.detail
    assert caught.value.__cause__ is None
    assert EC.as_dict(private=True)["d"] not in caught.value.detail
    if name == "not text":
        assert caught.value.detail.endswith(": not UTF-8 text.")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key", EC.as_dict(private=True), mode)
    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}"):
        open_authenticator(settings(path))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="AICONFIG_CLIENT_KEY: .*No such file"):
        open_authenticator(settings(tmp_path / "none"))
    for given, name in (
        ({"client_key": None}, "AICONFIG_CLIENT_KEY"),
        ({"client_key": ""}, "AICONFIG_CLIENT_KEY"),
        ({"client_auth_method": "client_secret_basic"}, "AICONFIG_CLIENT_SECRET"),
        ({"client_auth_method": "client_secret_post"}, "AICONFIG_CLIENT_SECRET"),
        ({"client_id": None}, "AICONFIG_CLIENT_ID"),
        ({"client_id": ""}, "AICONFIG_CLIENT_ID"),
        ({"issuer": None}, "AICONFIG_ISSUER"),
    ):
        with pytest.raises(ConfigurationError, match=f"{name} is not set"):
            open_authenticator(settings(tmp_path / "none", **given))


async def test_a_certificate_is_checked_against_the_ca_file_and_never_not(
    make: Make, tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path, "127.0.0.1")
    server = ScriptedServer(tls=certificate.for_server())
    server.script(TOKEN, active())
    try:
        trusting = await make(introspection_endpoint=server.url, ca_file=certificate.path)
        assert (await trusting.authenticate(TOKEN)).subject == "alice"
        with pytest.raises(AuthorizationServerUnavailable, match=r"certificate.*AICONFIG_CA_FILE"):
            await (await make(introspection_endpoint=server.url)).authenticate(TOKEN)
    finally:
        await server.stop()


@pytest.mark.parametrize("content", ["", "hello", None])
def test_a_ca_file_without_certificates_stops_the_start(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        write(path, content)
    given = {"client_auth_method": "client_secret_basic", "client_secret": "s", "ca_file": path}
    with pytest.raises(ConfigurationError, match="AICONFIG_CA_FILE"):
        open_authenticator(settings(path, **given))

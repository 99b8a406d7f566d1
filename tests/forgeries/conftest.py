"""A gateway for forgeries, and what a refusal must look like."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from joserfc.jwk import OctKey
from tornado.httpclient import HTTPResponse
from tornado.ioloop import IOLoop

from tests.support.scripted_server import ScriptedServer
from tests.support.signing import (
    AUDIENCE,
    public,
)
from tests.support.token_gateway import TokenGateway, publish

Forge: TypeAlias = Callable[[str], str]
"""From the issuer to something wrong."""
NOW = time.time()
SECRET = OctKey.generate_key(256, {"kid": "shared", "alg": "HS256"})
JWT = "is not a signed JWT"
KEY = "the signature is not by a key that counts"
ALGORITHM = "the algorithm is not one of"
STRANGER = {name: value for name, value in public("ec-stranger").items() if name != "kid"}


def rows(table: Mapping[str, object]) -> pytest.MarkDecorator:
    """Parametrize by a dozen rows of a table: most of the time goes into starting a gateway."""
    names = list(table)
    chunks = [names[start : start + 12] for start in range(0, len(names), 12)]
    return pytest.mark.parametrize("names", chunks, ids=[chunk[0] for chunk in chunks])


@pytest.fixture
def gateway(
    io_loop: IOLoop, server: ScriptedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[TokenGateway]:
    made = TokenGateway(
        server,
        tmp_path / "keyring.json",
        dpop="on",
        resource=AUDIENCE,
        backchannel_logout=True,
    )
    publish(
        server, "ec", "rsa", "ed", "p384",
        more=[
            public("ec-enc", use="enc"),
            public("ec-ops", key_ops=["sign"]),
            public("rsa-pss", alg="PS256"),
            SECRET.as_dict(private=True),
            {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA", "y": "AA"},
            "not a key",
        ],
    )  # fmt: skip
    caplog.set_level(logging.INFO)
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.close)


def assert_refused(
    answer: HTTPResponse, caplog: pytest.LogCaptureFixture, told: str, token: str
) -> None:
    assert answer.code == 401, (told, answer.body)
    assert json.loads(answer.body)["type"] == "urn:aiconfig:problem:invalid-token"
    [line] = [each.getMessage() for each in caplog.records if "rejected" in each.getMessage()]
    assert told in line
    assert token not in caplog.text
    assert token not in answer.body.decode()


def assert_dpop_challenge(answer: HTTPResponse) -> None:
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('DPoP error="invalid_dpop_proof"')
    assert 'algs="ES256 EdDSA PS256 RS256"' in challenge

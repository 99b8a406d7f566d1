"""Clients that others' generators make of the OpenAPI document, against a gateway."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.integration.openapi_clients import Generators
from tests.support.gateway import OPENAPI_PATH, Gateway
from tests.support.processes import need

COMPLAINS = re.compile(r"warn|error|deprecat|duplicat|skip|missing|unsupported", re.IGNORECASE)


@pytest.fixture(scope="module")
def generators(tmp_path_factory: pytest.TempPathFactory) -> Generators:
    need("node")
    need("npm")
    return Generators(tmp_path_factory.mktemp("openapi-clients"))


async def saved(gateway: Gateway, folder: Path) -> Path:
    document = folder / "openapi.json"
    document.write_bytes((await gateway.call("GET", OPENAPI_PATH)).body)
    return document


def token(gateway: Gateway, user: str) -> str:
    return gateway.auth(user)["Authorization"].removeprefix("Bearer ")


async def test_a_generated_python_client_works(
    gateway: Gateway, generators: Generators, tmp_path: Path
) -> None:
    document = await saved(gateway, tmp_path)
    printed = await asyncio.to_thread(generators.python, document)
    assert not COMPLAINS.search(printed), printed
    called = await asyncio.to_thread(
        generators.call_python, document, gateway.url, token(gateway, "alice")
    )
    assert json.loads(called) == [201, "urn:aiconfig:problem:config-exists", "llama3", "Be brief."]


async def test_generated_typescript_clients_compile_and_work(
    gateway: Gateway, generators: Generators, tmp_path: Path
) -> None:
    document = await saved(gateway, tmp_path)
    printed = await asyncio.to_thread(generators.typescript, document)
    assert not COMPLAINS.search(printed), printed
    tokens = (token(gateway, "alice"), token(gateway, "bob"))
    called = await asyncio.to_thread(generators.call_typescript, document, gateway.url, *tokens)
    problem = "urn:aiconfig:problem:config-exists"
    assert json.loads(called) == [201, "unset", "llama3", problem, "Be brief."]

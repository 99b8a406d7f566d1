"""``docs/http-examples.md``: every ``curl`` and every ``fetch``, and an example for each route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin import Settings
from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.http import build_openapi
from aiconfig_plugin.keys import create_keyring
from tests.browser.node import modules, run
from tests.support.gateway import BOTH
from tests.support.processes import (
    aiconfig,
    authorization_server,
    environment,
    need,
    program,
    settings_for,
)
from tests.support.terminal import DOCS, END, Terminal, blocks, matches, readers_environment

PAGE = (DOCS / "http-examples.md").read_text(encoding="utf-8")
PREFIX = "/api/v1"
URL = f"http://127.0.0.1:8888{PREFIX}"


@pytest.fixture
def gateway(mongod: Any, database_name: str, tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """The URL of the routes of ``aiconfig serve``, and a token of alice's and of bob's."""
    keyring = tmp_path / "keyring.json"
    create_keyring(keyring)
    with authorization_server() as server:
        settings = environment(**settings_for(server, mongod.uri, database_name, keyring))
        command = [aiconfig(), "serve", "--port", str(port := free_port())]
        with program(command, settings, tmp_path / "gateway") as serve:
            serve.wait_for("listens")
            alice, bob = (server.issue(user, BOTH)["access_token"] for user in ("alice", "bob"))
            yield f"http://127.0.0.1:{port}{PREFIX}", alice, bob


def test_every_curl_gets_the_response_that_is_shown(
    gateway: tuple[str, str, str], tmp_path: Path
) -> None:
    need("curl")
    routes, token, _ = gateway
    (tmp_path / "token").write_text(token, encoding="utf-8")
    with Terminal(tmp_path, readers_environment()) as terminal:
        for block in blocks(PAGE):
            if block.kind == "sh":
                printed = terminal.run(block.text.replace(URL, routes))
                assert matches(block.answer, printed), f"{block.text}\n{printed}"


def test_every_fetch_gets_the_response_that_is_shown(
    gateway: tuple[str, str, str], tmp_path: Path
) -> None:
    node = need("node")
    routes, _, token = gateway
    web = modules(tmp_path).as_uri()
    scripts = [block for block in blocks(PAGE) if block.kind == "js"]
    script = f"\nconsole.log({json.dumps(END)});\n".join(block.text for block in scripts)
    script = f"const token = {json.dumps(token)};\n{script}"
    # What a browser would resolve against the page's address.
    script = script.replace(f'"{PREFIX}/web/', f'"{web}/').replace(f'"{PREFIX}"', f'"{routes}"')
    printed = run(node, "--input-type=module", "-", cwd=tmp_path, given=script)
    for block, answer in zip(scripts, printed.split(f"{END}\n"), strict=True):
        assert matches(block.answer, answer), f"{block.text}\n{answer}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method.upper(), path.removeprefix(PREFIX))
        for path, operations in build_openapi(Settings())["paths"].items()
        for method in operations
        if method != "head"
    ],
)
def test_there_is_an_example_for_every_operation(method: str, path: str) -> None:
    curls = [line for block in blocks(PAGE) for line in re.findall("^curl .*", block.text, re.M)]
    as_fetch = rf"fetch\(`\$\{{routes\}}{re.escape(path)}[`?]"
    verb = "" if method == "GET" else f'"{method}"'
    assert any(
        re.search(rf"\$ROUTES{re.escape(path)}(?![\w/.])", line)
        and (method == "GET" or f"-X {method} " in line)
        for line in curls
    )
    assert any(re.search(as_fetch, b.text) and verb in b.text for b in blocks(PAGE))

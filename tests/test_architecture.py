"""The house and the direction of its imports, read from the source without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "aiconfig_plugin"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE
FILES = sorted(ROOT.rglob("*.py"))

LONGEST_FILE = 300  # lines; about 250 is what is wanted

WORDS = frozenset({"errors", "model"})
ADAPTER = WORDS | {"ports", "settings"}
INSIDE = ADAPTER | {
    "audit",
    "base_handler",
    "challenge",
    "cors",
    "documents",
    "handlers",
    "introspection",
    "keyring",
    "keyring_file",
    "migration",
    "mongodb",
    "openapi",
    "private_file",
    "repository",
    "rotation",
    "service",
    "shared_reads",
    "stored_jwe",
    "validation",
    "vault",
    "web_handlers",
}
DOOR = INSIDE | {"__init__", "plugin"}

# What each module of the package may import from the package. A new module gets its line here.
MAY_IMPORT: Mapping[str, Set[str]] = {
    "errors": frozenset(),
    "model": frozenset(),
    "settings": WORDS,
    "ports": WORDS,
    "testing": WORDS | {"ports"},
    # One adapter in four files.
    "introspection": ADAPTER | {"client_auth", "discovery", "introspection_reply", "metrics"},
    "client_auth": ADAPTER | {"private_file"},
    "discovery": ADAPTER,
    "introspection_reply": ADAPTER,
    "metrics": frozenset(),
    "private_file": frozenset({"errors"}),
    "keyring": ADAPTER | {"private_file"},
    "keyring_file": ADAPTER | {"keyring"},
    "client": frozenset({"model"}),
    "documents": WORDS,
    "mongodb": ADAPTER,
    "migration": frozenset({"documents"}),
    # One adapter in five files.
    "repository": ADAPTER | {"documents", "migration", "mongodb", "shared_reads"},
    "shared_reads": frozenset({"errors", "mongodb"}),
    "audit": WORDS,
    "rotation": WORDS | {"ports"},
    "validation": ADAPTER,
    "stored_jwe": frozenset(),
    "vault": ADAPTER | {"keyring", "stored_jwe"},  # one adapter in three files
    "service": WORDS | {"ports", "audit"},
    "challenge": WORDS,
    "cors": frozenset(),
    "base_handler": ADAPTER | {"challenge", "cors", "metrics", "service"},
    "handlers": ADAPTER | {"base_handler", "service"},
    "web_handlers": frozenset({"base_handler"}),
    "openapi": frozenset({"settings", "validation"}),
    "plugin": INSIDE,
    "__init__": WORDS | {"plugin", "settings"},
    "demo": DOOR | {"demo"},
    "key_commands": DOOR | {"client"},
    "serving": frozenset(),
    "cli": DOOR | {"demo", "key_commands", "serving"},
    "__main__": frozenset({"cli"}),
}

# Who knows a library. What is not named here may be imported anywhere but in PLAIN.
KNOWN_BY: Mapping[str, Set[str]] = {
    "authlib": frozenset({"client_auth", "demo", "introspection"}),
    "bson": frozenset({"mongodb"}),
    "cryptography": frozenset({"stored_jwe"}),
    "httpx2": frozenset(
        {"client_auth", "demo", "discovery", "introspection", "introspection_reply"}
    ),
    "joserfc": frozenset({"client", "client_auth", "keyring", "keyring_file", "vault"}),
    "jsonschema": frozenset({"validation"}),
    "jsonschema_rs": frozenset({"validation"}),
    "motor": frozenset({"mongodb"}),
    "prometheus_client": frozenset({"metrics"}),
    "pymongo": frozenset({"migration", "mongodb", "repository"}),
    "referencing": frozenset({"validation"}),
    "shtab": frozenset({"cli", "key_commands"}),
}
PLAIN = frozenset({"errors", "model", "settings"})


class Import(NamedTuple):
    """``name`` as it stands in the source at ``line``; for ``from a import b`` it is ``a.b``."""

    line: int
    name: str

    @property
    def library(self) -> str:
        return self.name.partition(".")[0]

    @property
    def module(self) -> str:
        """The module of this package that is meant; a name that is no module is the door's."""
        first = self.name.split(".")[1:2]
        return first[0] if first and first[0] in MODULES else "__init__"


def module_of(file: Path) -> str:
    """Return the module's name, and ``demo`` for every file of the demo."""
    return file.relative_to(ROOT).with_suffix("").parts[0]


MODULES = frozenset(module_of(file) for file in FILES)


def imports_of(file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports here are absolute"
            yield from (Import(node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def label(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=label)
def test_imports_run_downwards_only(file: Path) -> None:
    module = module_of(file)
    assert module in MAY_IMPORT, "say in MAY_IMPORT where this module belongs"
    wrong = [
        f"{label(file)}:{found.line} imports {found.module}"
        for found in imports_of(file)
        if found.library == PACKAGE and found.module not in MAY_IMPORT[module]
    ]
    assert not wrong


@pytest.mark.parametrize("file", FILES, ids=label)
def test_a_library_is_known_by_its_adapter_alone(file: Path) -> None:
    wrong = [
        f"{label(file)}:{found.line} imports {found.name}"
        for found in imports_of(file)
        if module_of(file) not in KNOWN_BY.get(found.library, MODULES)
    ]
    assert not wrong


@pytest.mark.parametrize("module", sorted(PLAIN))
def test_the_words_of_the_domain_know_no_library(module: str) -> None:
    libraries = {found.library for found in imports_of(ROOT / f"{module}.py")}
    assert libraries <= sys.stdlib_module_names | {PACKAGE}


def test_the_table_itself_has_no_circle() -> None:
    order: list[str] = []
    while len(order) < len(MAY_IMPORT):
        free = [m for m in MAY_IMPORT if m not in order and MAY_IMPORT[m] - {m} <= set(order)]
        assert free, f"these import each other: {sorted(set(MAY_IMPORT) - set(order))}"
        order += free


@pytest.mark.parametrize("file", FILES, ids=label)
def test_a_file_can_be_read_in_one_sitting(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE

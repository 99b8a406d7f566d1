"""The rooms and the direction of their imports, derived from the folders, without running them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "aiconfig_plugin"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

LONGEST_FILE = 300  # lines; about 250 is what is wanted
MOST_FILES_AT_THE_TOP = 12

ADAPTERS = frozenset({"access", "catalog", "http", "keys", "outbound", "store"})
BELOW = frozenset({"background", "base_url", "errors", "metrics", "private_file", "settings"})
"""Modules at the top that every room may use; they know nothing of the rooms."""

# What a room, or a module at the top, may import from others of the package. A file in a room is
# held by its room's rule.
MAY_IMPORT: Mapping[str, Set[str]] = {
    "errors": frozenset(),
    "background": frozenset({"errors"}),
    "base_url": frozenset(),
    "metrics": frozenset({"errors"}),
    "private_file": frozenset({"errors"}),
    "settings": frozenset({"base_url", "errors"}),
    "domain": frozenset({"errors"}),
    **dict.fromkeys(ADAPTERS, BELOW | {"domain"}),
    "keys": BELOW | {"domain", "kms"},
    "kms": BELOW,  # The service behind the keyring: what the room of the keyring is built on.
    "client": frozenset({"domain"}),
    "testing": frozenset({"errors", "domain"}),
    "composition": BELOW | ADAPTERS | {"domain", "testing"},
    "lifecycle": frozenset({"errors"}),
    "plugin": BELOW | ADAPTERS | {"domain", "composition", "lifecycle"},
    "__init__": BELOW | {"domain", "plugin"},
    "hosts": frozenset({"settings", "__init__"}),
    "demo": BELOW | {"access", "domain", "keys", "plugin", "__init__"},
    "cli": BELOW | ADAPTERS | {"domain", "composition", "plugin", "__init__", "client", "demo"},
    "__main__": frozenset({"cli"}),
}

# Who knows a library. What is not named here may be imported anywhere but in PLAIN.
KNOWN_BY: Mapping[str, Set[str]] = {
    **dict.fromkeys(("bokeh", "jupyter_server", "jupyterhub", "traitlets"), frozenset({"hosts"})),
    "authlib": frozenset({"access", "demo"}),
    "boto3": frozenset({"kms"}),
    "botocore": frozenset({"kms"}),
    "bson": frozenset({"store"}),
    "click": frozenset({"cli"}),
    "cryptography": frozenset({"keys"}),
    "genai_prices": frozenset({"catalog"}),
    "httpcore2": frozenset({"outbound"}),
    "httpx2": frozenset({"access", "cli", "composition", "demo", "kms", "outbound", "plugin"}),
    "idna": frozenset({"base_url"}),
    "joserfc": frozenset({"access", "client", "demo", "keys"}),
    "jsonschema": frozenset({"catalog", "http"}),
    "jsonschema_rs": frozenset({"http"}),
    "motor": frozenset({"store"}),
    "prometheus_client": frozenset({"metrics"}),
    "pymongo": frozenset({"store"}),
    "referencing": frozenset({"http"}),
    "uvloop": frozenset({"cli"}),
}
PLAIN = frozenset({"domain", "errors", "settings"})


class Import(NamedTuple):
    """``name`` as it stands in the source at ``line``; for ``from a import b`` it is ``a.b``."""

    line: int
    name: str
    for_types_only: bool

    @property
    def library(self) -> str:
        return self.name.partition(".")[0]


class Tree:
    """The files below a package folder."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.files = sorted(root.rglob("*.py"))
        self.rooms = frozenset(map(self.room_of, self.files))

    def room_of(self, file: Path) -> str:
        """Return the folder below the package, or the name of a module at the top."""
        return file.relative_to(self.root).with_suffix("").parts[0]

    def module_of(self, file: Path) -> str:
        parts = file.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)

    def target_of(self, found: Import) -> str:
        """Return the room that is meant; a name that is no room is the door's."""
        first = found.name.split(".")[1:2]
        return first[0] if first and first[0] in self.rooms else "__init__"

    def wrong_directions(self) -> Iterator[str]:
        """Imports against the rule of the room, and those past the door of another."""
        modules = {self.module_of(file) for file in self.files}
        for file in self.files:
            room = self.room_of(file)
            if room not in MAY_IMPORT:
                yield f"{file}: say in MAY_IMPORT what the room {room} may import"
                continue
            for found in imports_of(file):
                if found.library != PACKAGE:
                    continue
                target = self.target_of(found)
                within = ".".join(found.name.split(".")[1:3])
                if target != room and target not in MAY_IMPORT[room]:
                    yield f"{file}:{found.line} imports {target}"
                elif target != room and within.count(".") and within in modules:
                    yield f"{file}:{found.line} imports {within} past the door of {target}"

    def wrong_libraries(self) -> Iterator[str]:
        for file in self.files:
            for found in imports_of(file):
                room, library = self.room_of(file), found.library
                if room not in KNOWN_BY.get(library, self.rooms):
                    yield f"{file}:{found.line} imports {library}"
                plain = library in sys.stdlib_module_names or library == PACKAGE
                if room in PLAIN and not plain and not found.for_types_only:
                    yield f"{file}:{found.line} imports {library}"

    def circles(self) -> Set[str]:
        """The modules that import each other, type checkers' imports included."""
        graph = {
            self.module_of(file): {
                module
                for found in imports_of(file)
                if found.library == PACKAGE
                for module in self._named(found)
            }
            for file in self.files
        }
        while free := {m for m, needs in graph.items() if not (needs - {m}) & graph.keys()}:
            graph = {m: needs for m, needs in graph.items() if m not in free}
        return graph.keys()

    def _named(self, found: Import) -> Iterable[str]:
        modules = {self.module_of(file) for file in self.files}
        inner = found.name.split(".")[1:]
        longest = next((n for n in range(len(inner), 0, -1) if ".".join(inner[:n]) in modules), 0)
        return [".".join(inner[:longest])] if longest else []


def imports_of(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports here are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(node.lineno, name, id(node) in typing_only) for name in names)


TREE = Tree()


def test_imports_run_downwards_and_through_the_doors_of_rooms() -> None:
    assert list(TREE.wrong_directions()) == []


def test_a_library_is_known_by_its_room_alone() -> None:
    assert list(TREE.wrong_libraries()) == []


def test_no_modules_import_each_other() -> None:
    assert TREE.circles() == set()


def test_every_room_says_what_it_is_for() -> None:
    rooms = [file for file in TREE.files if file.name == "__init__.py"]
    assert all(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) for file in rooms)


def test_few_files_are_at_the_top() -> None:
    assert len([path for path in ROOT.iterdir() if path.is_file()]) <= MOST_FILES_AT_THE_TOP


@pytest.mark.parametrize("file", TREE.files, ids=TREE.module_of)
def test_a_file_can_be_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize(
    ("path", "source", "finds"),
    [
        ("keys/extra.py", "from aiconfig_plugin.store import MongoStores\n", "imports store"),
        ("domain/extra.py", "from aiconfig_plugin.keys import Vault\n", "imports keys"),
        ("http/extra.py", "import aiconfig_plugin.domain.service\n", "past the door of domain"),
        ("cli/extra.py", "from aiconfig_plugin.keys import vault\n", "past the door of keys"),
        ("extra.py", "", "say in MAY_IMPORT"),
        ("domain/extra.py", "import tornado.web\n", "imports tornado"),
        ("store/extra.py", "from joserfc import jwe\n", "imports joserfc"),
    ],
)
def test_a_file_in_the_wrong_room_is_found(
    tmp_path: Path, path: str, source: str, finds: str
) -> None:
    for file in TREE.files:
        copy = tmp_path / PACKAGE / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    (tmp_path / PACKAGE / path).write_text(source, encoding="utf-8")
    copied = Tree(tmp_path / PACKAGE)
    [found] = [*copied.wrong_directions(), *copied.wrong_libraries()]
    assert found.startswith(str(tmp_path / PACKAGE / path)) and finds in found


def test_a_circle_is_found(tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        source = f"if TYPE_CHECKING:\n    from {PACKAGE}.{other} import Thing\n"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    assert Tree(tmp_path).circles() == {"one", "two"}

"""README and ``docs/``: nothing is missing in the reference, and nothing is named that is not."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shlex
import sys
from base64 import urlsafe_b64decode
from html import unescape
from pathlib import Path

import click
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

import aiconfig_plugin
from aiconfig_plugin import Settings, errors
from aiconfig_plugin.cli.commands import command as aiconfig
from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import AIConfig, Destination, ModelEntry, Owner
from aiconfig_plugin.errors import AIConfigError
from aiconfig_plugin.http import ROUTES, build_openapi, web_routes
from aiconfig_plugin.keys import Vault, create_keyring, load_keyring
from aiconfig_plugin.metrics import PrometheusMetrics
from aiconfig_plugin.settings import variable
from aiconfig_plugin.store import to_document
from tests.support.terminal import DOCS, blocks

sys.path.insert(0, str(DOCS / "_ext"))
import from_code

ROOT = DOCS.parent
BESIDE = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
REFERENCE = sorted((DOCS / "reference").glob("*.rst"))
KINDS = {"css", "html", "js", "json", "python", "ruby", "sh"}
SETTINGS = {variable(field.name): field for field in dataclasses.fields(Settings)}


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def of_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# The reference


def test_every_part_that_is_made_from_the_code_is_on_a_page() -> None:
    used = re.findall(r"^\.\. from-code:: (\S+)$", "\n".join(map(read, REFERENCE)), re.MULTILINE)
    assert sorted(used) == sorted(from_code.PARTS)


def test_the_reference_has_exactly_the_settings_with_their_defaults() -> None:
    entries = re.findall(
        r"^\.\. envvar:: (\S+)\n\n   (.+)\n\n.* Default: (.+?)\.(?: It .*)?$",
        from_code.settings().replace("``", "`"),
        re.MULTILINE,
    )
    assert entries == [
        (name, field.metadata["doc"], from_code.shown(field.default) or "none")
        for name, field in SETTINGS.items()
    ]


def test_the_reference_tells_the_range_of_a_setting() -> None:
    assert "`30``. It must be a number from 0 to 3600." in from_code.settings()
    assert "It must be one of: opaque, sealed." in from_code.settings()


@pytest.mark.parametrize(
    "route", [r.path for r in (*ROUTES, *web_routes()) if not r.label or r.path.count("/") == 2]
)
def test_every_route_is_in_the_reference(route: str) -> None:
    assert re.search(rf"[A-Z]+ {re.escape('/api/v1' + route)}\b", from_code.routes())


@pytest.mark.parametrize(
    "error",
    [each for each in from_code.error_classes() if hasattr(each, "code")],
    ids=lambda e: e.__name__,
)
def test_every_error_is_in_the_reference_and_says_when(error: type[AIConfigError]) -> None:
    told = from_code.problems() + from_code.python_errors()
    assert f".. _problem-{error.code}:" in told
    assert error.__doc__ and len(error.__doc__) > 20


def test_the_reference_has_every_command() -> None:
    words = (
        "serve",
        "demo",
        "keyring retire",
        "seal",
        "rotate",
        "check",
        "migrate",
        "owner move",
        "openapi",
    )
    for word in words:
        assert f"Usage: aiconfig {word} " in from_code.commands()


@pytest.mark.parametrize("name", aiconfig_plugin.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    thing = getattr(aiconfig_plugin, name)
    page = read(DOCS / "reference" / "python.rst")
    if issubclass(thing, AIConfigError):
        assert name in errors.__all__ and "automodule:: aiconfig_plugin.errors" in page
    else:
        assert f"autoclass:: aiconfig_plugin.{name}\n" in page


def test_every_metric_is_on_its_page_with_its_labels() -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(prometheus_client, registry)
    metrics.request("/x", 200, 0.1)
    metrics.lookup("hit")
    metrics.call("active", 0.1)
    metrics.rejection("time")
    metrics.store_operation("read", 0.1, succeeded=True)
    metrics.reload("keyring", succeeded=True)
    metrics.keyring(frozenset(), {("kid", "storage", "true")})
    page = read(DOCS / "metrics.md")
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        [row] = re.findall(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert all(f"`{label}`" in row for label in labels)


# The pages


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_a_page_names_no_setting_that_there_is_not(page: Path) -> None:
    assert set(re.findall(r"AICONFIG_[A-Z_]*[A-Z]", read(page))) <= set(SETTINGS)


def test_the_table_of_settings_has_exactly_the_settings_with_their_defaults() -> None:
    rows = re.findall(r"^\| `AICONFIG_.*$", read(ROOT / "README.md"), re.MULTILINE)
    assert rows == from_code.settings_table()


def test_the_readme_has_every_route_with_its_scope() -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/\S+)` \| (\S+) \|", read(ROOT / "README.md"), re.MULTILINE)
    assert {(method, path, scope.strip("`")) for method, path, scope in rows} == {
        (method.upper(), path, scope)
        for path, operations in build_openapi(Settings())["paths"].items()
        for method, operation in operations.items()
        for way in operation["security"] or [{"bearer": ["none"]}]
        for scope in way["bearer"]
        if method != "head"
    }


def test_the_index_says_what_each_page_is_for() -> None:
    index = read(DOCS / "index.md")
    listed = re.findall(r"```{toctree}\n(?::.*\n)+\n([^`]*)```", index)
    rows = re.findall(r"^\| \[.+\]\((.+)\.(?:md|rst)\) \| .{15,} \|$", index, re.MULTILINE)
    assert rows == "\n".join(listed).split()


def test_the_picture_of_a_put_has_the_members_of_a_document_and_of_a_jwe_header(
    tmp_path: Path,
) -> None:
    create_keyring(tmp_path / "keyring.json")
    owner = Owner("https://login.example.com", "alice")
    vault = Vault(load_keyring(tmp_path / "keyring.json"))
    sealed = seal(vault.recipient(owner), "an API key", provider="OpenAI")
    key = vault.accept_submitted_key(owner, Destination("OpenAI"), sealed)
    config = AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True, key),), "", "revision")
    header = urlsafe_b64decode(key.jwe.partition(".")[0] + "==").decode()
    picture = unescape(read(DOCS / "images" / "put.svg"))
    parts = re.split('class="(?:document|header)"', picture)
    shown = [re.findall(r'"(\w+)":', part) for part in parts]
    stored = re.findall(r'"(\w+)":', json.dumps(to_document(owner, config)))
    assert shown == [[], stored, re.findall(r'"(\w+)":', header)]
    rooms = set(re.findall(r'class="room"[^>]*>(\w+)<', picture))
    assert rooms == {"http", "access", "domain", "keys", "store"}


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_a_block_says_what_it_is(page: Path) -> None:
    for block in blocks(read(page)):
        assert block.kind in KINDS or block.kind.startswith("{"), f"line {block.line}"
        if block.kind == "json":
            json.loads(block.text)


def commands_of(page: Path) -> list[str]:
    """The command lines of ``aiconfig`` in a page's shell blocks."""
    lines = (line for b in blocks(read(page)) if b.kind == "sh" for line in b.text.split("\n"))
    found = (re.findall(r"(?:^|[/|&] ?)aiconfig ([^|&;#]*)", line) for line in lines)
    return [re.sub(r"\d?>.*", "", command) for commands in found for command in commands]


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=of_page)
def test_the_command_lines_of_a_page_are_understood(page: Path) -> None:
    for command in commands_of(page):
        parsed: click.Command = aiconfig
        words = shlex.split(command)
        while isinstance(parsed, click.Group) and not words[0].startswith("-"):
            parsed = parsed.commands[words.pop(0)]
        with contextlib.suppress(click.exceptions.Exit):  # --version, which has done its work
            parsed.make_context("aiconfig", words)


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_a_command_that_a_page_speaks_of_is_there(page: Path) -> None:
    for spoken in re.findall(r"`aiconfig ([^`]*)`", read(page)):
        command: click.Command = aiconfig
        for word in re.sub(r"[\[\]]", "", spoken).split():
            if word.startswith("-"):
                assert word in {name for each in command.params for name in each.opts}
            elif isinstance(command, click.Group):
                *others, word = word.split(r"\|")
                assert set(others) < set(command.commands)
                command = command.commands[word]


def test_contributing_has_every_room() -> None:
    rooms = re.findall(r"^\| `(\w+)/` \|", read(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    folders = {file.parent.name for file in (ROOT / "aiconfig_plugin").glob("*/*.*")}
    assert set(rooms) == folders - {"__pycache__"} and len(rooms) == len(set(rooms))


@pytest.mark.parametrize("file", sorted({*BESIDE, *PAGES}), ids=of_page)
def test_a_source_file_that_a_page_names_exists(file: Path) -> None:
    # An example in a page may name a file of the reader's; none of these lies in a folder.
    named = re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|md|js|mjs|json))`", read(file))
    assert [
        name
        for name in named
        if not any((top / name).exists() for top in (ROOT, ROOT / "aiconfig_plugin"))
    ] == []


@pytest.mark.parametrize("file", BESIDE, ids=of_page)
def test_a_link_of_a_file_beside_the_pages_leads_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", read(file)):
        assert (ROOT / target).exists(), target

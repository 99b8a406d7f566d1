"""The keyring commands, and gateways that restart one by one while keys are rotated."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.cli import commands as cli
from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.domain.model import AIConfig, ModelEntry
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.store.documents import to_config, to_document, to_owner
from tests.support.builders import ALICE, accept, logged, new_vault, opened, turn
from tests.support.gateway import (
    BOTH,
    CREATE_PATH,
    READ_PATH,
    UPDATE_PATH,
    body,
    closed_port,
    entry,
)
from tests.support.processes import (
    aiconfig,
    authorization_server,
    environment,
    program,
    settings_for,
)


def keys_of(path: Path) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = json.loads(path.read_bytes())["keys"]
    return keys


# The commands


def main(arguments: list[str]) -> int:
    """Run a command in a thread: its event loop is to leave that of the other tests alone."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(cli.main, arguments).result(60)


@pytest.fixture
def stored(
    keyring: Path,
    mongod: Any,
    database_name: str,
    documents: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int], None]:
    """Stores so many keys by the keyring's primary; the settings are in the environment."""
    for name in [name for name in os.environ if name.startswith("AICONFIG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AICONFIG_MONGODB_URI", mongod.uri)
    monkeypatch.setenv("AICONFIG_MONGODB_DATABASE", database_name)
    monkeypatch.setenv("AICONFIG_KEYRING", str(keyring))

    def store(count: int) -> None:
        vault = new_vault(keyring)
        models = tuple(
            ModelEntry("OpenAI", "chat", f"m{n}", True, accept(vault, f"k{n}"))
            for n in range(count)
        )
        documents.insert_one(to_document(ALICE, AIConfig(models, "", "r1")))

    return store


def test_the_whole_life_by_commands(
    stored: Callable[[int], None], keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(3)
    old = load_keyring(keyring)
    path = str(keyring)
    for action in ("add", "promote"):
        assert main(["keyring", action, path]) == 0
    new = load_keyring(keyring)
    out = capsys.readouterr().out
    assert new.primary in out and new.primary_sealing in out

    before = keyring.read_bytes()
    for arguments in ([path], [path, old.primary]):
        with logged("aiconfig_plugin.audit") as trail:
            assert main(["keyring", "retire", *arguments]) == 1
        refused = capsys.readouterr()
        assert refused.out == ""
        assert f"{old.primary} wraps stored keys (owners: 1)" in refused.err
        record = json.loads(trail.pop())
        assert (record["action"], record["refused"]) == ("retire", "key-in-use")
        assert (record["changed"], record["subject"]) == ([old.primary], None)
        assert "aiconfig rotate" in refused.err
    assert keyring.read_bytes() == before

    assert main(["rotate"]) == 0
    capsys.readouterr()
    assert main(["keyring", "retire", path]) == 0
    assert {old.primary, old.primary_sealing} <= set(
        capsys.readouterr().out.replace(",", " ").replace(".\n", " ").split()
    )
    assert main(["keyring", "list", path]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{new.primary}  storage  primary",
        f"{new.primary_sealing}  sealing  primary",
    ]
    assert main(["keyring", "retire", path]) == 0
    assert "No keys to retire" in capsys.readouterr().out


def test_an_older_sealing_key_is_retired_by_its_name_while_storage_is_in_use(
    stored: Callable[[int], None], keyring: Path
) -> None:
    stored(1)
    old = load_keyring(keyring)
    turn(keyring)
    assert main(["keyring", "retire", str(keyring), old.primary_sealing]) == 0
    ring = load_keyring(keyring)
    assert old.primary in ring.storage and old.primary_sealing not in ring.sealing


def test_without_the_store_nothing_is_retired(
    stored: Callable[[int], None],
    keyring: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    turn(keyring)
    before = keyring.read_bytes()
    monkeypatch.delenv("AICONFIG_MONGODB_URI")
    assert main(["keyring", "retire", str(keyring)]) != 0
    assert "AICONFIG_MONGODB_URI" in capsys.readouterr().err
    assert keyring.read_bytes() == before


def test_no_command_shows_key_material(
    stored: Callable[[int], None], keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = [key["k"] if key["kty"] == "oct" else key["d"] for key in keys_of(keyring)]
    path = str(keyring)
    for command in ("add", "list", "promote", "list", "retire", "list", "create", "retire"):
        main(["keyring", command, path])
        secrets += [key["k"] if key["kty"] == "oct" else key["d"] for key in keys_of(keyring)]
    shown = "".join(capsys.readouterr())
    assert shown and not any(secret in shown for secret in secrets)


# Many gateways that turn their keyrings one after the other


class Site:
    """A gateway of its own process, with a keyring file of its own."""

    def __init__(
        self,
        name: str,
        directory: Path,
        server: AuthorizationServer,
        uri: str,
        database: str,
    ) -> None:
        self._directory = directory / name
        self._directory.mkdir()
        self.keyring = self._directory / "keyring.json"
        self._env = environment(**settings_for(server, uri, database, self.keyring))
        self._token = server.issue("alice", BOTH)["access_token"]
        self._port = closed_port()
        self._stack = ExitStack()

    def restart(self, keyring: Path) -> None:
        """Run with that state of the keyring from now on."""
        self.close()
        self.keyring.write_bytes(keyring.read_bytes())
        self.keyring.chmod(0o600)
        command = [aiconfig(), "serve", "--port", str(self._port)]
        started = self._stack.enter_context(program(command, self._env, self._directory))
        started.wait_for("listens on")

    def close(self) -> None:
        self._stack.close()

    def call(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            None if document is None else json.dumps(document).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def read(self) -> dict[str, tuple[str, str | None]]:
        """The state of each model's key, and its stored form."""
        code, config = self.call("GET", f"{READ_PATH}?include=apiKeyEncrypted,keyState")
        assert code == 200, config
        return {m["model"]: (m["keyState"], m["apiKeyEncrypted"]) for m in config["models"]}

    def write(self, *entries: dict[str, Any]) -> int:
        code, _ = self.call("PUT", UPDATE_PATH, body(*entries))
        return code

    def sealed(self, api_key: str) -> str:
        code, document = self.call("GET", f"{READ_PATH}/encryption-key")
        assert code == 200
        return seal(document, api_key)


@pytest.fixture
def sites(
    keyring: Path, tmp_path: Path, mongod: Any, database_name: str
) -> Iterator[tuple[Site, Site]]:
    """Two gateways over one store, on the same first state of the keyring."""
    with authorization_server() as server, ExitStack() as stack:
        made = []
        for name in ("one", "two"):
            site = Site(name, tmp_path, server, mongod.uri, database_name)
            stack.callback(site.close)
            site.restart(keyring)
            made.append(site)
        one, two = made
        code, _ = one.call(
            "POST", CREATE_PATH, body(entry("by one"), entry("by two"), entry("first", key="k"))
        )
        assert code == 201
        yield one, two


def expect_both_work(one: Site, two: Site, step: str) -> None:
    """Each writes a key that is sealed to the other, and each takes what the other has written."""
    keep = [entry("first"), entry("by one"), entry("by two")]
    for writer, reader, model in ((one, two, "by one"), (two, one, "by two")):
        sealed = entry(model, key=reader.sealed(f"{model} at {step}"))
        others = [item for item in keep if item["model"] != model]
        assert writer.write(*others, sealed) == 200, step
        seen = reader.read()
        assert {state for state, _ in seen.values()} <= {"set", "unset"}, step
        # A stored key that comes back is opened, to see whose it is.
        back = [entry(model, key=stored) for model, (_, stored) in seen.items() if stored]
        assert reader.write(*back, *(e for e in keep if not seen[e["model"]][1])) == 200, step


def test_add_promote_rotate_retire_is_safe_while_gateways_restart_one_by_one(
    sites: tuple[Site, Site], keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    one, two = sites
    env = environment(mongodb_uri=mongod.uri, mongodb_database=database_name, keyring=str(keyring))

    def command(*arguments: str) -> None:
        ran = subprocess.run([aiconfig(), *arguments], env=env, capture_output=True, timeout=60)
        assert ran.returncode == 0, ran.stderr

    old = load_keyring(keyring)
    expect_both_work(one, two, "the start")
    for action in ("add", "promote"):
        command("keyring", action, str(keyring))
        one.restart(keyring)
        expect_both_work(one, two, f"{action} on one")
        two.restart(keyring)
        expect_both_work(one, two, f"{action} on both")
    command("rotate")
    expect_both_work(one, two, "rotate")
    command("keyring", "retire", str(keyring))
    one.restart(keyring)
    expect_both_work(one, two, "retire on one")
    two.restart(keyring)
    expect_both_work(one, two, "retire on both")
    [document] = documents.find()
    new = load_keyring(keyring).primary
    assert new != old.primary
    assert {m["key"]["kid"] for m in document["models"]} == {new}
    vault = new_vault(keyring)
    texts = {
        entry.model: opened(vault, entry.key, to_owner(document))
        for entry in to_config(document).models
        if entry.key
    }
    assert texts == {
        "first": "k",
        "by one": "by one at retire on both",
        "by two": "by two at retire on both",
    }


def test_promoted_before_it_is_added_everywhere_it_is_unreadable_there_but_not_lost(
    sites: tuple[Site, Site], keyring: Path
) -> None:
    one, two = sites
    turn(keyring)
    one.restart(keyring)
    assert one.write(entry("first"), entry("by one", key=one.sealed("k"))) == 200
    written = one.read()
    assert two.read()["by one"] == ("unreadable", written["by one"][1])
    # What is sealed to a key that it does not have is refused, not garbled.
    assert two.write(entry("first"), entry("by two", key=one.sealed("k"))) == 422
    # It writes beside it, with the older key, and takes nothing away.
    assert two.write(entry("by two", key="mine"), entry("by one"), entry("first")) == 200
    assert two.read()["by one"] == ("unreadable", written["by one"][1])
    assert two.write(entry("by two"), entry("by one", key=written["by one"][1])) == 200
    two.restart(keyring)
    for site in (one, two):
        seen = site.read()
        assert seen["by one"] == ("set", written["by one"][1])
        back = [entry(model, key=stored) for model, (_, stored) in seen.items()]
        assert site.write(*back) == 200

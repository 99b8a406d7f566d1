"""The keyring's life: whole or not at all, one primary of a kind, and nothing goes too soon."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
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
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import (
    add_keys,
    create_keyring,
    promote_keys,
    retirable,
    retire_keys,
)
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

Keys = list[dict[str, Any]]


def keys_of(path: Path) -> Keys:
    keys: Keys = json.loads(path.read_bytes())["keys"]
    return keys


def kids(path: Path, kty: str) -> list[str]:
    return [key["kid"] for key in keys_of(path) if key["kty"] == kty]


def primaries(path: Path) -> list[tuple[str, str]]:
    return [(key["kty"], key["kid"]) for key in keys_of(path) if "primary" in key]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


# The functions


def test_what_is_made_and_changed_stays_private(umask: None, tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    create_keyring(path)
    assert mode_of(path) == 0o600
    turn(path)
    assert mode_of(path) == 0o600
    retire_keys(path, retirable(path))
    assert mode_of(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_stricter_mode_is_not_widened_to_others(keyring: Path) -> None:
    keyring.chmod(0o400)
    turn(keyring)
    assert mode_of(keyring) & 0o077 == 0


def test_a_keyring_is_never_overwritten_by_a_new_one(keyring: Path) -> None:
    before = keyring.read_bytes()
    with pytest.raises(ConfigurationError, match="exists"):
        create_keyring(keyring)
    assert keyring.read_bytes() == before


def test_added_keys_are_not_used_yet(keyring: Path) -> None:
    before, keys = load_keyring(keyring), keys_of(keyring)
    added = add_keys(keyring)
    after = load_keyring(keyring)
    assert (after.primary, after.primary_sealing) == (before.primary, before.primary_sealing)
    assert [kids(keyring, "oct")[-1], kids(keyring, "EC")[-1]] == added
    assert keys_of(keyring)[:2] == keys


def test_the_newest_of_each_kind_is_promoted(keyring: Path) -> None:
    add_keys(keyring)
    storage, sealing = add_keys(keyring)
    assert promote_keys(keyring) == [storage, sealing]
    assert primaries(keyring) == [("oct", storage), ("EC", sealing)]


def test_one_key_is_promoted_by_its_name_and_the_other_kind_stays(keyring: Path) -> None:
    sealing = load_keyring(keyring).primary_sealing
    storage, _ = add_keys(keyring)
    add_keys(keyring)
    assert promote_keys(keyring, storage) == [storage]
    assert primaries(keyring) == [("EC", sealing), ("oct", storage)]


def test_a_name_that_is_not_there_changes_nothing(keyring: Path, tmp_path: Path) -> None:
    before = keyring.read_bytes()
    for change in (promote_keys, retirable):
        with pytest.raises(ConfigurationError, match="no key nobody"):
            change(keyring, "nobody")
    assert keyring.read_bytes() == before
    assert list(tmp_path.iterdir()) == [keyring]


def test_there_are_never_two_primaries_of_a_kind(keyring: Path) -> None:
    changes: list[Callable[[], object]] = [
        lambda: add_keys(keyring),
        lambda: promote_keys(keyring),
        lambda: promote_keys(keyring, kids(keyring, "oct")[0]),
        lambda: promote_keys(keyring, kids(keyring, "EC")[-1]),
        lambda: retire_keys(keyring, retirable(keyring)),
    ]
    for number in range(40):
        changes[(number * 7 + number // 5) % len(changes)]()
        assert sorted(kty for kty, _ in primaries(keyring)) == ["EC", "oct"]
        load_keyring(keyring)


def test_a_file_that_marks_two_is_put_right_by_the_next_promotion(keyring: Path) -> None:
    add_keys(keyring)
    document = {"keys": [{**key, "primary": True} for key in keys_of(keyring)]}
    keyring.write_text(json.dumps(document))
    assert load_keyring(keyring).primary == kids(keyring, "oct")[0]
    promoted = promote_keys(keyring)
    assert [kid for _, kid in primaries(keyring)] == promoted


def test_only_what_is_older_than_a_primary_is_retired(keyring: Path) -> None:
    old = load_keyring(keyring)
    turn(keyring)
    primary = load_keyring(keyring)
    newer = add_keys(keyring)
    assert retirable(keyring) == [old.primary, old.primary_sealing]
    retire_keys(keyring, retirable(keyring))
    assert set(kids(keyring, "oct")) == {primary.primary, newer[0]}
    assert set(kids(keyring, "EC")) == {primary.primary_sealing, newer[1]}
    assert retirable(keyring) == []


def test_a_step_back_makes_nothing_retirable_that_is_newer(keyring: Path) -> None:
    old = load_keyring(keyring)
    turn(keyring)
    for kid in (old.primary, old.primary_sealing):
        promote_keys(keyring, kid)
    assert retirable(keyring) == []


def test_a_primary_is_not_retired(keyring: Path) -> None:
    turn(keyring)
    ring = load_keyring(keyring)
    for kid in (ring.primary, ring.primary_sealing):
        with pytest.raises(ConfigurationError, match="is a primary"):
            retirable(keyring, kid)


def test_a_key_that_is_promoted_meanwhile_is_not_retired(keyring: Path) -> None:
    add_keys(keyring)
    [kid] = retirable(keyring, kids(keyring, "oct")[-1])
    promote_keys(keyring, kid)
    with pytest.raises(ConfigurationError):
        retire_keys(keyring, [kid])
    assert load_keyring(keyring).primary == kid


# Whole or not at all


@pytest.mark.parametrize("point", ["os.fsync", "os.replace", "json.dump"])
@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_change_that_fails_leaves_the_old_file_and_nothing_else(
    keyring: Path, monkeypatch: pytest.MonkeyPatch, point: str, error: BaseException
) -> None:
    before = keyring.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(point, fail)
        with pytest.raises(type(error)):
            add_keys(keyring)
    assert keyring.read_bytes() == before
    assert list(keyring.parent.iterdir()) == [keyring]
    add_keys(keyring)


KILLED = """
import os, signal, sys
from aiconfig_plugin.keys.keyring_file import add_keys

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], die)
add_keys(sys.argv[1])
"""


@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_killed_change_leaves_the_old_file_and_is_in_nobody_s_way(
    keyring: Path, point: str
) -> None:
    before = keyring.read_bytes()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(keyring), point], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert keyring.read_bytes() == before
    assert mode_of(Path(f"{keyring}.new")) == 0o600
    add_keys(keyring)
    assert len(keys_of(keyring)) == 4
    assert list(keyring.parent.iterdir()) == [keyring]


def test_of_changes_at_once_none_is_lost(keyring: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda _: add_keys(keyring), range(40)))
    assert sorted(key["kid"] for key in keys_of(keyring)[2:]) == sorted(sum(added, []))


def test_behind_a_link_the_file_is_replaced_and_the_link_stays(
    keyring: Path, tmp_path: Path
) -> None:
    links = tmp_path / "etc"
    links.mkdir()
    link = links / "keyring.json"
    link.symlink_to(Path("..") / keyring.name)
    add_keys(link)
    assert link.is_symlink()
    assert len(keys_of(keyring)) == 4
    assert list(links.iterdir()) == [link]


def test_a_keyring_that_is_not_in_order_is_not_changed(keyring: Path) -> None:
    keyring.chmod(0o644)
    before = keyring.read_bytes()
    with pytest.raises(ConfigurationError, match="0600"):
        add_keys(keyring)
    assert keyring.read_bytes() == before


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
        assert f"{old.primary} wraps 3 stored keys" in refused.err
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

"""The commands that turn keys for all gateways: what they print, and with which code they end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import MongoClient

from aiconfig_plugin.cli import main
from aiconfig_plugin.domain import AIConfig, Kids, ModelEntry, Owner, StoredKey
from aiconfig_plugin.keys import Keyring, add_keys, load_keyring
from aiconfig_plugin.store import COLLECTION, MongoStores, to_document
from tests.support.processes import environment


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Site:
    """An operator's machine, and a database in which gateways announce themselves."""

    def __init__(self, uri: str, name: str, keyring: Path, run: Callable[..., Done]) -> None:
        self.keyring = keyring
        self._uri, self._name, self._run = uri, name, run

    def run(self, *arguments: str | Path) -> Done:
        return self._run(
            *arguments,
            mongodb_uri=self._uri,
            mongodb_database=self._name,
            keyring=str(self.keyring),
        )

    def load(self) -> Keyring:
        return load_keyring(self.keyring)

    def announce(self, id: str, kids: Kids, uses: Kids) -> None:
        async def announce() -> None:
            stores = MongoStores.connect(self._uri, self._name, driver="pymongo")
            await stores.start()
            await stores.gateways.announce(id, kids, uses)
            await stores.close()

        asyncio.run(announce())

    def store_key(self, kid: str) -> None:
        key = StoredKey(kid, "eyJh.a.b.c.d")
        config = AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True, key),), "", "r1")
        with MongoClient[dict[str, Any]](self._uri) as client:
            client[self._name][COLLECTION].insert_one(to_document(Owner("i", "s"), config))


@pytest.fixture
def site(
    mongod: Any,
    database_name: str,
    keyring: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Site]:
    def run(*arguments: str | Path, **settings: str) -> Done:
        for name in set(os.environ) - set(environment()):
            monkeypatch.delenv(name)
        for name, value in environment(**settings).items():
            monkeypatch.setenv(name, value)
        return Done(main(list(map(str, arguments))), *capsys.readouterr())

    monkeypatch.setattr("aiconfig_plugin.cli.turning._SETTLING", 0.0)
    yield Site(mongod.uri, database_name, keyring, run)


def test_the_newest_key_of_each_kind_is_activated_when_every_gateway_has_it(site: Site) -> None:
    old = site.load()
    added = add_keys(site.keyring)
    for id in "ab":
        site.announce(id, site.load().kids, frozenset(added))
    done = site.run("keyring", "activate", "--expect", "2")
    assert done == Done(
        0,
        "".join(f"{kid} [2/2]\n" for kid in added)
        + f"Activated {', '.join(added)}. Next: 'aiconfig rotate'.\n",
        "",
    )
    again = site.run("keyring", "activate", added[0])
    assert again.code == 0 and again.out.startswith(f"{added[0]} [2/2]\n")
    assert site.load().primaries == old.primaries  # the file stays as it is


def test_who_lacks_the_key_is_named_and_nothing_is_changed(site: Site) -> None:
    old = site.load()
    kid, _ = add_keys(site.keyring)
    site.announce("a", site.load().kids, old.primaries)
    site.announce("b", old.kids, old.primaries)
    done = site.run("keyring", "activate", kid, "--timeout", "0")
    assert done.code == 1
    who = f"{socket.gethostname()} (process {os.getpid()}, since "
    assert done.out.startswith(f"{kid} [1/2]  waiting for {who}")
    assert "Nothing was changed." in done.err and who in done.err
    assert site.run("keyring", "promote", site.keyring).code == 0


def test_too_few_gateways_are_waited_for(site: Site) -> None:
    kid = site.load().primary
    done = site.run("keyring", "activate", kid, "--expect", "2", "--timeout", "0")
    assert (done.code, done.out) == (1, f"{kid} [0/2]\n")
    assert "2 more were expected" in done.err


def test_who_still_writes_with_the_key_before_is_told(site: Site) -> None:
    old = site.load()
    kid, _ = add_keys(site.keyring)
    site.announce("a", site.load().kids, old.primaries)
    done = site.run("keyring", "activate", kid)
    assert done.code == 0 and f"Activated {kid}" in done.out
    assert f"Still writes with a key from before: {socket.gethostname()} (process" in done.err


def test_a_key_that_is_not_on_the_keyring_is_not_activated(site: Site) -> None:
    done = site.run("keyring", "activate", "nobody")
    assert (done.code, done.out) == (2, "")
    assert "no key nobody on the keyring" in done.err


def test_promote_refuses_where_a_key_has_been_activated_and_names_the_command(site: Site) -> None:
    before = site.keyring.read_bytes()
    assert site.run("keyring", "activate").code == 0
    done = site.run("keyring", "promote", site.keyring)
    assert done.code == 2 and "'aiconfig keyring activate'" in done.err
    assert site.keyring.read_bytes() == before
    named = site.run("keyring", "promote", site.keyring, site.load().primary)
    assert f"'aiconfig keyring activate {site.load().primary}'" in named.err


def test_what_is_older_than_the_activated_key_is_retired_whatever_the_file_marks(
    site: Site,
) -> None:
    old = site.load()
    added = add_keys(site.keyring)
    assert site.run("keyring", "activate").code == 0
    assert site.load().primaries == old.primaries
    done = site.run("keyring", "retire", site.keyring)
    assert done == Done(0, f"Retired {old.primary}, {old.primary_sealing}.\n", "")
    assert site.load().kids == site.load().primaries == set(added)
    assert site.run("keyring", "retire", site.keyring).out == "No keys to retire.\n"
    with pytest.raises(Exception, match="failed validation"):
        site.store_key(old.primary)


def test_the_activated_key_is_not_retired(site: Site) -> None:
    kid, _ = add_keys(site.keyring)
    assert site.run("keyring", "activate").code == 0
    done = site.run("keyring", "retire", site.keyring, kid)
    assert done.code == 2 and "activate another key first" in done.err


def test_a_key_that_a_gateway_writes_with_is_not_retired(site: Site) -> None:
    old = site.load()
    add_keys(site.keyring)
    assert site.run("keyring", "activate").code == 0
    site.announce("a", site.load().kids, old.primaries)
    before = site.keyring.read_bytes()
    done = site.run("keyring", "retire", site.keyring)
    assert done.code == 1 and f"written with by {socket.gethostname()} (process" in done.err
    assert site.keyring.read_bytes() == before
    site.store_key(old.primary)  # the door is open as before


def test_rotate_and_check_go_by_the_activated_key(site: Site) -> None:
    kid, _ = add_keys(site.keyring)
    assert site.run("keyring", "activate").code == 0
    assert f"re-encrypted with {kid}." in site.run("rotate").out
    assert "the keyring fits" in site.run("check").out


def test_a_keyring_without_the_activated_key_is_found_by_check_and_not_used(site: Site) -> None:
    last_week = site.keyring.read_bytes()
    added = add_keys(site.keyring)
    assert site.run("keyring", "activate").code == 0
    site.keyring.write_bytes(last_week)
    lacks = f"The keyring lacks {', '.join(sorted(added))}, which the gateways"
    assert f"FAILED: {lacks}" in site.run("check").out
    done = site.run("rotate")
    assert done.code == 2 and lacks in done.err

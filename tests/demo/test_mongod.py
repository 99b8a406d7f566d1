"""A private mongod: starts on a free port, keeps its data, says why it cannot start."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
import pytest

from aiconfig_plugin.demo import mongod as module
from aiconfig_plugin.demo.mongod import Mongod, find_mongod
from aiconfig_plugin.errors import ConfigurationError


@contextmanager
def collection(server: Mongod) -> Iterator[Any]:
    with pymongo.MongoClient[dict[str, Any]](server.uri, serverSelectionTimeoutMS=5000) as client:
        yield client["demo"]["things"]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_data_survive_a_stop_and_a_start_on_the_same_port(tmp_path: Path) -> None:
    server = Mongod(tmp_path / "db")
    with server:
        first = server.uri
        with collection(server) as things:
            things.insert_one({"_id": 1, "name": "kept"})
    with server, collection(server) as things:
        assert things.find_one({"_id": 1}) == {"_id": 1, "name": "kept"}
        assert server.uri == first


def test_stop_ends_the_process_and_may_be_called_again(tmp_path: Path) -> None:
    server = Mongod(tmp_path / "db")
    server.start()
    pid = server.pid
    assert is_running(pid)
    server.stop()
    server.stop()
    assert not is_running(pid)


def test_a_process_that_was_killed_starts_again_with_its_data(tmp_path: Path) -> None:
    server = Mongod(tmp_path / "db")
    server.start()
    with collection(server) as things:
        things.with_options(write_concern=pymongo.WriteConcern(w=1, j=True)).insert_one({"_id": 1})
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with server, collection(server) as things:
        assert things.count_documents({}) == 1


def test_it_listens_on_loopback_alone_and_its_data_directory_is_private(tmp_path: Path) -> None:
    with Mongod(tmp_path / "db") as server:
        assert server.uri.startswith("mongodb://127.0.0.1:")
        assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o700
        with pymongo.MongoClient[dict[str, Any]](server.uri) as client:
            options = client.admin.command("getCmdLineOpts")["parsed"]
        assert options["net"]["bindIp"] == "127.0.0.1"


def test_it_has_a_session_of_its_own(tmp_path: Path) -> None:
    with Mongod(tmp_path / "db") as server:
        assert os.getsid(server.pid) == server.pid != os.getsid(0)


def test_a_second_one_on_the_same_data_says_who_holds_it(tmp_path: Path) -> None:
    with Mongod(tmp_path / "db") as server:
        second = Mongod(tmp_path / "db")
        with pytest.raises(ConfigurationError) as caught:
            second.start()
        assert f"in use by another mongod (process {server.pid})" in caught.value.detail
        assert str(server.log) in caught.value.detail
        with pytest.raises(RuntimeError):
            second.pid  # noqa: B018
        with collection(server) as things:
            assert things.count_documents({}) == 0


def test_a_port_that_was_asked_for_and_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is taken"):
            Mongod(tmp_path / "db", port=port).start()


def test_a_free_port_that_is_lost_on_the_way_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = module.free_port
        ports = iter([other.getsockname()[1]])
        monkeypatch.setattr(module, "free_port", lambda: next(ports, None) or free())
        with Mongod(tmp_path / "db") as server:
            assert server.port != other.getsockname()[1]


def test_extra_arguments_reach_mongod(tmp_path: Path) -> None:
    with Mongod(tmp_path / "db", arguments=["--replSet", "rs0"]) as server:
        with pymongo.MongoClient[dict[str, Any]](server.uri) as client:
            options = client.admin.command("getCmdLineOpts")["parsed"]
        assert options["replication"]["replSet"] == "rs0"


@pytest.mark.parametrize(
    ("library", "advice"),
    [
        ("libcurl.so.4", "apt-get install libcurl4 libssl3"),
        ("libcrypto.so.3", "apt-get install libcurl4 libssl3"),
        ("liblzma.so.5", "install the package that provides it"),
    ],
)
def test_a_missing_library_is_named_with_its_packages(
    tmp_path: Path, library: str, advice: str
) -> None:
    said = (
        f"mongod: error while loading shared libraries: {library}: "
        "cannot open shared object file: No such file or directory"
    )
    executable = script(tmp_path / "mongod", f"echo '{said}' >&2; exit 127")
    with pytest.raises(ConfigurationError, match=f"{re.escape(library)}.*{advice}"):
        Mongod(tmp_path / "db", executable=executable).start()


def test_what_else_it_says_before_its_log_is_open_is_repeated(tmp_path: Path) -> None:
    executable = script(tmp_path / "mongod", "echo 'Illegal option: --quiet' >&2; exit 2")
    with pytest.raises(ConfigurationError, match=r"code 2 .*Illegal option.*mongod\.log"):
        Mongod(tmp_path / "db", executable=executable).start()


def test_one_that_never_listens_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_TIMEOUT", 0.2)
    executable = script(tmp_path / "mongod", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(ConfigurationError, match="did not accept connections"):
        Mongod(tmp_path / "db", executable=executable).start()
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_one_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.2)
    log = tmp_path / "db" / "mongod.log"
    code = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(log)!r}).write_text('Waiting for connections'); time.sleep(60)"
    )
    executable = script(tmp_path / "mongod", f'exec "{sys.executable}" -c "{code}"')
    server = Mongod(tmp_path / "db", executable=executable)
    server.start()
    pid = server.pid
    server.stop()
    assert not is_running(pid)


def test_the_mongod_on_the_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = script(tmp_path / "mongod", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == executable


def test_the_carried_mongod_gets_its_run_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    carried.parent.mkdir(parents=True)
    carried.write_text("#!/bin/sh\nexit 7\n")
    carried.chmod(0o644)
    (tmp_path / "fiftyone" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delitem(sys.modules, "fiftyone", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert find_mongod() == carried
    assert subprocess.call([carried]) == 7


def test_none_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"aiconfig-plugin\[demo\].*AICONFIG_MONGODB_URI"):
        find_mongod()

"""The command line, as a process of its own: what it prints, and with which code it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.keys.keyring_file import create_keyring
from tests.support.gateway import BOTH, READ_PATH, closed_port
from tests.support.processes import (
    PATIENCE,
    aiconfig,
    authorization_server,
    environment,
    need,
    program,
    settings_for,
)

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorizationServer]:
    with authorization_server() as started:
        yield started


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    path = tmp_path / "keyring.json"
    create_keyring(path)
    return path


@pytest.fixture
def settings(
    server: AuthorizationServer, mongod: Any, database_name: str, keyring: Path
) -> dict[str, str]:
    return settings_for(server, mongod.uri, database_name, keyring)


def run(*arguments: str, command: tuple[str, ...] = (), **settings: str) -> Done:
    return subprocess.run(
        [*(command or (aiconfig(),)), *arguments],
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=25,  # What should end at once and goes on serving instead fails here.
    )


def assert_one_line(done: Done, *words: str) -> None:
    """It failed with one line that holds these words, and printed nothing else."""
    assert done.returncode in (1, 2), done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("\n"), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_it_tells_its_version() -> None:
    assert run("--version").stdout == f"aiconfig {metadata.version('aiconfig-plugin')}\n"


# keyring


def test_keyring_create_makes_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    done = run("keyring", "create", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert_shows_no_key(path, done)
    kinds = [key["kty"] for key in json.loads(path.read_text())["keys"]]
    assert {"oct", "EC"} <= set(kinds)


def test_keyring_create_never_writes_over_a_file(keyring: Path) -> None:
    before = keyring.read_bytes()
    assert_one_line(run("keyring", "create", str(keyring)), str(keyring))
    assert keyring.read_bytes() == before
    assert_one_line(run("keyring", "create", str(keyring.parent / "no" / "such")), "no/such")


def test_keyring_list_shows_each_key_and_nothing_secret(keyring: Path) -> None:
    done = run("keyring", "list", str(keyring))
    assert (done.returncode, done.stderr) == (0, "")
    keys = json.loads(keyring.read_text())["keys"]
    lines = done.stdout.splitlines()
    assert len(lines) == len(keys)
    for key in keys:
        [line] = [line for line in lines if line.startswith(key["kid"])]
        assert ("primary" in line) == (key.get("primary") is True)
    assert_shows_no_key(keyring, done)


def test_keyring_list_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    assert_one_line(run("keyring", "list", str(path)), str(path))
    path.write_text('{"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0LXRvby1zaG9ydA"}]}')
    path.chmod(0o600)
    done = run("keyring", "list", str(path))
    assert_one_line(done, str(path))
    assert "c2VjcmV0" not in done.stderr and "secret" not in done.stderr


def assert_shows_no_key(path: Path, done: Done) -> None:
    for key in json.loads(path.read_text())["keys"]:
        for name in ("k", "d"):
            if name in key:
                assert key[name] not in done.stdout + done.stderr


# openapi


def test_openapi_prints_the_document() -> None:
    done = run("openapi")
    assert (done.returncode, done.stderr) == (0, "")
    assert READ_PATH in json.loads(done.stdout)["paths"]


def test_openapi_knows_the_settings() -> None:
    done = run("openapi", prefix="/other", read_scope="my:scope")
    path = json.loads(done.stdout)["paths"]["/other/get/ai-model-config"]
    assert path["get"]["security"] == [{"bearer": ["my:scope"]}]


# check


def check(**settings: str) -> tuple[int, dict[str, str]]:
    """Run it; return the exit code and what it says of each part."""
    done = run("check", **settings)
    assert "Traceback" not in done.stderr
    parts = (re.split(r"\s{2,}", line, maxsplit=1) for line in done.stdout.splitlines())
    return done.returncode, {part[0]: part[1] for part in parts}


def test_check_says_that_all_is_well(settings: dict[str, str]) -> None:
    code, parts = check(**settings)
    assert code == 0
    assert list(parts) == ["settings", "keyring", "store", "authorization server"]
    assert not [text for text in parts.values() if "FAILED" in text]


def test_check_names_the_one_part_that_fails_and_its_setting(
    settings: dict[str, str], keyring: Path
) -> None:
    nowhere = closed_port()
    for part, setting, wrong in (
        ("keyring", "KEYRING", {"keyring": f"{keyring}.missing"}),
        ("store", "MONGODB_URI", {"mongodb_uri": f"mongodb://127.0.0.1:{nowhere}"}),
        ("authorization server", "CLIENT_ID", {"client_secret": "wr0ng-secret"}),
        (
            "authorization server",
            "INTROSPECTION_ENDPOINT",
            {"introspection_endpoint": f"http://127.0.0.1:{nowhere}/introspect"},
        ),
    ):
        code, parts = check(**{**settings, **wrong})
        assert code == 1
        assert [name for name, text in parts.items() if "FAILED" in text] == [part]
        assert f"AICONFIG_{setting}" in parts[part]
        assert len(parts) == 4
        assert "wr0ng-secret" not in str(parts)


def test_check_reports_every_part_when_several_fail(settings: dict[str, str]) -> None:
    code, parts = check(**{**settings, "keyring": "missing.json", "client_secret": "wrong"})
    assert code == 1
    failed = [name for name, text in parts.items() if "FAILED" in text]
    assert failed == ["keyring", "authorization server"]


@pytest.mark.parametrize("wrong", [{"no_such_setting": "x"}, {"introspection_ttl": "soon"}])
def test_check_fails_with_code_1_for_a_wrong_setting(
    settings: dict[str, str], wrong: dict[str, str]
) -> None:
    done = run("check", **{**settings, **wrong})
    assert done.returncode == 1
    [name] = wrong
    told = done.stdout + done.stderr
    assert f"AICONFIG_{name.upper()}" in told and told.count("\n") == 1


# serve


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", [False, True], ids=["aiconfig", "python -m"])
def test_serve_prints_one_line_serves_and_ends_when_told(
    server: AuthorizationServer,
    settings: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
    module: bool,
) -> None:
    command = [sys.executable, "-m", "aiconfig_plugin"] if module else [aiconfig()]
    port = free_port()
    command += ["serve", "--port", str(port)]
    with program(command, environment(**settings), tmp_path / "serve") as gateway:
        gateway.wait_for("\n")
        url = f"http://127.0.0.1:{port}{READ_PATH}"
        assert status(url) == 401
        token = server.issue("alice", BOTH)["access_token"]
        assert status(url, token) == 404
        assert status(f"{url}?access_token={token}") == 401
        assert gateway.end(number) == 0
        assert gateway.out.count("\n") == 1
        assert f"http://127.0.0.1:{port}" in gateway.out
        assert token not in gateway.err and "Traceback" not in gateway.err


def status(url: str, token: str | None = None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urlopen(Request(url, headers=headers), timeout=30) as answer:
            code: int = answer.status
            return code
    except HTTPError as err:
        err.close()
        return err.code


def test_serve_names_the_setting_that_is_wrong(settings: dict[str, str], keyring: Path) -> None:
    keyring_for_all = keyring.with_name("readable.json")
    keyring_for_all.write_bytes(keyring.read_bytes())
    keyring_for_all.chmod(0o644)
    for wrong, words in (
        ({"keyring": f"{keyring}.missing"}, ["AICONFIG_KEYRING", f"{keyring}.missing"]),
        ({"keyring": str(keyring_for_all)}, ["AICONFIG_KEYRING", "0600"]),
        ({"mongodb_uri": ""}, ["AICONFIG_MONGODB_URI"]),
        ({"mongodb_uri": "mongodb://u:s3cret@127.0.0.1/?tls=ture"}, ["AICONFIG_MONGODB_URI"]),
        ({"mongodb_database": "a b$"}, ["AICONFIG_MONGODB_DATABASE"]),
        ({"issuer": "nowhere"}, ["AICONFIG_ISSUER"]),
        ({"client_id": ""}, ["AICONFIG_CLIENT_ID"]),
        ({"introspection_ttl": "nan"}, ["AICONFIG_INTROSPECTION_TTL"]),
        ({"prefix": "/api/"}, ["AICONFIG_PREFIX"]),
        ({"no_such_setting": "s3cret"}, ["AICONFIG_NO_SUCH_SETTING"]),
    ):
        done = run("serve", "--port", str(free_port()), **{**settings, **wrong})
        assert_one_line(done, *words)
        assert "s3cret" not in done.stderr


def test_serve_does_not_start_without_the_store(settings: dict[str, str]) -> None:
    nowhere = f"mongodb://127.0.0.1:{closed_port()}"
    done = run("serve", "--port", str(free_port()), **{**settings, "mongodb_uri": nowhere})
    assert_one_line(done, "store", "AICONFIG_MONGODB_URI")


def test_serve_says_that_a_port_is_taken(settings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_one_line(run("serve", "--port", port, **settings), port)


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize("port", ["abc", "99999", "-1", ""])
def test_a_port_that_is_none_is_named(
    settings: dict[str, str], tmp_path: Path, command: str, port: str
) -> None:
    data = ["--data", str(tmp_path / "data")] if command == "demo" else []
    done = run(command, "--port", port, *data, **settings)
    assert done.returncode in (1, 2)
    assert done.stdout == "" and "Traceback" not in done.stderr
    # The usage may come before it.
    assert "--port" in done.stderr.splitlines()[-1] or port in done.stderr.splitlines()[-1]
    assert not (tmp_path / "data").exists()


def test_a_wrong_command_is_told() -> None:
    for arguments in ((), ("no-such-command",), ("keyring",), ("keyring", "list")):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stdout == "" and "Traceback" not in done.stderr
    helped = run("--help")
    assert helped.returncode == 0 and "serve" in helped.stdout


# demo


@pytest.fixture
def port() -> int:
    """A free port whose next one is free, too."""
    for _ in range(100):
        first = free_port()
        try:
            with socket.create_server(("127.0.0.1", first + 1)):
                return first
        except (OSError, OverflowError):
            continue
    pytest.fail("there are no two free ports beside each other")


def commands(printed: str) -> dict[str, str]:
    """The curl lines by the title above them."""
    return dict(re.findall(r"^# (.+)\n(curl .+)$", printed, re.MULTILINE))


def answer(command: str) -> tuple[int, str]:
    """Run a printed line as a user does; return the status and all that came."""
    done = subprocess.run(
        [need("bash"), "-c", command],
        env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, ""), command
    found = re.match(r"HTTP/1\.1 (\d{3}) ", done.stdout)
    assert found, done.stdout
    return int(found[1]), done.stdout


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_command_of_the_demo_does_what_it_says_also_after_a_restart(
    tmp_path: Path, port: int
) -> None:
    need("curl")
    data = tmp_path / "data"
    command = [aiconfig(), "demo", "--port", str(port), "--data", str(data)]
    for start in ("first", "second"):
        with program(command, environment(), tmp_path / start) as demo:
            printed = commands(demo.wait_for("Ctrl-C"))
            promised = {title: int(re.findall(r"\((\d{3})", title)[0]) for title in printed}
            assert {201, 200, 422, 401} <= set(promised.values())
            for title, line in printed.items():
                code, text = answer(line)
                again = start == "second" and promised[title] == 201
                assert code == (409 if again else promised[title]), (title, text)
                if title.startswith("Read (200)"):
                    assert '"model":"gpt-4"' in text
                    # What the update of the first start wrote is still there in the second.
                    assert ("You answer in one sentence." in text) == (start == "second")
            with urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
                assert page.status == 200
            mongod = int((data / "mongodb" / "mongod.lock").read_text())
            assert is_running(mongod)
            assert demo.end(signal.SIGINT) == 0
            assert not is_running(mongod)
            assert "Traceback" not in demo.err
    for number in (port, port + 1):
        with socket.create_server(("127.0.0.1", number)):
            pass


@pytest.mark.parametrize("offset", [0, 1])
def test_the_demo_says_that_a_port_is_taken_and_leaves_nothing(
    tmp_path: Path, port: int, offset: int
) -> None:
    with socket.create_server(("127.0.0.1", port + offset)):
        done = run("demo", "--port", str(port), "--data", str(tmp_path / "data"))
    assert_one_line(done, str(port + offset), "--port")
    assert not (tmp_path / "data").exists()


def test_the_demo_ends_what_it_started_when_it_is_stopped_early(tmp_path: Path, port: int) -> None:
    data = tmp_path / "data"
    command = [aiconfig(), "demo", "--port", str(port), "--data", str(data)]
    with program(command, environment(), tmp_path / "demo") as demo:
        demo.wait_for("Ctrl-C")
        mongod = int((data / "mongodb" / "mongod.lock").read_text())
        assert demo.end(signal.SIGTERM) == 0
        assert not is_running(mongod)

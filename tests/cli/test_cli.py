"""The command line: what it prints, and with which code it ends."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from pymongo import MongoClient

from aiconfig_plugin.access.introspection import Introspection
from aiconfig_plugin.cli.logs import JSONFormatter
from aiconfig_plugin.cli.serve import run_until_stopped
from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.domain import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.keys import add_keys
from aiconfig_plugin.metrics import Metrics
from aiconfig_plugin.store.documents import COLLECTION, to_document
from aiconfig_plugin.store.repository import MongoRepository
from tests.support.builders import turn
from tests.support.command_line import Done, Run, assert_one_line
from tests.support.gateway import BOTH, CREATE_PATH, READ_PATH, body, closed_port
from tests.support.ports import two_free_ports
from tests.support.processes import (
    TIMEOUT,
    aiconfig,
    environment,
    need,
    program,
)


def test_it_tells_its_version(run: Run) -> None:
    version = metadata.version("aiconfig-plugin")
    assert run("--version") == Done(0, f"aiconfig {version}\n", "")


# keyring


def test_keyring_create_makes_a_file_that_only_its_owner_reads(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    done = run("keyring", "create", path)
    assert (done.code, done.err) == (0, "") and str(path) in done.out
    assert path.stat().st_mode & 0o777 == 0o600
    assert_shows_no_key(path, done)
    assert {key["kty"] for key in json.loads(path.read_text())["keys"]} == {"oct", "EC"}


def test_keyring_create_never_writes_over_a_file(run: Run, keyring: Path) -> None:
    before = keyring.read_bytes()
    assert_one_line(run("keyring", "create", keyring), str(keyring))
    assert keyring.read_bytes() == before
    assert_one_line(run("keyring", "create", keyring.parent / "no" / "such"), "no/such")


def test_keyring_list_shows_each_key_and_nothing_secret(run: Run, keyring: Path) -> None:
    add_keys(keyring)
    done = run("keyring", "list", keyring)
    kinds = {"oct": "storage", "EC": "sealing"}
    assert (done.code, done.err) == (0, "")
    assert set(done.out.splitlines()) == {
        f"{key['kid']}  {kinds[key['kty']]}{'  primary' if key.get('primary') else ''}"
        for key in json.loads(keyring.read_text())["keys"]
    }
    assert_shows_no_key(keyring, done)


def test_keyring_list_says_what_is_wrong_with_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    assert_one_line(run("keyring", "list", path), str(path))
    path.write_text('{"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0LXRvby1zaG9ydA"}]}')
    path.chmod(0o600)
    done = run("keyring", "list", path)
    assert_one_line(done, str(path))
    assert "c2VjcmV0" not in done.err and "secret" not in done.err


def assert_shows_no_key(path: Path, done: Done) -> None:
    for key in json.loads(path.read_text())["keys"]:
        assert not {key.get("k"), key.get("d")} & set(re.findall(r"[\w-]+", done.out + done.err))


# openapi


def test_openapi_prints_the_document_of_the_settings(run: Run) -> None:
    done = run("openapi")
    assert (done.code, done.err) == (0, "")
    assert READ_PATH in json.loads(done.out)["paths"]
    done = run("openapi", prefix="/other", read_scope="my:scope")
    path = json.loads(done.out)["paths"]["/other/get/ai-model-config"]
    assert path["get"]["security"] == [{"bearer": ["my:scope"]}]


# check

OK = {
    "settings": "OK",
    "keyring": "OK",
    "store": "OK; the keyring fits the stored keys (owners: 0)",
    "authorization server": "OK; it accepts this gateway's credentials",
}


def check(run: Run, **settings: str) -> tuple[int, dict[str, str]]:
    """Run it; return the exit code and what it says of each part."""
    done = run("check", **settings)
    assert done.err == "" and "Traceback" not in done.out
    parts = (re.split(r"\s{2,}", line, maxsplit=1) for line in done.out.splitlines())
    return done.code, {part[0]: part[1] for part in parts}


def test_check_says_that_all_is_well(run: Run, settings: dict[str, str]) -> None:
    assert check(run, **settings) == (0, OK)


def test_check_names_the_one_part_that_fails_and_its_setting(
    run: Run, settings: dict[str, str], keyring: Path, server: AuthorizationServer
) -> None:
    nowhere = f"127.0.0.1:{closed_port()}"
    for part, told, wrong in (
        ("keyring", "AICONFIG_KEYRING", {"keyring": f"{keyring}.missing"}),
        ("store", "AICONFIG_MONGODB_URI", {"mongodb_uri": ""}),
        ("authorization server", "AICONFIG_CLIENT_ID", {"client_secret": "wr0ng-secret"}),
        (
            "authorization server",
            "Check AICONFIG_ISSUER, AICONFIG_INTROSPECTION_ENDPOINT and the network.",
            {"introspection_endpoint": f"http://{nowhere}/introspect"},
        ),
    ):
        code, parts = check(run, **{**settings, **wrong})
        assert (code, [*parts]) == (1, [*OK])
        assert [name for name, text in parts.items() if text.startswith("FAILED: ")] == [part]
        assert told in parts[part] and "wr0ng-secret" not in str(parts)


def test_check_reports_every_part_when_several_fail(run: Run, settings: dict[str, str]) -> None:
    wrong = {"keyring": "missing.json", "client_secret": "wrong"}
    code, parts = check(run, **{**settings, **wrong})
    assert code == 1
    assert parts["store"] == "reachable; stored keys (owners: 0) not verified"
    failed = [name for name, text in parts.items() if "FAILED" in text]
    assert failed == ["keyring", "authorization server"]


def test_check_tells_of_how_many_owners_stored_keys_are_unreadable(
    run: Run, settings: dict[str, str]
) -> None:
    key = StoredKey("lost", "…")
    models = (ModelEntry("O", "chat", "m", True, key), ModelEntry("O", "chat", "n", True, key))
    with MongoClient[Any](settings["mongodb_uri"]) as client:
        documents = client[settings["mongodb_database"]][COLLECTION]
        documents.insert_one(to_document(Owner("i", "s"), AIConfig(models, "", "r")))
    code, parts = check(run, **settings)
    assert code == 1
    assert parts["store"] == (
        "FAILED: stored keys are wrapped by keys not on the keyring: lost (owners: 1)."
    )


def test_check_fails_for_an_endpoint_that_accepts_any_token(
    run: Run, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept(*_: object, known: bool) -> None: ...

    monkeypatch.setattr(Introspection, "check", accept)
    code, parts = check(run, **settings)
    told = "FAILED: the endpoint accepted an invalid token."
    assert (code, parts) == (1, {**OK, "authorization server": told})


@pytest.mark.parametrize("wrong", [{"no_such_setting": "x"}, {"introspection_ttl": "soon"}])
def test_check_fails_with_code_1_for_a_wrong_setting(
    run: Run, settings: dict[str, str], wrong: dict[str, str]
) -> None:
    code, parts = check(run, **{**settings, **wrong})
    assert (code, [*parts]) == (1, ["settings"])
    assert parts["settings"].startswith(f"FAILED: AICONFIG_{[*wrong][0].upper()} ")


# migrate


def test_migrate_says_what_it_changed(
    run: Run, settings: dict[str, str], mongod: Any, database_name: str
) -> None:
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client[database_name].create_collection(COLLECTION)
    done = run("migrate", **settings)
    name = f"{database_name}.ai_model_configs"
    changed = f"Changed the validator of {name}.\n"
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{changed}Created the index models.key.kid_1__id_1 of {name}.\n")
    assert run("migrate", **settings) == Done(0, "Nothing to change.\n", "")
    assert_one_line(run("migrate"), "AICONFIG_MONGODB_URI is not set")


# serve


@pytest.mark.parametrize(
    ("module", "number", "options"),
    [
        (False, signal.SIGTERM, ""),
        (False, signal.SIGTERM, "--log-level info"),
        (True, signal.SIGINT, "--metrics --log-level DEBUG --log-format json"),
    ],
)
def test_serve_prints_one_line_serves_and_ends_when_told(
    server: AuthorizationServer,
    settings: dict[str, str],
    tmp_path: Path,
    module: bool,
    number: signal.Signals,
    options: str,
) -> None:
    command = [sys.executable, "-m", "aiconfig_plugin"] if module else [aiconfig()]
    port = free_port()
    command += ["serve", "--port", str(port), *options.split()]
    with program(command, environment(**settings), tmp_path / "serve") as gateway:
        gateway.wait_for("\n")
        origin = f"http://127.0.0.1:{port}"
        assert [status(f"{origin}/{probe}") for probe in ("healthz", "readyz")] == [200, 200]
        url = f"{origin}{READ_PATH}"
        assert status(url) == 401
        token = server.issue("alice", BOTH)["access_token"]
        assert status(url, token) == 404
        assert status(f"{url}?access_token={token}") == 401
        assert status(f"{origin}{CREATE_PATH}", token, body()) == 201
        assert status(f"{origin}/metrics") == (200 if "--metrics" in options else 404)
        assert gateway.end(number) == 0
        assert gateway.out == f"aiconfig listens on {origin}/api/v1\n"
        assert token not in gateway.err and "Traceback" not in gateway.err
        assert_logged(gateway.err, options)


def test_serve_reads_its_files_again_on_sighup(
    settings: dict[str, str], keyring: Path, tmp_path: Path
) -> None:
    command = [aiconfig(), "serve", "--port", str(free_port()), "--log-level", "info"]
    with program(command, environment(**settings), tmp_path / "serve") as gateway:
        gateway.wait_for("\n")
        for _ in range(2):
            before = gateway.err.count("AICONFIG_KEYRING was read again")
            turn(keyring)
            gateway.send(signal.SIGHUP)
            gateway.wait_for_log("AICONFIG_KEYRING was read again", before + 1)
        assert gateway.end() == 0


def assert_logged(lines: str, options: str) -> None:
    """What goes to standard error by default, and by choice."""
    if not options:
        assert "INFO" not in lines and "audit" not in lines
    elif "json" not in options:
        time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
        assert re.search(rf'^{time} INFO aiconfig_plugin.audit: .*"create"', lines, re.MULTILINE)
    else:
        records = [json.loads(line) for line in lines.splitlines()]
        debug = [each["logger"] for each in records if each["level"] == "DEBUG"]
        assert all(name.startswith("aiconfig_plugin") for name in debug)
        [audit] = [each for each in records if each["logger"] == "aiconfig_plugin.audit"]
        assert set(audit) == {"time", "level", "logger", "message"} and audit["level"] == "INFO"
        assert json.loads(audit["message"])["action"] == "create"
        assert datetime.now(timezone.utc) > datetime.fromisoformat(audit["time"])


def test_without_the_library_there_are_no_metrics_to_serve(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiconfig_plugin.cli.serve.process_metrics", Metrics)
    assert_one_line(run("serve", "--metrics"), "--metrics", "aiconfig-plugin[metrics]")


def test_a_json_line_holds_a_whole_traceback() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("name", logging.ERROR, "", 1, "%s", ("x",), sys.exc_info())
    line = JSONFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "x"
    assert json.loads(line)["exception"].endswith("ValueError: two\nlines")


def status(url: str, token: str | None = None, sent: Any = None) -> int:
    headers = {"Content-Type": "application/json"} if sent else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = json.dumps(sent).encode() if sent else None
    try:
        with urlopen(Request(url, data, headers), timeout=30) as answer:
            code: int = answer.status
            return code
    except HTTPError as err:
        err.close()
        return err.code


def test_serve_names_the_setting_that_is_wrong(
    run: Run, settings: dict[str, str], keyring: Path
) -> None:
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
        ({"no_such_setting": "s3cret"}, ["AICONFIG_NO_SUCH_SETTING"]),
    ):
        done = run("serve", "--port", str(free_port()), **{**settings, **wrong})
        assert_one_line(done, *words)
        assert "s3cret" not in done.err


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_repository: object) -> None:
        raise StorageUnavailable("The database did not respond.")

    monkeypatch.setattr(MongoRepository, "start", fail)


NO_DATABASE = "The database did not respond. Check AICONFIG_MONGODB_URI and the network."


@pytest.mark.usefixtures("no_database")
def test_serve_does_not_start_without_the_database(run: Run, settings: dict[str, str]) -> None:
    told = f"aiconfig: {NO_DATABASE}\n"
    assert run("serve", "--port", str(free_port()), **settings) == Done(1, "", told)


@pytest.mark.usefixtures("no_database")
def test_check_names_the_setting_of_a_database_that_does_not_respond(
    run: Run, settings: dict[str, str]
) -> None:
    assert check(run, **settings) == (1, {**OK, "store": f"FAILED: {NO_DATABASE}"})


# Tornado's bind_sockets leaves a socket that it could not bind to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
def test_serve_says_that_it_cannot_listen(run: Run, settings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_one_line(run("serve", "--port", port, **settings), port, "in use")
    for host, shown in (("no.such.invalid", "no.such.invalid:"), ("no:address", "[no:address]:")):
        assert_one_line(run("serve", "--host", host, **settings), f"Cannot listen on {shown}")
    gc.collect()


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", ""])
def test_an_invalid_port_is_named(
    run: Run, settings: dict[str, str], tmp_path: Path, command: str, port: str
) -> None:
    data = ["--data", str(tmp_path / "data")] if command == "demo" else []
    done = run(command, "--port", port, *data, **settings)
    assert (done.code, done.out) == (2, "")
    assert "'--port'" in done.err.splitlines()[-1]  # the usage comes before it
    assert not (tmp_path / "data").exists()


def test_a_wrong_command_is_told(run: Run) -> None:
    for arguments in ((), ("no-such-command",), ("keyring",), ("keyring", "list")):
        done = run(*arguments)
        assert (done.code, done.out) == (2, "") and done.err.startswith("Usage: aiconfig ")
    helped = run("--help")
    assert helped.code == 0 and "serve" in helped.out


@pytest.mark.parametrize("installed", [True, False])
def test_a_server_runs_on_uvloop_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    pytest.importorskip("uvloop")
    if not installed:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    loops = []

    async def note(_stop: asyncio.Event) -> None:
        loops.append(type(asyncio.get_running_loop()).__module__)

    run_until_stopped(note)
    assert [loop.startswith("uvloop") for loop in loops] == [installed]


# demo


@pytest.fixture
def port() -> int:
    """A free port whose next one is free, too."""
    return two_free_ports()


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
        timeout=TIMEOUT,
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
    for start, number in (("first", signal.SIGINT), ("second", signal.SIGTERM)):
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
            assert demo.end(number) == 0
            assert not is_running(mongod)
            assert "Traceback" not in demo.err
    for each in (port, port + 1):
        with socket.create_server(("127.0.0.1", each)):
            pass


@pytest.mark.parametrize("offset", [0, 1])
def test_the_demo_says_that_a_port_is_taken_and_leaves_nothing(
    run: Run, tmp_path: Path, port: int, offset: int
) -> None:
    with socket.create_server(("127.0.0.1", port + offset)):
        done = run("demo", "--port", str(port), "--data", str(tmp_path / "data"))
    assert_one_line(done, str(port + offset), "--port")
    assert not (tmp_path / "data").exists()

"""Jupyter Server: its token and cookies, its checks, its authorizer, its logger, its base URL."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page

from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.mongod import free_port
from tests.browser.helpers import SettingsPage
from tests.hosts.conftest import Client, whole_journey
from tests.hosts.environment import EXAMPLES, ROOT, HostEnvironment
from tests.support.gateway import body, entry
from tests.support.processes import TIMEOUT, Program, program

TOKEN = "jupyter-token"
BASE = "/user/al%40ice/"
API = f"{BASE}api/v1"
KEY = "sk-jupyter-0123456789abcdefghij"

AUTHORIZER = """
from jupyter_server.auth import Authorizer
class ReadOnly(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return (action, resource) != ("write", "ai-config")
"""


class Server:
    def __init__(self, port: int, process: Program) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.user = Client(self.url + API, {"Authorization": f"token {TOKEN}"})


@pytest.fixture(scope="module")
def start(
    hosts: HostEnvironment, settings: dict[str, str], folder: Path
) -> Iterator[Callable[..., Server]]:
    """Starts servers with the example's configuration and further arguments."""
    (folder / "read_only.py").write_text(AUTHORIZER, encoding="utf-8")
    with ExitStack() as running:

        def start(*arguments: str) -> Server:
            port = free_port()
            environ = hosts.environ(folder, mongodb_uri=settings["mongodb_uri"])
            environ["PYTHONPATH"] += f":{EXAMPLES}:{folder}"
            command = [
                *(hosts.program("jupyter-server"), "--no-browser", "--allow-root"),
                *(f"--port={port}", f"--config={EXAMPLES / 'jupyter_server_config.py'}"),
                *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.base_url={BASE}"),
                f"--AIConfig.keyring={settings['keyring']}",
                f"--AIConfig.mongodb_database={settings['mongodb_database']}",
                *arguments,
            ]
            process = running.enter_context(program(command, environ, folder / str(port)))
            process.wait_for_log("is running at:")
            return Server(port, process)

        yield start


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    return start()


def test_a_user_of_the_server_has_a_configuration(server: Server, page: Page) -> None:
    recipient = server.user.call("GET", "/get/ai-model-config/encryption-key")
    assert recipient.status_code == 200, recipient.text
    sealed = seal(recipient.json(), KEY, provider="OpenAI")
    whole_journey(server.user, body(entry(key=sealed)))

    # Another extension resolves for the same user.
    other = Client(server.url + BASE, {"Authorization": f"token {TOKEN}"})
    answer = other.call("GET", "answer?provider=OpenAI")
    assert (answer.status_code, answer.json()) == (200, {"model": "gpt-4", "has_key": True})

    # A browser that logs in with the token is the same user.
    page.goto(f"{server.url}{BASE}ai-config?token={TOKEN}")
    settings = SettingsPage(page)
    page.get_by_text("gpt-4").first.wait_for()
    settings.prompt.fill("Be verbose.")
    settings.save()
    read = server.user.call("GET", "/get/ai-model-config")
    assert read.json()["system_prompt"] == "Be verbose."
    assert f"owner: {getpass.getuser()}" in server.process.err
    assert KEY not in server.process.err


def test_the_hosts_checks_hold_for_its_cookie(server: Server, page: Page) -> None:
    server.user.call("DELETE", "/delete/ai-model-config")
    page.goto(f"{server.url}{BASE}ai-config?token={TOKEN}")
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    browser = Client(server.url + API, {"Cookie": header})
    create = "/create/ai-model-config"
    for site in ({}, {"Sec_Fetch_Site": "same-origin"}):
        refused = browser.call("POST", create, body(), **site)
        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:aiconfig:problem:cross-site-request"
    foreign = {"Origin": "https://evil.example", "X_XSRFToken": cookies["_xsrf"]}
    refused = browser.call("POST", create, body(), **foreign)
    assert refused.status_code == 404  # Jupyter's own answer.
    assert refused.headers["Content-Type"] == "application/problem+json"
    good = browser.call("POST", create, body(), X_XSRFToken=cookies["_xsrf"])
    assert good.status_code == 201, good.text
    assert browser.call("GET", "/get/ai-model-config").status_code == 200


def test_who_is_not_logged_in_or_comes_by_another_name_is_refused(server: Server) -> None:
    stranger = Client(server.url + API, {})
    refused = stranger.call("GET", "/get/ai-model-config")
    assert refused.status_code == 401
    assert refused.json()["type"] == "urn:aiconfig:problem:missing-token"
    evil = server.user.call("GET", "/get/ai-model-config", Host="evil.example")
    assert evil.status_code == 403
    assert evil.headers["Content-Type"] == "application/problem+json"
    assert evil.headers["Content-Security-Policy"].startswith("frame-ancestors")
    document = stranger.call("GET", "/get/ai-model-config/openapi.json")
    assert json.loads(document.text)["openapi"].startswith("3.1")


def test_the_authorizer_is_asked_and_the_subject_can_be_given(
    start: Callable[..., Server],
) -> None:
    server = start("--ServerApp.authorizer_class=read_only.ReadOnly", "--AIConfig.subject=carol")
    assert server.user.call("GET", "/get/ai-model-config").status_code == 404
    refused = server.user.call("POST", "/create/ai-model-config", body())
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:aiconfig:problem:insufficient-scope"
    assert "owner: carol" in server.process.err


# What a kernel sees, told by its digest. It runs until it is shut down.
KERNEL = """
import hashlib, os, pathlib, sys, time
key = os.environ.get("OPENAI_API_KEY", "")
pathlib.Path(sys.argv[1]).write_text(hashlib.sha256(key.encode()).hexdigest())
time.sleep(60)
"""


def test_a_kernel_finds_the_key_in_its_environment_and_no_file_holds_it(
    start: Callable[..., Server], folder: Path
) -> None:
    seen, kernel = folder / "seen", folder / ".local/share/jupyter/kernels/probe"
    kernel.mkdir(parents=True)
    spec = {"argv": [sys.executable, "-c", KERNEL, str(seen)], "display_name": "probe"}
    (kernel / "kernel.json").write_text(json.dumps({**spec, "language": "none"}), "utf-8")
    server = start(
        "--ServerApp.kernel_manager_class=jupyter_kernels.KeyedKernelManager",
        "--AIConfig.subject=dave",
    )
    recipient = server.user.call("GET", "/get/ai-model-config/encryption-key").json()
    sealed = seal(recipient, KEY, provider="OpenAI")
    created = server.user.call("POST", "/create/ai-model-config", body(entry(key=sealed)))
    assert created.status_code == 201, created.text

    host = Client(server.url + BASE, {"Authorization": f"token {TOKEN}"})
    started = host.call("POST", "api/kernels", {"name": "probe"})
    assert started.status_code == 201, started.text
    deadline = time.monotonic() + TIMEOUT
    while not (seen.exists() and seen.read_text("utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    host.call("DELETE", f"api/kernels/{started.json()['id']}")
    assert seen.read_text("utf-8") == hashlib.sha256(KEY.encode()).hexdigest()
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files and not [file for file in files if KEY.encode() in file.read_bytes()]


def test_the_command_of_the_host_enables_it(hosts: HostEnvironment, folder: Path) -> None:
    # Where the wheel has it; the environment's plugin is installed editable.
    known = Path("etc", "jupyter", "jupyter_server_config.d", "aiconfig_plugin.json")
    (hosts.prefix / known).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / known, hosts.prefix / known)
    command = [hosts.program("jupyter-server"), "extension", "enable", "aiconfig_plugin"]
    done = subprocess.run(
        command, env=hosts.environ(folder), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "Validation failed" not in done.stderr, done.stderr
    config = json.loads((hosts.prefix / known).read_text(encoding="utf-8"))
    assert config["ServerApp"]["jpserver_extensions"] == {"aiconfig_plugin": True}

"""``aiconfig seal`` and ``client.seal``: the key comes in unseen and is repeated nowhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.cli import main
from aiconfig_plugin.client import seal
from aiconfig_plugin.errors import KeyNotAccepted
from aiconfig_plugin.keys.vault import Vault
from tests.support.builders import ALICE, API_KEY, accept, new_vault, opened
from tests.support.processes import aiconfig, environment

TOKEN = "the-access-token"


@pytest.fixture
def vault(keyring: Path) -> Vault:
    return new_vault(keyring)


@pytest.fixture
def document(vault: Vault, tmp_path: Path) -> Path:
    path = tmp_path / "document.json"
    path.write_text(json.dumps(vault.recipient(ALICE)), encoding="utf-8")
    return path


def unsealed(vault: Vault, sealed: str) -> str:
    return opened(vault, accept(vault, sealed))


Seal = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_seal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Seal:
    """Runs the command with these arguments and this standard input."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path, key: bytes = API_KEY.encode() + b"\n") -> tuple[int, str, str]:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(key), encoding="utf-8"))
            code = main(["seal", *map(str, arguments)])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def expect_one_line(run: tuple[int, str, str]) -> str:
    code, out, err = run
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("aiconfig: ") and err.count("\n") == 1 and err.endswith("\n")
    assert API_KEY not in err and TOKEN not in err
    return err


# The command


@pytest.mark.parametrize("end", [b"\n", b"", b"\r\n", b"\nand more\n"])
def test_the_first_line_of_standard_input_is_sealed(
    run_seal: Seal, vault: Vault, document: Path, end: bytes
) -> None:
    code, out, err = run_seal(document, key=API_KEY.encode() + end)
    assert (code, err) == (0, "")
    assert out.endswith("\n") and out.count("\n") == 1
    assert API_KEY not in out
    assert unsealed(vault, out.strip()) == API_KEY


def test_what_is_sealed_for_a_provider_fits_no_other(
    run_seal: Seal, vault: Vault, document: Path
) -> None:
    code, out, err = run_seal(document, "--provider", "OpenAI")
    assert (code, err) == (0, "")
    assert unsealed(vault, out.strip()) == API_KEY
    with pytest.raises(KeyNotAccepted):
        accept(vault, out.strip(), to="Anthropic")


def test_it_never_asks_for_the_key_as_an_argument(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["seal", str(document), "a-key"]) == 2
    assert main(["seal", "--help"]) == 0
    assert "--key" not in capsys.readouterr().out


def read(terminal: int) -> bytes:
    ready, _, _ = select.select([terminal], [], [], 30)
    assert ready, "nothing was shown for half a minute"
    return os.read(terminal, 1024)


def at_a_terminal(
    document: Path, typed: bytes, directory: Path
) -> tuple[int, bytes, bytes, list[bytes]]:
    """Run it at a terminal; returns its code, its output, what the terminal showed, its argv."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [aiconfig(), "seal", str(document)],
        env=environment(),
        cwd=directory,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while b"API key: " not in shown:
            shown += read(ours)
        arguments = Path(f"/proc/{running.pid}/cmdline").read_bytes().split(b"\0")
        os.write(ours, typed)
        with contextlib.suppress(OSError):  # The end of a terminal is an error.
            while chunk := read(ours):
                shown += chunk
        out, _ = running.communicate(timeout=60)
    finally:
        os.close(ours)
        if running.poll() is None:
            running.kill()
            running.wait()
    return running.returncode, out, shown, arguments


pty_only = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")


@pty_only
def test_at_a_terminal_the_key_is_asked_for_and_not_shown(
    vault: Vault, document: Path, tmp_path: Path
) -> None:
    code, out, shown, arguments = at_a_terminal(document, API_KEY.encode() + b"\n", tmp_path)
    assert code == 0, shown
    assert unsealed(vault, out.decode().strip()) == API_KEY
    assert API_KEY.encode() not in shown
    assert not any(API_KEY.encode() in argument for argument in arguments)


@pty_only
def test_who_thinks_better_of_it_at_the_terminal_sees_no_traceback(
    document: Path, tmp_path: Path
) -> None:
    code, out, shown, _ = at_a_terminal(document, b"\x04", tmp_path)  # The end of input.
    assert code != 0 and out == b""
    assert b"Traceback" not in shown


def test_a_key_that_cannot_be_is_refused_in_one_line(run_seal: Seal, document: Path) -> None:
    for key in (b"", b"\n", b"x" * 4097, "ü".encode() * 2049):
        err = expect_one_line(run_seal(document, key=key + b"\n"))
        assert "1 to 4096 bytes" in err
        assert key[:20].decode() not in err or not key.strip()


def test_a_key_that_is_not_utf_8_is_refused_in_one_line(run_seal: Seal, document: Path) -> None:
    expect_one_line(run_seal(document, key=API_KEY.encode() + b"\xff\n"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"keys"',
        b"{}",
        b'{"keys": []}',
        b'{"keys": [{"kty": "EC"}], "apv": "AAAA"}',
        b'{"keys": {}, "apv": "AAAA"}',
        b'{"keys": [[]], "apv": "AAAA"}',
        b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "k"}], "apv": "AAAA"}',
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:30]),
)
def test_another_document_is_refused_in_one_line(
    run_seal: Seal, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    expect_one_line(run_seal(path))


def test_a_file_that_is_not_there_is_named(run_seal: Seal, tmp_path: Path) -> None:
    assert expect_one_line(run_seal(tmp_path / "nowhere.json")).count("nowhere.json") == 1
    expect_one_line(run_seal(tmp_path))


# From a URL


class Site:
    """Answers as the path says; remembers which tokens came in."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.elsewhere = ""
        self.tokens: list[str | None] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.tokens.append(self.headers["Authorization"])
                if self.path == "/garbage":
                    self.wfile.write(b"garbage\r\n\r\n")
                elif self.path == "/silence":
                    self.close_connection = True
                elif self.path == "/short":
                    self.answer(200, site.document, length=len(site.document) + 100)
                elif self.path == "/elsewhere":
                    self.send_response(302)
                    self.send_header("Location", site.elsewhere)
                    self.end_headers()
                elif self.path == "/page":
                    self.answer(200, b"<html>")
                elif self.headers["Authorization"] != f"Bearer {TOKEN}":
                    self.answer(401, b"{}")
                else:
                    self.answer(200, site.document)

            def answer(self, status: int, content: bytes, length: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(length or len(content)))
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = True

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site(document: Path) -> Iterator[Site]:
    made = Site(document.read_bytes())
    yield made
    made.close()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


def test_the_document_comes_from_a_url_with_the_token_of_a_file(
    run_seal: Seal, vault: Vault, site: Site, token_file: Path
) -> None:
    code, out, err = run_seal(f"{site.url}/good", "--token-file", token_file)
    assert (code, err) == (0, "")
    assert unsealed(vault, out.strip()) == API_KEY
    assert site.tokens == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize("path", ["good", "page", "garbage", "silence", "short", "good\x7f", "a b"])
def test_an_answer_of_another_kind_is_told_in_one_line(
    run_seal: Seal, site: Site, path: str
) -> None:
    err = expect_one_line(run_seal(f"{site.url}/{path}"))
    assert path != "good" or ("401" in err and "--token-file" in err)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://", "http://[", "http://127.0.0.1:port/", "https:///x"]
)
def test_a_url_that_leads_nowhere_is_told_in_one_line(run_seal: Seal, url: str) -> None:
    assert "rrno" not in expect_one_line(run_seal(url)), "words, not the number of an error"


@pytest.mark.parametrize("content", [None, "a\nb", "tökén"], ids=["none", "two lines", "not ASCII"])
def test_a_token_file_that_cannot_be_used_is_told_in_one_line(
    run_seal: Seal, site: Site, token_file: Path, content: str | None
) -> None:
    token_file.unlink()
    if content is not None:
        token_file.write_text(content, encoding="utf-8")
    err = expect_one_line(run_seal(f"{site.url}/good", "--token-file", token_file))
    assert "not JSON" not in err, "it is the token file that is wrong"
    assert site.tokens == []


def test_the_token_does_not_follow_a_redirection_to_another_site(
    run_seal: Seal, document: Path, site: Site, token_file: Path
) -> None:
    other = Site(document.read_bytes())
    try:
        site.elsewhere = f"{other.url}/good"
        run_seal(f"{site.url}/elsewhere", "--token-file", token_file)
        assert [token for token in other.tokens if token] == []
    finally:
        other.close()


# From Python


@pytest.mark.parametrize("api_key", ["", "x" * 4097, "ü" * 2049, "\ud800"])
def test_a_key_that_cannot_be_is_a_value_error(vault: Vault, api_key: str) -> None:
    with pytest.raises(ValueError) as refused:
        seal(vault.recipient(ALICE), api_key)
    assert len(api_key) < 9 or api_key not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("size", [1, 4096])
def test_the_bounds_are_inside(vault: Vault, size: int) -> None:
    assert unsealed(vault, seal(vault.recipient(ALICE), "x" * size)) == "x" * size


def _spoilt(**members: Any) -> Callable[[dict[str, Any]], Any]:
    def spoil(document: dict[str, Any]) -> Any:
        [key] = document["keys"]
        changed = {name: v for name, v in {**key, **members}.items() if v is not None}
        return {**document, "keys": [changed]}

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: None,
        lambda document: [],
        lambda document: "document",
        lambda document: {"keys": document["keys"]},
        lambda document: {"apv": document["apv"]},
        lambda document: {**document, "keys": []},
        lambda document: {**document, "apv": 1},
        lambda document: {**document, "apv": None},
        lambda document: {**document, "apv": ""},
        lambda document: {**document, "apv": "not base64url!"},
        _spoilt(x=None),
        _spoilt(kid=None),
        _spoilt(kid=1),
        _spoilt(kty="oct"),
        _spoilt(crv="P-384"),
        _spoilt(crv="P-999"),
        _spoilt(y="AAAA"),
        _spoilt(x=1),
    ],
)
def test_a_document_of_another_kind_is_a_value_error(
    vault: Vault, spoil: Callable[[Any], Any]
) -> None:
    with pytest.raises(ValueError, match="encryption-key document") as refused:
        seal(spoil(vault.recipient(ALICE)), API_KEY)
    assert API_KEY not in "".join(traceback.format_exception(refused.value))


def test_sealing_leaves_the_document_as_it_is(vault: Vault) -> None:
    document = vault.recipient(ALICE)
    before = json.dumps(document)
    assert seal(document, API_KEY) != seal(document, API_KEY)
    assert json.dumps(document) == before

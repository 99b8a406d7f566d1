"""Vault's transit engine: a real OpenBao, and a server that answers as no good one does."""

from __future__ import annotations

import json
import secrets
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.kms import unwrap, wrap
from tests.support.gateway import closed_port
from tests.support.key_management import ROOT_TOKEN, OpenBao
from tests.support.tls import Certificate

Given = Callable[[Mapping[str, str]], None]
KEY = secrets.token_bytes(32)


def refusal(call: Callable[[], object]) -> str:
    """What is told of it, which holds no secret."""
    with pytest.raises(ConfigurationError) as refused:
        call()
    assert ROOT_TOKEN not in refused.value.detail and KEY.hex() not in refused.value.detail
    return refused.value.detail


@pytest.fixture
def vault(bao: OpenBao, given: Given) -> OpenBao:
    given(bao.environ)
    return bao


def test_what_is_wrapped_is_unwrapped(vault: OpenBao) -> None:
    wrapped = wrap(vault.kek, KEY)
    assert wrapped.startswith("vault:v1:") and wrapped != wrap(vault.kek, KEY)
    assert unwrap(vault.kek, wrapped) == KEY


def test_it_is_bound_to_its_purpose(vault: OpenBao) -> None:
    assert unwrap(vault.kek, vault.wrap(KEY)) == KEY
    told = refusal(lambda: unwrap(vault.kek, vault.wrap(KEY, purpose="a letter")))
    assert told.startswith(f"{vault.kek}: this key does not open what it is given")


def test_another_key_and_one_that_is_not_there_are_told(vault: OpenBao) -> None:
    vault.create_key("other")
    told = refusal(lambda: unwrap("hashivault://other", wrap(vault.kek, KEY)))
    assert told.startswith("hashivault://other: this key does not open what it is given")
    told = refusal(lambda: unwrap("hashivault://nobody", wrap(vault.kek, KEY)))
    assert told == "hashivault://nobody: there is no such key."


def test_a_sealed_service_is_told(vault: OpenBao) -> None:
    wrapped = wrap(vault.kek, KEY)
    with vault.sealed():
        told = refusal(lambda: unwrap(vault.kek, wrapped))
    assert told == f"{vault.kek}: the service is sealed (HTTP 503)."
    assert unwrap(vault.kek, wrapped) == KEY


def test_a_token_needs_no_more_than_its_action(vault: OpenBao, given: Given) -> None:
    wrapped = wrap(vault.kek, KEY)
    given({"VAULT_TOKEN": vault.token("transit/decrypt/aiconfig")})
    assert unwrap(vault.kek, wrapped) == KEY
    told = refusal(lambda: wrap(vault.kek, KEY))
    assert told.startswith(f"{vault.kek}: forbidden: VAULT_TOKEN ")
    assert "transit/encrypt/aiconfig" in told


@pytest.mark.parametrize("token", ["s.expired", "", "two words", "né", "line\n"])
def test_a_wrong_token_is_told_and_not_repeated(vault: OpenBao, given: Given, token: str) -> None:
    given({"VAULT_TOKEN": token})
    told = refusal(lambda: wrap(vault.kek, KEY))
    assert "VAULT_TOKEN" in told and (not token or token.strip() not in told)


def test_an_address_that_is_missing_or_where_nobody_listens_is_told(given: Given) -> None:
    assert refusal(lambda: wrap("hashivault://a", KEY)) == "hashivault://a: VAULT_ADDR is not set."
    for address in (f"http://127.0.0.1:{closed_port()}", "nonsense", "http://[::1"):
        given({"VAULT_ADDR": address, "VAULT_TOKEN": ROOT_TOKEN})
        told = refusal(lambda: wrap("hashivault://a", KEY))
        assert told.startswith("hashivault://a: ")


# A server that is none


class Answers(BaseHTTPRequestHandler):
    """Answers with ``status`` and ``body`` of the server, or waits for its end."""

    server: Canned

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls += 1
        if self.server.body is None:
            self.server.ended.wait()
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None: ...


class Canned(socketserver.ThreadingMixIn, HTTPServer):
    """Answers every call with the same; with None it hangs."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes | None) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.status = status
        self.body = body
        self.calls = 0
        self.ended = threading.Event()

    def handle_error(self, *_: Any) -> None: ...


@contextmanager
def canned(status: int, body: bytes | None) -> Iterator[Canned]:
    server = Canned(status, body)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"", "its answer is not one of the transit engine."),
        (200, b"[]", "its answer is not one of the transit engine."),
        (200, b'{"data": "x"}', "its answer is not one of the transit engine."),
        (200, b'{"data": {"plaintext": 7}}', "its answer is not one of the transit engine."),
        (200, b'{"data": {"plaintext": "x"}}', "its answer is not one of the transit engine."),
        (200, b"[" * 60_000, "its answer is not one of the transit engine."),
        (200, b"x" * 70_000, "its answer does not end."),
        (302, b"", "the transit engine refused (HTTP 302)."),
        (404, b'{"errors": []}', "the transit engine refused (HTTP 404)."),
        (503, b"a proxy says so", "the service is not available (HTTP 503)."),
        (403, json.dumps({"errors": [ROOT_TOKEN]}).encode(), "forbidden: VAULT_TOKEN "),
    ],
)
def test_what_a_server_says_is_explained_and_not_repeated(
    given: Given, status: int, body: bytes, told: str
) -> None:
    with canned(status, body) as server:
        given({"VAULT_ADDR": f"http://127.0.0.1:{server.server_port}", "VAULT_TOKEN": ROOT_TOKEN})
        assert refusal(lambda: unwrap("hashivault://a", "vault:v1:x")).startswith(
            f"hashivault://a: {told}"
        )
        assert server.calls == 1


def test_a_certificate_is_checked_against_the_authorities_of_the_system_or_those_named(
    given: Given, tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path, "127.0.0.1")
    with canned(200, b'{"data": {"ciphertext": "vault:v1:x"}}') as server:
        server.socket = certificate.for_server().wrap_socket(server.socket, server_side=True)
        address = f"https://127.0.0.1:{server.server_port}"
        given({"VAULT_ADDR": address, "VAULT_TOKEN": ROOT_TOKEN})
        told = refusal(lambda: wrap("hashivault://a", KEY))
        assert "VAULT_ADDR cannot be reached: [SSL: CERTIFICATE_VERIFY_FAILED]" in told
        assert server.calls == 0
        given({"SSL_CERT_FILE": str(certificate.path)})
        assert wrap("hashivault://a", KEY) == "vault:v1:x"


def test_a_service_that_hangs_is_given_up(given: Given) -> None:
    with canned(200, None) as server:
        given({"VAULT_ADDR": f"http://127.0.0.1:{server.server_port}", "VAULT_TOKEN": ROOT_TOKEN})
        told = refusal(lambda: unwrap("hashivault://a", "vault:v1:x", timeout=0.1))
    assert told == "hashivault://a: no answer within 0.1 s."

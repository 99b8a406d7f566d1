"""Bytes on the wire that no HTTP library would send: no request is smuggled, nothing fails."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time

import pytest

from tests.fuzz.target import Target

READ = "/api/v1/get/ai-model-config"
UPDATE = "/api/v1/update/ai-model-config"
MIB = 1024 * 1024
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def exchange(target: Target, *parts: bytes, seconds: float = 5.0, pause: float = 0.0) -> bytes:
    """Send the parts and read until the server closes, or has been silent for a while."""
    received = b""
    with socket.create_connection(("127.0.0.1", target.gateway.port), timeout=seconds) as link:
        with contextlib.suppress(ConnectionError, socket.timeout):
            for part in parts:
                link.sendall(part)
                time.sleep(pause)
        link.settimeout(0.7)
        with contextlib.suppress(ConnectionError, socket.timeout):
            while chunk := link.recv(65536):
                received += chunk
    return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in _ANSWER.findall(received)]


def request(target: Target, method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: gateway", f"Authorization: {target.auth['alice']}"]
    return "\r\n".join([*head, *lines, "", ""]).encode("latin-1") + body


def alive(target: Target) -> None:
    assert target.send("GET", READ) in (200, 404)


INNER = b"DELETE /api/v1/delete/ai-model-config HTTP/1.1\r\nHost: gateway\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
TYPE = "Content-Type: application/json"
SMUGGLED = {
    "both lengths": ([TYPE, f"Content-Length: {len(INNER)}", CHUNKED], b"0\r\n\r\n" + INNER),
    "both lengths, chunked first": ([TYPE, CHUNKED, "Content-Length: 3"], b"0\r\n\r\n" + INNER),
    "two lengths that differ": ([TYPE, "Content-Length: 2", "Content-Length: 9"], b"{}" + INNER),
    "a list of lengths that differ": ([TYPE, "Content-Length: 2, 9"], b"{}" + INNER),
    "a signed length": ([TYPE, "Content-Length: +2"], b"{}" + INNER),
    "a negative length": ([TYPE, "Content-Length: -1"], b"{}" + INNER),
    "a length with an underscore": ([TYPE, "Content-Length: 1_0"], b"{}" + INNER),
    "a length in hexadecimal": ([TYPE, "Content-Length: 0x2"], b"{}" + INNER),
    "a length in other digits": ([TYPE, "Content-Length: \xb2"], b"{}" + INNER),
    "a coding that is not chunked": ([TYPE, "Transfer-Encoding: xchunked"], b"{}" + INNER),
    "chunked twice": ([TYPE, CHUNKED, CHUNKED], b"0\r\n\r\n" + INNER),
    "chunked and identity": ([TYPE, "Transfer-Encoding: chunked, identity"], b"0\r\n\r\n" + INNER),
    "a space before the colon": ([TYPE, "Transfer-Encoding : chunked"], b"0\r\n\r\n" + INNER),
    "a vertical tab": ([TYPE, "Transfer-Encoding:\x0bchunked"], b"0\r\n\r\n" + INNER),
    "a chunk size that is no number": ([TYPE, CHUNKED], b"xyz\r\n{}\r\n0\r\n\r\n" + INNER),
    "a negative chunk size": ([TYPE, CHUNKED], b"-2\r\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk size with 0x": ([TYPE, CHUNKED], b"0x2\r\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk size with an underscore": ([TYPE, CHUNKED], b"0_2\r\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk size past 64 bits": ([TYPE, CHUNKED], b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk that is longer than it says": ([TYPE, CHUNKED], b"2\r\n{}XX0\r\n\r\n" + INNER),
}


@pytest.mark.parametrize("lines, body", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_a_body_of_doubtful_length_hides_no_second_request(
    target: Target, lines: list[str], body: bytes
) -> None:
    received = exchange(target, request(target, "PUT", UPDATE, *lines, body=body))
    # What is inside has no token: it would be answered with 401.
    assert all(status in (400, 413, 415, 422) for status in statuses(received)), received
    assert len(statuses(received)) <= 1, received
    alive(target)


WRONG_HEADS = {
    "a folded header": ["X-Folded: a\r\n b"],
    "a line feed alone": ["X-A: a\nX-B: b"],
    "a NUL in a header": ["X-A: a\0b"],
    "a header without a name": [": a"],
    "a header without a colon": ["nothing"],
    "a carriage return alone": ["X-A: a\rX-B: b"],
    "thousands of headers": [f"X-{n}: {n}" for n in range(5000)],
    "one header of 100 kB": ["X-A: " + "a" * 100_000],
    "two hosts": ["Host: other"],
    "two tokens": ["Authorization: Bearer other"],
}


@pytest.mark.parametrize("lines", WRONG_HEADS.values(), ids=WRONG_HEADS.keys())
def test_a_head_that_is_wrong_is_refused_or_harmless(target: Target, lines: list[str]) -> None:
    received = exchange(target, request(target, "GET", READ, *lines))
    assert all(status in (200, 400, 401, 404, 431) for status in statuses(received)), received
    assert len(statuses(received)) <= 1, received
    alive(target)


@pytest.mark.parametrize(
    "line",
    [
        b"GET",
        b"GET / HTTP/9.9",
        b"GET http://other/ HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET " + b"/a" * 60_000 + b" HTTP/1.1",
        b"GET " + READ.encode() + b"?include=%00%ff%zz HTTP/1.1",
        b"GET /api/v1/../v1/get/ai-model-config HTTP/1.1",
        b"get " + READ.encode() + b" HTTP/1.1",
    ],
)
def test_a_request_line_that_is_wrong_is_refused(target: Target, line: bytes) -> None:
    received = exchange(target, line + b"\r\nHost: gateway\r\n\r\n")
    assert all(400 <= status < 500 for status in statuses(received)), received
    alive(target)


def test_requests_in_a_row_are_answered_in_turn(target: Target) -> None:
    one = request(target, "GET", READ, "X-A: a")
    received = exchange(target, one * 20)
    assert len(statuses(received)) == 20
    assert set(statuses(received)) <= {200, 404}


def test_a_flood_of_chunks_is_cut_off(target: Target) -> None:
    before = target.gateway.rss
    head = request(target, "PUT", UPDATE, TYPE, CHUNKED)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    received = exchange(target, head, *([chunk] * 800), seconds=20)  # 50 MiB
    assert statuses(received) in ([], [413])
    received = exchange(target, head, b"1\r\n \r\n" * 300_000, b"0\r\n\r\n", seconds=20)
    assert statuses(received) in ([], [400], [413])
    assert target.gateway.rss - before < 40 * MIB
    alive(target)


def test_slow_bodies_hold_up_nobody_else(target: Target) -> None:
    links = []
    try:
        for _ in range(100):
            link = socket.create_connection(("127.0.0.1", target.gateway.port))
            link.sendall(request(target, "PUT", UPDATE, TYPE, "Content-Length: 1000"))
            links.append(link)
        for _ in range(5):
            for link in links:
                link.sendall(b" ")
            before = time.monotonic()
            alive(target)
            assert time.monotonic() - before < 2
    finally:
        for link in links:
            link.close()


def test_a_body_that_ends_too_soon_has_no_effect(target: Target) -> None:
    body = json.dumps({"models": [], "system_prompt": "half"}).encode()
    exchange(
        target, request(target, "PUT", UPDATE, TYPE, f"Content-Length: {len(body) + 9}") + body
    )
    alive(target)


def test_an_upgrade_is_not_followed(target: Target) -> None:
    h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"]
    assert statuses(exchange(target, request(target, "GET", READ, *h2c)))[0] in (200, 404)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    assert all(400 <= status < 500 for status in statuses(exchange(target, preface)))
    alive(target)

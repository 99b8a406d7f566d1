"""Clients of one origin: where they connect, and what they refuse before anything is sent.

The one mock is the network beyond loopback: the step that opens a TCP connection notes the address
that it is given and goes to the server of the test instead.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpcore2
import httpx2
import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from aiconfig_plugin.base_url import BaseURL
from aiconfig_plugin.errors import BaseURLRefused
from aiconfig_plugin.outbound import origin_client
from aiconfig_plugin.outbound.client import is_global
from tests.support.tls import Certificate

NAME = "provider.example"
PUBLIC_ADDRESS = "93.184.215.14"


class Provider(RequestHandler):
    async def get(self) -> None:
        if self.request.path == "/v1/redirect":
            self.redirect("/v1/models")
        else:
            self.write({"host": self.request.host, "path": self.request.path})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"), NAME)


@asynccontextmanager
async def provider(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    listener, port = bind_unused_port()
    server = HTTPServer(Application([(r".*", Provider)]), ssl_options=tls)
    server.add_socket(listener)
    try:
        yield port
    finally:
        server.stop()
        await server.close_all_connections()


class Resolver:
    """Answers in turn, the last answer from then on, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The addresses that were connected to; loopback stands in for all of them."""
    addresses: list[str] = []
    real = httpcore2.AnyIOBackend.connect_tcp

    async def connect_tcp(
        self: httpcore2.AnyIOBackend, host: str, port: int, **given: Any
    ) -> httpcore2.AsyncNetworkStream:
        addresses.append(host)
        return await real(self, "127.0.0.1", port, **given)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect_tcp)
    yield addresses


def test_the_connection_goes_to_the_checked_address_and_tls_sees_the_name(
    certificate: Certificate, connected: list[str]
) -> None:
    async def run() -> None:
        async with provider(certificate.for_server()) as port:
            # It turns to loopback after the first answer: no second one is ever asked for.
            resolver = Resolver([PUBLIC_ADDRESS], ["127.0.0.1"])
            client = origin_client(
                BaseURL.parse(f"https://{NAME}:{port}/v1"),
                public_only=True,
                tls=certificate.for_client(),
                resolve=resolver,
            )
            async with client:
                response = await client.get("models")
            assert response.json() == {"host": f"{NAME}:{port}", "path": "/v1/models"}
            assert (connected, resolver.asked) == ([PUBLIC_ADDRESS], 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [["127.0.0.1"], ["::1"], [PUBLIC_ADDRESS, "10.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]],
)
def test_a_public_name_that_resolves_to_another_place_is_refused(
    answer: list[str], connected: list[str]
) -> None:
    async def run() -> None:
        base = BaseURL.parse(f"https://{NAME}")
        async with origin_client(base, public_only=True, resolve=Resolver(answer)) as client:
            with pytest.raises(BaseURLRefused):
                await client.get("models")

    asyncio.run(run())
    assert connected == []


def test_an_exact_origin_of_the_operator_may_be_private() -> None:
    async def run() -> None:
        async with provider() as port:
            base = BaseURL.parse(f"http://127.0.0.1:{port}/v1")
            async with origin_client(base, public_only=False) as client:
                assert (await client.get("models")).json()["path"] == "/v1/models"

    asyncio.run(run())


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async def run() -> None:
        async with provider() as port:
            base = BaseURL.parse(f"http://localhost:{port}")
            resolver = Resolver(["127.0.0.9", "127.0.0.1"])
            async with origin_client(base, public_only=False, resolve=resolver) as client:
                assert (await client.get("/")).status_code == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/v1/models",
        f"http://{NAME}/v1/models",
        f"https://{NAME}:8443/v1/models",
        f"https://{NAME}.evil.example/",
        "https://2130706433/",
    ],
)
def test_another_origin_is_refused(url: str, connected: list[str]) -> None:
    async def run() -> None:
        client = origin_client(
            BaseURL.parse(f"https://{NAME}/v1"),
            public_only=True,
            resolve=Resolver([PUBLIC_ADDRESS]),
        )
        async with client:
            with pytest.raises(BaseURLRefused):
                await client.get(url)

    asyncio.run(run())
    assert connected == []


def test_a_redirect_is_not_followed_and_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def run() -> None:
        async with provider() as port:
            base = BaseURL.parse(f"http://127.0.0.1:{port}/v1")
            async with origin_client(base, public_only=False) as client:
                assert (await client.get("redirect")).status_code == 302

    asyncio.run(run())


def test_a_name_without_an_address_is_an_error_of_the_client() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    async def run(resolve: Any) -> None:
        base = BaseURL.parse(f"https://{NAME}")
        async with origin_client(base, public_only=True, resolve=resolve) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get("models")

    asyncio.run(run(nowhere))
    asyncio.run(run(Resolver([])))


def test_a_resolver_that_hangs_is_given_up() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        base = BaseURL.parse(f"https://{NAME}")
        async with origin_client(base, public_only=True, resolve=hang) as client:
            with pytest.raises(httpx2.ConnectTimeout):
                await client.get("models", timeout=0.01)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        (PUBLIC_ADDRESS, True),
        ("2606:4700::1111", True),
        ("64:ff9b::5db8:d70e", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("192.168.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:a9fe:a9fe", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2002:7f00:1::1", False),
        ("2002:a9fe:a9fe::", False),
        # Teredo: a public server, and a client at 127.0.0.1.
        ("2001:0:5db8:d70e:0:0:80ff:fffe", False),
        ("not an address", False),
    ],
)
def test_an_address_is_judged_by_every_ipv4_address_inside_it(
    address: str, reachable: bool
) -> None:
    assert is_global(address) is reachable


def test_what_takes_long_to_load_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    base = BaseURL.parse(f"https://{NAME}")
    origin_client(base, public_only=True)
    monkeypatch.setattr(httpx2, "create_ssl_context", None)
    origin_client(base, public_only=True)

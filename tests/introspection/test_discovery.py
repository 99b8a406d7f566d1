"""The introspection endpoint is found from the issuer, kept, and looked for again when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from aiconfig_plugin import AuthorizationServerUnavailable, InvalidToken, Settings
from aiconfig_plugin.introspection.authenticator import IntrospectionAuthenticator
from aiconfig_plugin.introspection.discovery import REFRESH_INTERVAL, metadata_urls, named_endpoint
from tests.support.metadata_server import OAUTH, OPENID, MetadataServer
from tests.support.scripted_server import Reply, ScriptedServer, active

RUN = pytest.mark.gen_test(timeout=30)
Make = Callable[..., Awaitable[IntrospectionAuthenticator]]


class Timer:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def server(io_loop: IOLoop) -> Iterator[ScriptedServer]:
    made = run(io_loop, ScriptedServer)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def issuer(io_loop: IOLoop) -> Iterator[MetadataServer]:
    made = run(io_loop, MetadataServer)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def make(io_loop: IOLoop, timer: Timer, issuer: MetadataServer) -> Iterator[Make]:
    made: list[IntrospectionAuthenticator] = []

    async def start(**given: Any) -> IntrospectionAuthenticator:
        settings = {"issuer": issuer.url, "client_id": "gateway", "client_secret": "s"} | given
        authenticator = IntrospectionAuthenticator(Settings(**settings), timer=timer)
        made.append(authenticator)
        await authenticator.start()
        return authenticator

    yield start
    for authenticator in made:
        io_loop.run_sync(authenticator.close)


def run(io_loop: IOLoop, make: Callable[[], Any]) -> Any:
    async def in_the_loop() -> Any:
        return make()

    return io_loop.run_sync(in_the_loop)


def metadata(issuer: str, endpoint: str) -> dict[str, Any]:
    return {"issuer": issuer, "introspection_endpoint": endpoint}


async def unavailable(authenticator: IntrospectionAuthenticator, token: str = "t") -> str:
    with pytest.raises(AuthorizationServerUnavailable) as caught:
        await authenticator.authenticate(token)
    return caught.value.detail


@pytest.mark.parametrize(
    ("issuer", "oauth", "openid"),
    [
        ("https://a.example", OAUTH, OPENID),
        ("https://a.example/", OAUTH, OPENID),
        ("https://a.example:8443/realms/x", f"{OAUTH}/realms/x", f"/realms/x{OPENID}"),
        ("https://a.example/realms/x/", f"{OAUTH}/realms/x", f"/realms/x{OPENID}"),
    ],
)
def test_the_well_known_part_goes_where_each_standard_puts_it(
    issuer: str, oauth: str, openid: str
) -> None:
    origin = "/".join(issuer.split("/")[:3])
    assert metadata_urls(issuer) == [origin + oauth, origin + openid]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        metadata("https://b.example", "https://a.example/i"),
        metadata("https://a.example/", "https://a.example/i"),
        {"issuer": "https://a.example"},
        {"issuer": "https://a.example", "introspection_endpoint": ["https://a.example/i"]},
        metadata("https://a.example", "/introspect"),
        metadata("https://a.example", "file:///etc/passwd"),
        metadata("https://a.example", "https://a.example:port/"),
        metadata("https://a.example", "http://a.example/plain"),
    ],
    ids=str,
)
def test_metadata_that_cannot_be_trusted_name_nothing(document: Any) -> None:
    with pytest.raises(AuthorizationServerUnavailable):
        named_endpoint(document, "https://a.example")


@RUN
async def test_it_is_found_at_the_start_by_rfc_8414(
    make: Make, issuer: MetadataServer, server: ScriptedServer
) -> None:
    issuer.documents[OAUTH] = metadata(issuer.url, server.url)
    server.script("t", active("alice"))
    authenticator = await make()
    assert issuer.asked == [OAUTH]
    assert (await authenticator.authenticate("t")).subject == "alice"
    assert issuer.asked == [OAUTH]


@pytest.mark.parametrize("first", [404, 500, b"<html>", {"issuer": "https://other.example"}, {}])
@RUN
async def test_openid_metadata_are_taken_where_the_others_are_of_no_use(
    make: Make, issuer: MetadataServer, server: ScriptedServer, first: Any
) -> None:
    issuer.documents = {OAUTH: first, OPENID: metadata(issuer.url, server.url)}
    server.script("t", active("alice"))
    authenticator = await make()
    assert (await authenticator.authenticate("t")).subject == "alice"
    assert issuer.asked == [OAUTH, OPENID]


@RUN
async def test_a_configured_endpoint_is_never_looked_for(
    make: Make, issuer: MetadataServer, server: ScriptedServer
) -> None:
    server.script("t", Reply(status=500), active())
    authenticator = await make(introspection_endpoint=server.url)
    await unavailable(authenticator)
    await authenticator.authenticate("t")
    assert issuer.asked == []


@RUN
async def test_a_start_without_the_server_waits_for_it_with_503(
    make: Make,
    issuer: MetadataServer,
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await issuer.stop()
    issuer.documents[OAUTH] = metadata(issuer.url, server.url)
    server.script("t", active())
    with caplog.at_level(logging.WARNING, "aiconfig_plugin"):
        authenticator = await make()
    assert "endpoint is not known yet" in caplog.text
    await unavailable(authenticator)
    issuer.start()
    assert await authenticator.authenticate("t")


@RUN
async def test_what_another_issuer_says_is_not_followed(
    make: Make, issuer: MetadataServer, server: ScriptedServer
) -> None:
    issuer.documents = {
        OAUTH: metadata("http://other.example", server.url),
        OPENID: metadata(issuer.url + "/", server.url),
    }
    authenticator = await make()
    assert "another issuer" in await unavailable(authenticator)
    assert server.calls == []


@RUN
async def test_all_who_need_it_share_one_search(
    make: Make, issuer: MetadataServer, server: ScriptedServer
) -> None:
    authenticator = await make()
    issuer.asked.clear()
    issuer.documents[OAUTH] = metadata(issuer.url, server.url)
    tokens = [f"t{n}" for n in range(50)]
    for token in tokens:
        server.script(token, active())
    await asyncio.gather(*map(authenticator.authenticate, tokens))
    assert issuer.asked == [OAUTH]


@pytest.mark.parametrize("failure", [Reply(status=404), Reply(status=502), Reply(hangs_up=True)])
@RUN
async def test_an_endpoint_that_has_moved_is_found_again(
    make: Make, issuer: MetadataServer, server: ScriptedServer, failure: Reply
) -> None:
    issuer.documents[OAUTH] = metadata(issuer.url, server.url)
    authenticator = await make()
    moved = ScriptedServer()
    try:
        issuer.documents[OAUTH] = metadata(issuer.url, moved.url)
        server.script("t", failure)
        moved.script("t", active("alice"))
        await unavailable(authenticator)
        assert (await authenticator.authenticate("t")).subject == "alice"
        assert issuer.asked == [OAUTH, OAUTH]
    finally:
        await moved.stop()


@RUN
async def test_odd_tokens_cost_one_search_in_a_while_however_many_there_are(
    make: Make, issuer: MetadataServer, server: ScriptedServer, timer: Timer
) -> None:
    issuer.documents[OAUTH] = metadata(issuer.url, server.url)
    authenticator = await make()
    issuer.asked.clear()
    for n in range(20):
        server.script(f"odd{n}", Reply(status=500))
        await unavailable(authenticator, f"odd{n}")
    assert issuer.asked == [OAUTH]
    timer.now += REFRESH_INTERVAL
    await unavailable(authenticator, "odd0")
    assert issuer.asked == [OAUTH, OAUTH]


@RUN
async def test_a_refresh_that_fails_leaves_what_was_found(
    make: Make, issuer: MetadataServer, server: ScriptedServer
) -> None:
    issuer.documents[OAUTH] = metadata(issuer.url, server.url)
    server.script("t", active())
    server.script("odd", Reply(status=500))
    authenticator = await make()
    await issuer.stop()
    await unavailable(authenticator, "odd")
    assert await authenticator.authenticate("t")


@pytest.mark.parametrize("reply", [Reply(status=429), Reply(status=400), Reply({"active": False})])
@RUN
async def test_an_answer_about_a_token_does_not_speak_against_the_endpoint(
    make: Make, issuer: MetadataServer, server: ScriptedServer, reply: Reply
) -> None:
    issuer.documents[OAUTH] = metadata(issuer.url, server.url)
    authenticator = await make()
    for token in ("a", "b"):
        server.script(token, reply)
        with pytest.raises((AuthorizationServerUnavailable, InvalidToken)):
            await authenticator.authenticate(token)
    assert issuer.asked == [OAUTH]

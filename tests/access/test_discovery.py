"""The introspection endpoint is found from the issuer, kept, and looked for again when it fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiconfig_plugin.access.authenticator import TokenAuthenticator
from aiconfig_plugin.access.discovery import (
    REFRESH_INTERVAL,
    UnusableMetadata,
    metadata_urls,
    named_endpoint,
)
from aiconfig_plugin.access.introspection import Limits
from aiconfig_plugin.errors import AuthorizationServerUnavailable
from tests.access.conftest import Clocks, Make, outcome
from tests.support.scripted_server import INACTIVE, Reply, ScriptedServer, active

OAUTH = "/.well-known/oauth-authorization-server"
MEMBER = "introspection_endpoint"
OPENID = "/.well-known/openid-configuration"


def metadata(issuer: str, endpoint: str) -> dict[str, Any]:
    return {"issuer": issuer, "introspection_endpoint": endpoint}


def published(server: ScriptedServer, path: str = "/introspect") -> Reply:
    return Reply(metadata(server.issuer, server.issuer + path))


async def discovering(make: Make, server: ScriptedServer, **given: Any) -> Any:
    return await make(issuer=server.issuer, introspection_endpoint=None, **given)


async def unavailable(authenticator: TokenAuthenticator, token: str = "t") -> str:
    with pytest.raises(AuthorizationServerUnavailable) as caught:
        await authenticator.authenticate(token)
    return caught.value.detail


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages of the plugin since the last call."""
    found = [
        f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.name == "aiconfig_plugin"
    ]
    caplog.clear()
    return found


@pytest.mark.parametrize(
    ("issuer", "paths"),
    [
        ("https://a.example", [OAUTH, OPENID]),
        ("https://a.example/", [OAUTH, OPENID]),
        ("https://a.example:8443/x/y", [f"{OAUTH}/x/y", f"/x/y{OPENID}", f"/x/y{OAUTH}"]),
        ("https://a.example/x/", [f"{OAUTH}/x", f"/x{OPENID}", f"/x{OAUTH}"]),
    ],
)
def test_the_well_known_part_goes_where_each_standard_puts_it(
    issuer: str, paths: list[str]
) -> None:
    origin = "/".join(issuer.split("/")[:3])
    assert metadata_urls(issuer) == [origin + path for path in paths]


A = "https://a.example"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        *((document, "not a JSON object") for document in (None, [], "x")),
        ({}, "issuer is None, not 'https://a.example'"),
        (metadata("https://b.example", f"{A}/i"), "issuer is 'https://b.example', not"),
        (metadata(f"{A}/", f"{A}/i"), "issuer is 'https://a.example/', not"),
        ({"issuer": A}, "introspection_endpoint None cannot"),
        (metadata(A, [f"{A}/i"]), "cannot be used"),  # type: ignore[arg-type]
        *(
            (metadata(A, endpoint), f"introspection_endpoint '{endpoint}' cannot be used")
            for endpoint in (
                *("/introspect", "file:///etc/passwd", f"{A}:port/", "https://", "https://["),
                *("http://a.example/plain", "http://127.0.0.1/i"),
            )
        ),
    ],
    ids=str,
)
def test_metadata_that_cannot_be_trusted_name_nothing(document: Any, why: str) -> None:
    with pytest.raises(UnusableMetadata) as caught:
        named_endpoint(document, MEMBER, A)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("issuer", "endpoint", "secure"),
    [
        (A, "https://b.example/i", True),
        (A, "http://b.example/i", False),
        (A, "http://127.0.0.1/i", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:2/i", True),
        ("http://127.0.0.1:1", "http://localhost/i", True),
        ("http://127.0.0.1:1", "https://b.example/i", True),
        ("http://127.0.0.1:1", "http://b.example/i", False),
        ("http://127.0.0.1:1", "http://10.0.0.1/i", False),
    ],
)
def test_metadata_send_no_credentials_over_plain_http_unless_it_is_allowed(
    issuer: str, endpoint: str, secure: bool
) -> None:
    document = metadata(issuer, endpoint)
    assert named_endpoint(document, MEMBER, issuer, allow_http=True) == endpoint
    if secure:
        assert named_endpoint(document, MEMBER, issuer) == endpoint
    else:
        with pytest.raises(UnusableMetadata):
            named_endpoint(document, MEMBER, issuer)


async def test_the_setting_allows_http_for_what_metadata_name(
    make: Make, server: ScriptedServer
) -> None:
    remote = f"http://gateway.invalid:{server.port}/introspect"
    server.documents[OAUTH] = Reply(metadata(server.issuer, remote))
    detail = "The metadata of the authorization server cannot be used."
    assert await unavailable(await discovering(make, server)) == detail
    allowed = await discovering(make, server, allow_http=True)
    assert await unavailable(allowed) == "The connection to the authorization server failed."


async def test_it_is_found_at_the_start_by_rfc_8414(make: Make, server: ScriptedServer) -> None:
    server.documents[OAUTH] = published(server)
    server.script("t", active("alice"))
    authenticator = await discovering(make, server)
    assert server.fetched == [OAUTH]
    assert (await authenticator.authenticate("t")).subject == "alice"
    assert server.fetched == [OAUTH]


@pytest.mark.parametrize(
    "first",
    [
        Reply(status=404),
        Reply(status=500),
        Reply(b"<html>"),
        Reply(b"[" * 100_000),
        Reply({"issuer": "https://other.example"}),
        Reply({}),
        Reply(hangs_up=True),
    ],
    ids=str,
)
async def test_openid_metadata_are_taken_where_the_others_are_of_no_use(
    make: Make, server: ScriptedServer, first: Reply
) -> None:
    server.documents = {OAUTH: first, OPENID: published(server)}
    server.script("t", active("alice"))
    authenticator = await discovering(make, server)
    assert (await authenticator.authenticate("t")).subject == "alice"
    assert server.fetched == [OAUTH, OPENID]


async def test_metadata_of_a_path_may_be_below_it(make: Make, server: ScriptedServer) -> None:
    issuer = f"{server.issuer}/realm"
    server.documents[f"/realm{OAUTH}"] = Reply(metadata(issuer, server.url))
    server.script("t", active("alice"))
    authenticator = await make(issuer=issuer, introspection_endpoint=None)
    assert (await authenticator.authenticate("t")).subject == "alice"


async def test_a_configured_endpoint_is_never_looked_for(
    make: Make, server: ScriptedServer
) -> None:
    server.script("t", Reply(status=500), active())
    authenticator = await make(issuer=server.issuer)
    await unavailable(authenticator)
    await authenticator.authenticate("t")
    assert server.fetched == []


async def test_a_start_without_the_server_waits_for_it_with_503(
    make: Make, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    await server.stop()
    authenticator = await discovering(make, server)
    [line] = logged(caplog)
    assert line.startswith(
        f"WARNING The metadata of issuer {server.issuer} (AICONFIG_ISSUER) cannot be used, "
        f"so the introspection endpoint is not known: {server.issuer}{OAUTH}: "
        "The connection to the authorization server failed. (ConnectError("
    )
    await unavailable(authenticator)
    assert logged(caplog) == []
    server.start()
    server.documents[OAUTH] = published(server)
    server.script("t", active())
    assert await authenticator.authenticate("t")
    assert logged(caplog) == [f"INFO The metadata of issuer {server.issuer} name {server.url}."]


async def test_metadata_that_do_not_come_are_an_outage(
    make: Make, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    server.documents[OAUTH] = Reply(gate=gate)
    authenticator = await discovering(make, server, limits=Limits(discovery_timeout=0.05))
    detail = "The authorization server did not respond within 0.05 s."
    assert await unavailable(authenticator) == detail
    [line] = logged(caplog)
    assert line.endswith(f"is not known: {detail}")
    gate.set()


async def test_what_another_issuer_says_is_not_followed_and_logged_once_with_both_values(
    make: Make, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.documents = {
        OAUTH: Reply(metadata("https://other.example", server.url)),
        OPENID: Reply(metadata(f"{server.issuer}/", server.url)),
    }
    authenticator = await discovering(make, server)
    for _ in range(3):
        assert "other.example" not in await unavailable(authenticator)
    assert server.calls == []
    [line] = logged(caplog)
    assert f"The issuer is 'https://other.example', not '{server.issuer}'." in line
    assert f"The issuer is '{server.issuer}/', not '{server.issuer}'." in line


async def test_all_who_need_it_share_one_search(make: Make, server: ScriptedServer) -> None:
    authenticator = await discovering(make, server)
    server.fetched.clear()
    server.documents[OAUTH] = published(server)
    tokens = [f"t{n}" for n in range(20)]
    for token in tokens:
        server.script(token, active())
    await asyncio.gather(*map(authenticator.authenticate, tokens))
    assert server.fetched == [OAUTH]


async def test_closing_ends_the_search(make: Make, server: ScriptedServer) -> None:
    authenticator = await discovering(make, server)
    gate = asyncio.Event()
    server.documents[OAUTH] = Reply(gate=gate)
    waiting = asyncio.create_task(authenticator.authenticate("t"))
    await server.until_asked(0, fetched=3)
    await authenticator.close()
    with pytest.raises(AuthorizationServerUnavailable, match="closing"):
        await waiting
    gate.set()


@pytest.mark.parametrize("failure", [Reply(status=404), Reply(status=502), Reply(hangs_up=True)])
async def test_an_endpoint_that_has_moved_is_found_again(
    make: Make, server: ScriptedServer, failure: Reply
) -> None:
    server.documents[OAUTH] = published(server)
    authenticator = await discovering(make, server)
    server.documents[OAUTH] = published(server, "/moved")
    # The connection was kept, so a server that hangs up is asked once more.
    tries = 2 if failure.hangs_up else 1
    server.script("t", *[failure] * tries, active("alice"))
    await unavailable(authenticator)
    assert (await authenticator.authenticate("t")).subject == "alice"
    assert [call.path for call in server.calls] == [*["/introspect"] * tries, "/moved"]
    assert server.fetched == [OAUTH, OAUTH]


async def test_odd_tokens_cost_one_search_in_a_while_however_many_there_are(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    server.documents[OAUTH] = published(server)
    authenticator = await discovering(make, server)
    server.fetched.clear()
    for n in range(20):
        server.script(f"odd{n}", Reply(status=500))
        await unavailable(authenticator, f"odd{n}")
    assert server.fetched == [OAUTH]
    clocks.advance(REFRESH_INTERVAL)
    await unavailable(authenticator, "odd0")
    assert server.fetched == [OAUTH, OAUTH]


async def test_a_refresh_that_fails_leaves_what_was_found_and_is_logged_once(
    make: Make, server: ScriptedServer, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    server.documents[OAUTH] = published(server)
    server.script("t", active())
    server.script("odd", Reply(status=500))
    authenticator = await discovering(make, server)
    assert logged(caplog) == []

    async def refresh() -> list[str]:
        clocks.advance(REFRESH_INTERVAL)
        for _ in range(2):
            await unavailable(authenticator, "odd")
        return logged(caplog)

    server.documents.clear()
    [line] = await refresh()
    assert line.startswith("WARNING ")
    assert f"so {server.url} is still used: " in line
    assert await refresh() == []
    assert await authenticator.authenticate("t")
    server.documents[OAUTH] = Reply(metadata("https://other.example", server.url))
    [line] = await refresh()
    assert "'https://other.example'" in line
    server.documents[OAUTH] = published(server)
    assert await refresh() == [f"INFO The metadata of issuer {server.issuer} name {server.url}."]
    assert await refresh() == []


@pytest.mark.parametrize(
    "reply", [*(Reply(status=s) for s in (400, 401, 403, 429)), INACTIVE], ids=str
)
async def test_an_answer_about_a_token_does_not_speak_against_the_endpoint(
    make: Make, server: ScriptedServer, reply: Reply
) -> None:
    server.documents[OAUTH] = published(server)
    authenticator = await discovering(make, server)
    for token in ("a", "b"):
        server.script(token, reply)
        await outcome(authenticator.authenticate(token))
    assert server.asked("b") == 1
    assert server.fetched == [OAUTH]

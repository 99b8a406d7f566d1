"""The introspection authenticator: what it sends, outages, and its life."""

from __future__ import annotations

import asyncio
import base64
import traceback
from typing import Any

import pytest

from aiconfig_plugin.access.introspection import Limits
from aiconfig_plugin.composition import open_authenticator
from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    ClientNotAllowed,
    InvalidToken,
)
from tests.access.conftest import CLIENT_ID, SECRET, TOKEN, Clocks, Make, outcome, settings
from tests.support.gateway import closed_port
from tests.support.scripted_server import Reply, ScriptedServer, active

FORM = "application/x-www-form-urlencoded"
BASIC = {
    ("gateway", "hush-0f9b"): "gateway:hush-0f9b",
    ("gate:way", "a:b"): "gate%3Away:a%3Ab",
    ("g", "100%"): "g:100%25",
    ("g", "%3A"): "g:%253A",
    ("g", "a+b c"): "g:a%2Bb%20c",
    ("ü@g", "Grüße/é&="): "%C3%BC%40g:Gr%C3%BC%C3%9Fe%2F%C3%A9%26%3D",
    ("g", "\U0001f511"): "g:%F0%9F%94%91",
    ("g", "a-._~Z9"): "g:a-._~Z9",
}


@pytest.mark.parametrize(("client_id", "secret"), BASIC, ids=ascii)
async def test_basic_form_encodes_id_and_secret(
    make: Make, server: ScriptedServer, client_id: str, secret: str
) -> None:
    authenticator = await make(client_id=client_id, client_secret=secret)
    await outcome(authenticator.authenticate(TOKEN))
    (call,) = server.calls
    scheme, _, encoded = call.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded).decode("ascii") == BASIC[client_id, secret]
    assert call.form == {"token": [TOKEN]}  # and no token_type_hint
    assert call.headers["Content-Type"].partition(";")[0] == FORM
    assert call.path == "/introspect"


@pytest.mark.parametrize(("client_id", "secret"), BASIC, ids=ascii)
async def test_post_sends_id_and_secret_in_the_form_alone(
    make: Make, server: ScriptedServer, client_id: str, secret: str
) -> None:
    authenticator = await make(
        client_id=client_id, client_secret=secret, client_auth_method="client_secret_post"
    )
    await outcome(authenticator.authenticate(TOKEN))
    (call,) = server.calls
    assert call.form == {"token": [TOKEN], "client_id": [client_id], "client_secret": [secret]}
    assert "Authorization" not in call.headers


@pytest.mark.parametrize(
    ("client", "allowed"), [("web", True), ("desktop", True), ("other", False), (None, False)]
)
async def test_only_the_clients_of_the_setting_count(
    make: Make, server: ScriptedServer, client: str | None, allowed: bool
) -> None:
    authenticator = await make(clients="web, desktop")
    server.script(TOKEN, active(client_id=client))
    for _ in range(2):  # remembered or not
        if allowed:
            assert (await authenticator.authenticate(TOKEN)).client_id == client
        else:
            with pytest.raises(ClientNotAllowed, match="AICONFIG_CLIENTS"):
                await authenticator.authenticate(TOKEN)
    assert server.asked(TOKEN) == 1


# Outages

NO_RESPONSE = "The authorization server did not respond within 0.05 s."
FAILED = "The connection to the authorization server failed."
OUTAGES: dict[str, tuple[Reply | None, str]] = {
    "nobody listens": (None, FAILED),
    "hangs up": (Reply(hangs_up=True), FAILED),
    "says nothing": (Reply(gate=asyncio.Event()), NO_RESPONSE),
    # Each read is in time, so it is not the client's own limit that ends this.
    "never comes to an end": (Reply(drips=True), NO_RESPONSE),
    "fails": (Reply(status=500), "The authorization server responded with HTTP 500."),
    "talks rubbish": (Reply(b"rubbish"), "The introspection reply is not a JSON object."),
    "limits": (
        Reply(status=429, headers={"Retry-After": "7"}),
        "The authorization server limits how often it may be asked.",
    ),
}


@pytest.mark.parametrize(("reply", "detail"), OUTAGES.values(), ids=OUTAGES)
async def test_an_outage_is_no_answer_and_is_not_remembered(
    make: Make, server: ScriptedServer, reply: Reply | None, detail: str
) -> None:
    nowhere = {"introspection_endpoint": f"http://127.0.0.1:{closed_port()}/introspect"}
    limits = Limits(call_timeout=0.05) if detail == NO_RESPONSE else Limits()
    authenticator = await make(limits=limits, **({} if reply else nowhere))
    server.script(TOKEN, *([reply] * 2 if reply else []), active())
    for _ in range(2):
        with pytest.raises(AuthorizationServerUnavailable) as caught:
            await authenticator.authenticate(TOKEN)
        assert caught.value.detail == detail
        assert caught.value.retry_after == (7 if reply and reply.status == 429 else 5)
        assert_tells_nothing(caught.value)
    if reply and reply.gate:
        reply.gate.set()
    if reply and detail != NO_RESPONSE:
        assert (await authenticator.authenticate(TOKEN)).subject == "alice"


async def test_our_own_credentials_refused_is_our_own_fault_and_is_not_remembered(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, Reply(status=401), active())
    with pytest.raises(ClientCredentialsRefused, match="AICONFIG_CLIENT_ID.* HTTP 401") as caught:
        await authenticator.authenticate(TOKEN)
    assert caught.value.status == 500
    assert_tells_nothing(caught.value)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


def assert_tells_nothing(error: AIConfigError) -> None:
    told = repr(error) + error.detail + "".join(traceback.format_exception(error))
    assert TOKEN not in told
    assert SECRET not in told
    assert base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode() not in told


def test_a_call_may_take_three_seconds() -> None:
    assert Limits().call_timeout == 3


async def test_one_strangers_token_that_fails_fails_no_one_else(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, active())
    for number in range(30):
        server.script(f"odd-{number}", Reply(status=(500, 401, 429)[number % 3]))
        with pytest.raises((AuthorizationServerUnavailable, ClientCredentialsRefused)):
            await authenticator.authenticate(f"odd-{number}")
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


async def test_an_outage_does_not_end_what_is_remembered(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(), Reply(status=503))
    await authenticator.authenticate(TOKEN)
    assert isinstance(await outcome(authenticator.authenticate("other")), InvalidToken)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    authenticator.forget(token=TOKEN)
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)


async def test_an_outage_when_the_memory_ends_is_no_pass(
    make: Make, server: ScriptedServer, clocks: Clocks
) -> None:
    authenticator = await make()
    server.script(TOKEN, active(), Reply(status=503), active())
    await authenticator.authenticate(TOKEN)
    clocks.advance(31)
    with pytest.raises(AuthorizationServerUnavailable):
        await authenticator.authenticate(TOKEN)
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


async def test_a_server_that_was_restarted_is_asked_over_a_new_connection(
    make: Make, server: ScriptedServer
) -> None:
    authenticator = await make(introspection_ttl=0)
    server.script(TOKEN, active())
    await authenticator.authenticate(TOKEN)
    await server.hang_up()
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"


# Its life


async def test_it_is_made_without_a_loop(server: ScriptedServer) -> None:
    await asyncio.to_thread(open_authenticator, settings(server))


async def test_it_asks_only_between_start_and_close(make: Make, server: ScriptedServer) -> None:
    authenticator = await make()
    server.script(TOKEN, active())
    await authenticator.authenticate(TOKEN)
    await authenticator.close()
    with pytest.raises(RuntimeError, match="start"):
        await authenticator.authenticate(TOKEN)
    await authenticator.start()
    assert (await authenticator.authenticate(TOKEN)).subject == "alice"
    assert server.asked(TOKEN) == 2


@pytest.mark.parametrize("forget", [{}, {"token": TOKEN}, None])
async def test_closing_ends_the_calls_that_are_under_way(
    make: Make, server: ScriptedServer, forget: dict[str, Any] | None
) -> None:
    authenticator = await make()
    server.gated(TOKEN, active())
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(authenticator.authenticate(TOKEN))
    await server.until_asked(1)
    if forget is not None:
        authenticator.forget(**forget)
    await authenticator.close()
    with pytest.raises(AuthorizationServerUnavailable, match="closing"):
        await waiting
    assert {task for task in asyncio.all_tasks() if "introspection" in repr(task)} <= before

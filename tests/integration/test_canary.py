"""One marked API key and one token are sent everywhere, and then looked for everywhere."""

from __future__ import annotations

import base64
import json
import logging
import secrets
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import prometheus_client
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from tornado.httpclient import HTTPResponse
from tornado.httputil import HTTPServerRequest

from aiconfig_plugin import Principal
from aiconfig_plugin.errors import ModelNotConfigured
from tests.support.gateway import (
    BOTH,
    CREATE_PATH,
    MIB,
    READ_PATH,
    UPDATE_PATH,
    VERIFY_PATH,
    Gateway,
    User,
    body,
    entry,
)
from tests.support.providers import providers

MakeGateway = Callable[..., Awaitable[Gateway]]


def disguises(marker: str) -> list[bytes]:
    """The marker as it is, in hex, and in base64 and base64url wherever it may begin."""
    raw = marker.encode()
    found = [raw, raw.hex().encode(), raw.hex().upper().encode()]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # Only whole groups of four characters are the marker's alone.
            coded = encode(b"\0" * offset + raw)
            found.append(coded[4 if offset else 0 : len(coded) - 4])
    assert all(len(form) > 20 for form in found)
    return found


class Haystack:
    """Everything that came out, by where it came from."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    def add(self, where: str, what: bytes) -> None:
        self.found[where] = self.found.get(where, b"") + b"\n" + what

    def add_response(self, response: HTTPResponse) -> None:
        headers = "\n".join(f"{name}: {value}" for name, value in response.headers.get_all())
        where = f"answer to {response.request.method} {response.request.url[:120]}"
        self.add(where, f"{response.reason}\n{headers}\n".encode() + (response.body or b""))

    def add_database(self, uri: str, name: str) -> None:
        with MongoClient[RawBSONDocument](uri, document_class=RawBSONDocument) as client:
            for collection in client[name].list_collection_names():
                for document in client[name][collection].find():
                    self.add(f"collection {collection}", bytes(document.raw))

    def places_of(self, *markers: str) -> set[str]:
        forms = [form for marker in markers for form in disguises(marker)]
        return {where for where, what in self.found.items() if any(form in what for form in forms)}


class Recorder(logging.Handler):
    """Keeps every record of every logger as text: message, arguments, and whole tracebacks."""

    def __init__(self, haystack: Haystack) -> None:
        super().__init__(logging.DEBUG)
        self._haystack = haystack

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.getMessage()}\n{record.args!r}\n"
        if record.exc_info and record.exc_info[1] is not None:
            text += "".join(traceback.format_exception(record.exc_info[1]))
        self._haystack.add(f"log {record.name}", text.encode(errors="backslashreplace"))


@contextmanager
def everything_logged(haystack: Haystack) -> Iterator[None]:
    """Let every logger say all that it can."""
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(one for one in known if isinstance(one, logging.Logger))]
    levels = [(one, one.level) for one in loggers]
    recorder = Recorder(haystack)
    logging.root.addHandler(recorder)
    try:
        for one in loggers:
            one.setLevel(logging.DEBUG)
        yield
    finally:
        logging.root.removeHandler(recorder)
        for one, level in levels:
            one.setLevel(level)


def bad_bodies(marker: str) -> Iterator[bytes]:
    """The marker wherever it should not be in a body, and in bodies that are none."""
    good = body(entry(key=marker))
    for wrong in (
        body(entry(key=f"sk-{marker}")),
        body(entry(key=f"Bearer sk-ant-{marker}")),
        body(entry(key=f"eyJhbGciOiJkaXIifQ..{marker}.{marker}.{marker}")),
        body(entry(key=f"eyJ{marker}.{marker}")),
        body(entry(key=marker), entry(key=marker)),
        body(entry(key=marker * 300)),
        body(entry(marker, key=marker), entry(marker)),
        body({**entry(), "provider": f" sk-{marker}"}),
        body({**entry(), "provider": f"{marker}\n"}),
        body({**entry(), "provider": marker * 3}),
        body({**entry(), "model": f"sk-{marker}\0"}),
        body({**entry(), "model": marker * 10}),
        body({**entry(), "type": marker}),
        body({**entry(), "isPaid": marker}),
        body({**entry(), "apiKeyEncrypted": [marker]}),
        body({**entry(), "apiKeyEncrypted": {marker: marker}}),
        body({**entry(), marker: 1}),
        body({**entry(), "apiKey": marker}),
        {**good, marker: marker},
        {**good, "system_prompt": [marker]},
        {**good, "models": marker},
        {**good, "models": [marker]},
        [marker],
        marker,
    ):
        yield json.dumps(wrong).encode()
    text = json.dumps(good)
    yield text[:-1].encode()
    yield f"{text}{marker}".encode()
    yield f'{{"{marker}": 1, "{marker}": 2}}'.encode()
    yield f'{{"{marker}": NaN}}'.encode()
    yield f'"\\ud800{marker}"'.encode()
    yield f'"{marker}'.encode() + b'\xff"'
    yield marker.encode()
    yield f"apiKeyEncrypted={marker}".encode()
    yield text.encode().ljust(MIB + 1)
    yield text.encode() * 40_000


async def send_everywhere(gateway: Gateway, marker: str, token: str, heard: Haystack) -> None:
    """Send the marked key through every route, in every way that is good or bad."""
    auth = {"Authorization": f"Bearer {token}"}

    async def call(
        method: str, path: str, sent: Any = None, headers: dict[str, str] | None = None
    ) -> HTTPResponse:
        answer = await gateway.call(method, path, sent, auth if headers is None else headers)
        heard.add_response(answer)
        return answer

    good = body(entry(key=marker), entry("other", key=f"{marker}=="))
    refused = 0
    for method, path in (("POST", CREATE_PATH), ("PUT", UPDATE_PATH)):
        for raw in bad_bodies(marker):
            refused += (await call(method, path, raw)).code in (400, 413, 422)
            await call(method, path, raw, {})
            await call(method, path, raw, {**auth, "Content-Type": f"text/{marker}"})
            await call(method, path, raw, {**auth, "Content-Encoding": marker})
        if method == "POST":
            assert (await call(method, path, good)).code == 201
            assert (await call(method, path, good)).code == 409
    # A body of PUT that is refused must stay refused when there is something to update.
    assert refused == 2 * len(list(bad_bodies(marker)))
    assert (await call("PUT", UPDATE_PATH, good)).code == 200
    # The marker is not sent here: the store is asked for an entity tag as it is.
    assert (await call("PUT", UPDATE_PATH, good, {**auth, "If-Match": '"other"'})).code == 412
    await call("PUT", UPDATE_PATH, body(entry(), entry("other")))
    for include in ("apiKeyEncrypted", "keyState", "apiKeyEncrypted,keyState"):
        assert (await call("GET", f"{READ_PATH}?include={include}")).code == 200

    for path, spec in gateway.routes().items():
        for method in (*spec.handler_class.SUPPORTED_METHODS, "BREW"):
            if method == "DELETE" and "DELETE" in spec.kwargs["route"].methods:
                continue
            sent = good if method in ("POST", "PUT", "PATCH") else None
            for query in (f"?include={marker}", f"?{marker}", f"?access_token={marker}&x=%FF"):
                await call(method, path + query, sent)
                await call(method, path + query, sent, {})
            for headers in (
                {"Authorization": f"Bearer sk-{marker}"},
                {"Authorization": f'Bearer "{marker}"'},
                {"Authorization": f"Basic {marker}"},
                {"Authorization": f"{marker} {marker}"},
                {**auth, "X-Api-Key": marker},
                {**auth, "If-None-Match": f'"{marker}"', "Cookie": f"key={marker}"},
            ):
                await call(method, path, sent, headers)


async def seal_and_resolve(gateway: Gateway, marker: str, token: str, heard: Haystack) -> None:
    """Let the marked key be opened wherever the gateway opens one."""
    auth = {"Authorization": f"Bearer {token}"}
    sealed = await User(gateway, auth).seal(marker)
    segments = sealed.split(".")
    for who, key, status in (
        (auth, sealed, 200),
        (auth, f"{sealed[:-4]}AAAA", 422),
        (auth, ".".join([segments[0], "", segments[2], segments[3][::-1], segments[4]]), 422),
        (gateway.auth("bob"), sealed, 422),
    ):
        method, path = ("POST", CREATE_PATH) if who is not auth else ("PUT", UPDATE_PATH)
        answer = await gateway.call(method, path, body(entry(key=key)), who)
        assert answer.code == status, answer.body
        heard.add_response(answer)
    chosen = await gateway.plugin.resolve("alice", provider="OpenAI")
    assert chosen.api_key is not None and chosen.api_key.get_secret_value() == marker
    heard.add("what resolve returns", f"{chosen!r} {chosen} {chosen.api_key}".encode())
    with pytest.raises(ModelNotConfigured) as caught:
        await gateway.plugin.resolve("alice", provider="Azure")
    heard.add("what resolve raises", repr(caught.value).encode())
    await gateway.plugin.rotate()


async def test_a_marked_key_and_token_come_out_nowhere(
    make_gateway: MakeGateway,
    mongod: Any,
    database_name: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    marker, heard = f"canary{secrets.token_hex(16)}", Haystack()
    with everything_logged(heard):
        gateway = await make_gateway()
        token = gateway.token()
        await send_everywhere(gateway, marker, token, heard)
        heard.add_database(mongod.uri, database_name)
        await seal_and_resolve(gateway, marker, token, heard)
        heard.add_database(mongod.uri, database_name)
        await gateway.stop_authorization_server()
        for method, path in (("POST", CREATE_PATH), ("PUT", UPDATE_PATH)):
            heard.add_response(
                await gateway.call(method, path, body(entry(key=marker)), gateway.auth())
            )
        await gateway.plugin.close()
        heard.add_response(
            await gateway.call(
                "PUT", UPDATE_PATH, body(entry(key=marker)), {"Authorization": f"Bearer {token}"}
            )
        )
    out, err = capfd.readouterr()
    heard.add("metrics", prometheus_client.generate_latest())
    heard.add("standard output", out.encode())
    heard.add("standard error", err.encode())
    assert {"log aiconfig_plugin", "collection ai_model_configs"} <= set(heard.found)
    assert heard.places_of(marker) == set()
    assert heard.places_of(token) == set()


async def test_a_key_that_providers_are_asked_about_comes_out_nowhere(
    make_gateway: MakeGateway, mongod: Any, database_name: str
) -> None:
    marker, heard = f"canary{secrets.token_hex(16)}", Haystack()
    async with providers() as made:
        gateway = await make_gateway(base_urls=[made.url])
        alice = gateway.user("alice")
        with everything_logged(heard):
            await alice.create(body())
            for path in ("openai/v1", "anthropic", "google", "redirect", "page", "hangs-up"):
                there = {**entry(key=await alice.seal(marker)), "baseUrl": f"{made.url}/{path}"}
                assert (await alice.update(body(there))).code == 200
                asked = {"provider": "OpenAI", "type": "chat", "model": "gpt-4"}
                answer = await gateway.call("POST", VERIFY_PATH, asked, alice.auth)
                assert answer.code == 200, answer.body
                heard.add_response(answer)
                heard.add_response(await alice.read("keyUse"))
            await gateway.plugin.close()
        assert sum(marker in str(headers) for _, headers in made.requests) == 6
    heard.add_database(mongod.uri, database_name)
    assert {"log httpcore2.http11", "collection ai_model_key_use"} <= set(heard.found)
    assert heard.places_of(marker) == set()


@pytest.mark.parametrize("where", ["authenticate", "service", "parse"])
async def test_a_key_is_in_no_traceback_of_an_unexpected_error(
    make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    marker, heard = f"canary{secrets.token_hex(16)}", Haystack()

    async def authenticate(_request: HTTPServerRequest) -> Principal:
        if where == "authenticate":
            raise RuntimeError("unexpected")
        return Principal("https://host.example", "alice", BOTH)

    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("unexpected")

    if where == "service":
        monkeypatch.setattr("aiconfig_plugin.keys.vault.stored_jwe.encrypt", broken)
    if where == "parse":
        monkeypatch.setattr("aiconfig_plugin.http.handlers.parse_submission", broken)
    with everything_logged(heard):
        gateway = await make_gateway(
            authenticate=authenticate, app_settings={"serve_traceback": True}
        )
        sent = body(entry(key=marker))
        answer = await gateway.call("POST", f"{CREATE_PATH}?key={marker}", sent)
        assert answer.code == 500
        heard.add_response(answer)
    assert b"unexpected" in heard.found["log aiconfig_plugin"]
    assert heard.places_of(marker) == set()


def test_the_search_finds_what_is_there() -> None:
    marker = f"canary{secrets.token_hex(16)}"
    for hidden in (
        marker.encode(),
        base64.b64encode(f'{{"k":"{marker}"}}'.encode()),
        base64.urlsafe_b64encode(b"\xff\xfe" + marker.encode() + b"\xff"),
        marker.encode().hex().encode(),
    ):
        heard = Haystack()
        heard.add("here", b"before" + hidden + b"after")
        heard.add("there", b"nothing")
        assert heard.places_of(marker) == {"here"}
    heard = Haystack()
    with everything_logged(heard):
        try:
            raise ValueError(marker)
        except ValueError:
            logging.getLogger("some.where").debug("x", exc_info=sys.exc_info())
    assert heard.places_of(marker) == {"log some.where"}
    assert b"Traceback" in heard.found["log some.where"]

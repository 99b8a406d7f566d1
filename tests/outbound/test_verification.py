"""Asking providers about a key, against stand-ins that answer as their documentation says."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from aiconfig_plugin.base_url import BaseURL
from aiconfig_plugin.domain import API, ResolvedModel, SecretStr, Verification
from aiconfig_plugin.errors import BaseURLRefused
from aiconfig_plugin.outbound import ProviderVerifier, origin_client
from aiconfig_plugin.outbound.dialects import DIALECTS, MAX_BYTES, well_known
from tests.support.gateway import closed_port
from tests.support.providers import GOOD, NO_CREDIT, NO_QUOTA, NO_SCOPE, providers

KEY = "sk-live-9f3kd83jd0s7eu2hqp"


def chosen(base_url: str | None, key: str | None = GOOD, **given: Any) -> ResolvedModel:
    secret = None if key is None else SecretStr(key)
    given = {"provider": "Some", "key_form": key and "plain", **given}
    return ResolvedModel(
        type="chat", model="m", is_paid=True, api_key=secret, system_prompt="", base_url=base_url,
        **given,
    )  # fmt: skip


def client(chosen: ResolvedModel) -> httpx2.AsyncClient:
    if chosen.base_url is None:
        raise BaseURLRefused("It has no base URL.")
    return origin_client(BaseURL.parse(chosen.base_url), public_only=False)


async def ask(
    base_url: str | None, key: str | None = GOOD, api: API | None = None, **given: Any
) -> Verification:
    timeout = given.pop("timeout", 10)
    return await ProviderVerifier(client, lambda _provider: api, timeout=timeout)(
        chosen(base_url, key, **given)
    )


# The dialects


@pytest.mark.parametrize(
    ("api", "path", "key", "result", "status"),
    [
        ("openai", "/openai/v1", GOOD, "accepted", 200),
        ("openai", "/openai/v1/", GOOD, "accepted", 200),
        ("openai", "/openai/v1", KEY, "rejected", 401),
        ("openai", "/openai/v1", None, "rejected", 401),
        ("openai", "/openai/v1", NO_QUOTA, "quota-exceeded", 429),
        ("openai", "/openai/v1", NO_SCOPE, "unknown", 403),
        ("openai", "/openai", GOOD, "unknown", 404),
        ("openai", "/xai/v1", GOOD, "accepted", 200),
        ("openai", "/xai/v1", KEY, "rejected", 400),
        ("anthropic", "/anthropic", GOOD, "accepted", 200),
        ("anthropic", "/anthropic/v1", GOOD, "accepted", 200),
        ("anthropic", "/anthropic", KEY, "rejected", 401),
        ("anthropic", "/anthropic", NO_SCOPE, "rejected", 403),
        ("anthropic", "/anthropic", NO_QUOTA, "quota-exceeded", 429),
        ("anthropic", "/anthropic", NO_CREDIT, "quota-exceeded", 402),
        ("anthropic", "/openai", GOOD, "rejected", 401),
        ("google", "/google", GOOD, "accepted", 200),
        ("google", "/google/v1beta", GOOD, "accepted", 200),
        ("google", "/google", KEY, "rejected", 400),
        ("google", "/google", NO_SCOPE, "rejected", 403),
        ("google", "/google", NO_QUOTA, "quota-exceeded", 429),
        ("google", "/google", "abroad-key", "unknown", 400),
        ("ollama", "/ollama", None, "accepted", 200),
        ("ollama", "/ollama/v1", GOOD, "accepted", 200),
        ("ollama", "/ollama/api", GOOD, "accepted", 200),
        ("ollama", "/ollama", KEY, "rejected", 401),
        ("ollama", "/elsewhere", None, "unknown", 404),
    ],
)
async def test_each_dialect_tells_what_the_provider_says(
    api: API, path: str, key: str | None, result: str, status: int
) -> None:
    async with providers() as made:
        found = await ask(made.url + path, key, api)
        assert found.result == result
        assert found.detail.endswith(f"(status {status}).")
        assert len(made.requests) == 1


@pytest.mark.parametrize("api", DIALECTS)
async def test_the_key_is_in_the_headers_alone(api: API, caplog: pytest.LogCaptureFixture) -> None:
    async with providers() as made:
        with caplog.at_level(logging.DEBUG):
            found = await ask(made.url + f"/{api}", KEY, api)
        [(path, headers)] = made.requests
    assert KEY not in path and KEY in "".join(headers.values())
    assert KEY not in found.detail and KEY not in caplog.text


async def test_without_a_key_no_header_has_one() -> None:
    async with providers() as made:
        await ask(made.url + "/ollama", None, "ollama")
        [(_, headers)] = made.requests
    assert "Authorization" not in headers


# Which dialect, and which endpoint


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("OpenAI", "/openai/v1"),
        ("Anthropic", "/anthropic/v1"),
        ("anthropic", "/anthropic"),
        ("Google", "/google"),
        ("Ollama", "/ollama/v1"),
        ("My own proxy", "/openai/v1"),
    ],
)
async def test_without_the_operator_s_word_the_name_tells_the_dialect(
    provider: str, path: str
) -> None:
    async with providers() as made:
        assert (await ask(made.url + path, provider=provider)).result == "accepted"


async def test_the_operator_s_word_on_the_dialect_counts() -> None:
    async with providers() as made:
        base_url = made.url + "/anthropic"
        assert (await ask(base_url, api="anthropic", provider="OpenAI")).result == "accepted"


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("OpenAI", "https://api.openai.com/v1/models"),
        ("Anthropic", "https://api.anthropic.com/v1/models"),
        ("Google", "https://generativelanguage.googleapis.com/v1beta/models"),
        ("Mistral", "https://api.mistral.ai/v1/models"),
        ("Groq", "https://api.groq.com/openai/v1/models"),
        ("xAI", "https://api.x.ai/v1/models"),
        ("DeepSeek", "https://api.deepseek.com/models"),
        ("Together AI", "https://api.together.xyz/v1/models"),
        ("Cohere", "https://api.cohere.com/v1/models"),
    ],
)
async def test_a_well_known_provider_is_asked_at_its_public_endpoint(
    provider: str, url: str
) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(402)

    def mocked(chosen: ResolvedModel) -> httpx2.AsyncClient:
        transport = httpx2.MockTransport(answer)
        return httpx2.AsyncClient(base_url=chosen.base_url or "", transport=transport)

    verify = ProviderVerifier(mocked, lambda _provider: None)
    assert (await verify(chosen(None, provider=provider))).result == "quota-exceeded"
    assert asked == [url]


def test_every_endpoint_that_is_built_in_is_a_base_url() -> None:
    for name in ("openai", "anthropic", "google", "mistral", "ollama", "unheard of"):
        base_url = well_known(name).base_url
        assert base_url is None or BaseURL.parse(base_url).url == base_url


@pytest.mark.parametrize("provider", ["Ollama", "OpenRouter", "Some"])
async def test_where_no_endpoint_is_known_nothing_is_known_of_the_key(provider: str) -> None:
    found = await ask(None, provider=provider)
    assert found.result == "unknown" and "endpoint" in found.detail


# What cannot be sent


async def test_an_opaque_key_is_sent_to_nobody() -> None:
    async with providers() as made:
        found = await ask(made.url + "/openai/v1", GOOD, key_form="opaque")
        assert made.requests == []
    assert found.result == "unknown" and "encrypted" in found.detail


@pytest.mark.parametrize("key", [f"{KEY}\r\nX-Other: 1", f"{KEY}\x00", f"{KEY}é", f" {KEY}", "\t"])
async def test_a_key_that_no_header_can_hold_is_sent_to_nobody(key: str) -> None:
    async with providers() as made:
        found = await ask(made.url + "/openai/v1", key)
        assert made.requests == []
    assert found.result == "unknown" and KEY not in found.detail


# Providers in trouble


@pytest.mark.parametrize(
    ("kind", "key", "result"),
    [
        ("redirect", GOOD, "unknown"),
        ("status", "307", "unknown"),
        ("page", GOOD, "unknown"),
        ("huge", GOOD, "accepted"),
        ("endless", GOOD, "accepted"),
        ("hangs-up", GOOD, "unreachable"),
        ("status", "204", "unknown"),
        ("status", "418", "unknown"),
        ("status", "500", "unreachable"),
        ("status", "503", "unreachable"),
        ("status", "529", "unreachable"),
    ],
)
async def test_whatever_a_provider_answers_there_is_a_result(
    kind: str, key: str, result: str
) -> None:
    async with providers() as made:
        found = await ask(f"{made.url}/{kind}", key)
        assert found.result == result
        assert [path for path, _ in made.requests] == [f"/{kind}/models"]


async def test_an_endless_refusal_is_one() -> None:
    async with providers() as made:
        assert (await ask(f"{made.url}/endless-refusal")).result == "rejected"


async def test_a_slow_provider_is_not_waited_for() -> None:
    async with providers() as made:
        found = await ask(f"{made.url}/slow", timeout=0.05)
    assert found == Verification("unreachable", "The provider did not respond within 0.05 s.")


async def test_a_provider_that_is_not_there_is_unreachable() -> None:
    assert (await ask(f"http://127.0.0.1:{closed_port()}")).result == "unreachable"


class _Counting(httpx2.AsyncByteStream):
    """A body that has no end, and counts what is read of it."""

    def __init__(self) -> None:
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.read += 1024
            yield b"x" * 1024


@pytest.mark.parametrize(
    ("status", "most"), [(200, 1024), (401, MAX_BYTES), (403, MAX_BYTES), (404, 0), (500, 0)]
)
async def test_no_more_is_read_than_tells_something(status: int, most: int) -> None:
    body = _Counting()

    def mocked(_chosen: ResolvedModel) -> httpx2.AsyncClient:
        transport = httpx2.MockTransport(lambda _request: httpx2.Response(status, stream=body))
        return httpx2.AsyncClient(base_url="http://127.0.0.1", transport=transport)

    await ProviderVerifier(mocked, lambda _provider: "openai")(chosen("http://127.0.0.1"))
    assert body.read == most

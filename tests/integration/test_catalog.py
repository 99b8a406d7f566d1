"""The operator's word, over HTTP and in ``resolve``."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiconfig_plugin import Principal, Settings
from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.composition import open_policy, open_vault
from aiconfig_plugin.domain import AIConfigService, Filters, ModelEntry, Owner, StoredKey
from aiconfig_plugin.domain.model import AIConfig
from aiconfig_plugin.errors import KeyUnreadable, ModelNotConfigured
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.gateway import (
    BOTH,
    CREATE_PATH,
    READ_PATH,
    UPDATE_PATH,
    Gateway,
    body,
    entry,
    problem,
)

MakeGateway = Callable[..., Awaitable[Gateway]]
RUN = pytest.mark.gen_test(timeout=60)

SHARED = "sk-shared-4jf83kd9s0a8"
ISSUER = "https://issuer.example"
CATALOG: dict[str, Any] = {
    "providers": {
        "OpenAI": {
            "baseUrl": "https://api.openai.com/v1",
            "api": "openai",
            "sharedKey": "fallback",
            "otherModels": False,
            "models": [{"model": "gpt-4", "type": "chat", "isPaid": True}],
        },
        "Ollama": {"baseUrl": "http://127.0.0.1:11434/v1", "otherModels": True, "isPaid": False},
    },
    "otherProviders": False,
    "systemPrompt": {"text": "Answer in English.", "mode": "before"},
}


async def alice(_request: object) -> Principal:
    return Principal(ISSUER, "alice", BOTH)


@pytest.fixture
def offering(make_gateway: MakeGateway, tmp_path: Path) -> MakeGateway:
    """Makes a gateway with a catalogue and a shared key for OpenAI."""

    async def make(catalog: Any = CATALOG, **given: Any) -> Gateway:
        (tmp_path / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
        keys = tmp_path / "shared.json"
        keys.touch(0o600)
        keys.write_text(json.dumps({"OpenAI": SHARED}), encoding="utf-8")
        files = {"catalog": tmp_path / "catalog.json", "shared_keys": keys}
        return await make_gateway(authenticate=alice, issuer=ISSUER, **files, **given)

    return make


async def get(gateway: Gateway, path: str) -> Any:
    response = await gateway.call("GET", f"{READ_PATH}{path}")
    assert response.code == 200, response.body
    return json.loads(response.body)


@RUN
async def test_what_is_not_offered_is_refused_at_its_place(offering: MakeGateway) -> None:
    gateway = await offering()
    given = body(entry("gpt-5"), entry("m", provider="Mistral"), entry("any", provider="Ollama"))
    found = problem(await gateway.call("POST", CREATE_PATH, given), 422, "model-not-offered")
    assert [one["pointer"] for one in found["errors"]] == ["/models/0/model", "/models/1/provider"]


@RUN
async def test_a_changed_catalogue_holds_at_once_for_what_is_stored(
    make_gateway: MakeGateway, offering: MakeGateway, documents: Any
) -> None:
    free = await make_gateway(authenticate=alice, issuer=ISSUER)
    given = body(
        entry("old", paid=False), entry(paid=False), entry("llama3", provider="Ollama", paid=True)
    )
    assert (await free.call("POST", CREATE_PATH, given)).code == 201
    stored = documents.find_one()
    gateway = await offering()
    shown = await get(gateway, "?include=offered")
    said = [(one["model"], one["isPaid"], one["offered"]) for one in shown["models"]]
    assert said == [("old", False, False), ("gpt-4", True, True), ("llama3", False, True)]
    chosen = await gateway.plugin.resolve("alice")
    assert (chosen.model, chosen.is_paid, chosen.position) == ("gpt-4", True, 1)
    assert chosen.base_url == "https://api.openai.com/v1"
    assert documents.find_one() == stored
    # It may be sent back, and what is new may not.
    response = await gateway.call("PUT", UPDATE_PATH, given)
    assert response.code == 200
    assert [one["isPaid"] for one in json.loads(response.body)["models"]] == [False, True, False]
    more = body(*given["models"], entry("new"))
    [found] = problem(await gateway.call("PUT", UPDATE_PATH, more), 422, "model-not-offered")[
        "errors"
    ]
    assert found["pointer"] == "/models/3/model"


@RUN
async def test_the_catalogue_is_shown_and_nothing_of_a_shared_key(offering: MakeGateway) -> None:
    gateway = await offering(base_urls="public")
    shown = await get(gateway, "/catalog")
    assert shown == {
        "providers": [
            {
                "name": "OpenAI",
                "api": "openai",
                "models": [{"model": "gpt-4", "type": "chat", "isPaid": True}],
                "otherModels": False,
                "sharedKey": "fallback",
            },
            {
                "name": "Ollama",
                "api": None,
                "models": [],
                "otherModels": True,
                "isPaid": False,
                "sharedKey": "never",
            },
        ],
        "otherProviders": False,
        "baseUrls": ["public"],
        "systemPrompt": {"mode": "before", "text": "Answer in English."},
    }


@RUN
async def test_a_hidden_prompt_is_not_shown(offering: MakeGateway) -> None:
    prompt = {"text": "Hush.", "mode": "only", "hidden": True}
    gateway = await offering({"systemPrompt": prompt})
    shown = await get(gateway, "/catalog")
    assert shown["systemPrompt"] == {"mode": "only"} and shown["otherProviders"] is True
    await gateway.call("POST", CREATE_PATH, body(prompt="Mine."))
    assert (await gateway.plugin.resolve("alice")).system_prompt == "Hush."


@RUN
async def test_a_shared_key_is_in_no_answer_no_log_and_no_repr(
    offering: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = await offering(base_urls="https://mine.example")
    given = body(entry(), {**entry(), "label": "mine", "baseUrl": "https://mine.example"})
    answers = [
        await gateway.call("POST", CREATE_PATH, given),
        await gateway.call("PUT", UPDATE_PATH, given),
        *[
            await gateway.call("GET", READ_PATH + path)
            for path in ("?include=apiKeyEncrypted,keyState,offered", "/catalog", "/resolution")
        ],
    ]
    assert all(answer.code in (200, 201) for answer in answers)
    chosen = await gateway.plugin.resolve("alice")
    assert chosen.api_key and chosen.api_key.get_secret_value() == SHARED
    assert (chosen.key_source, chosen.key_form) == ("shared", "plain")
    own = await gateway.plugin.resolve("alice", label="mine")
    assert (own.api_key, own.key_source, own.key_form) == (None, None, None)
    shown = "".join(answer.body.decode() + repr(dict(answer.headers)) for answer in answers)
    assert SHARED not in shown + repr(chosen) + caplog.text
    resolution = json.loads(answers[-1].body)
    assert resolution == {
        "chosen": 0,
        "keySource": "shared",
        "baseUrl": "https://api.openai.com/v1",
        "systemPromptMode": "before",
        "entries": [
            {"pointer": "/models/0", "outcome": "chosen"},
            {"pointer": "/models/1", "outcome": "not-needed"},
        ],
    }


@RUN
async def test_the_resolution_takes_each_filter_once(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(authenticate=alice, issuer=ISSUER)
    problem(await gateway.call("GET", f"{READ_PATH}/resolution"), 404, "config-not-found")
    await gateway.call("POST", CREATE_PATH, body(entry(), {**entry("two"), "label": "work"}))
    assert (await get(gateway, "/resolution"))["chosen"] == 0
    for query in ("model=two", "label=work", "provider=OpenAI&type=chat&model=two&label=work"):
        assert (await get(gateway, f"/resolution?{query}"))["chosen"] == 1
    assert (await get(gateway, "/resolution?model=three"))["chosen"] is None
    for query in ("model=a&model=b", "model=%ff"):
        response = await gateway.call("GET", f"{READ_PATH}/resolution?{query}")
        problem(response, 400, "invalid-parameter")


ENTRIES = st.builds(
    ModelEntry,
    provider=st.sampled_from(["OpenAI", "Ollama", "Mistral"]),
    type=st.sampled_from(["chat", "image"]),
    model=st.sampled_from(["gpt-4", "m"]),
    is_paid=st.booleans(),
    key=st.sampled_from([None, None, StoredKey("gone", "a.b.c.d.e")]),
    label=st.sampled_from([None, "work"]),
    enabled=st.sampled_from([None, True, False]),
    base_url=st.sampled_from([None, None, "https://ours.example", "https://far.example"]),
)
NAMES = {"provider": ["OpenAI", "Ollama"], "type": ["chat"], "model": ["m"], "label": ["work"]}
FILTERS = st.builds(
    Filters, **{name: st.sampled_from([None, None, *values]) for name, values in NAMES.items()}
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ENTRIES, max_size=5), FILTERS, st.sampled_from(["never", "fallback", "only"]))
def test_resolve_uses_what_the_resolution_says(
    tmp_path_factory: pytest.TempPathFactory,
    io_loop: Any,
    models: list[ModelEntry],
    filters: Filters,
    mode: str,
) -> None:
    folder = tmp_path_factory.mktemp("resolution")
    create_keyring(folder / "keyring.json")
    catalog = {
        "providers": {
            "OpenAI": {"sharedKey": mode, "models": [{"model": "gpt-4"}, {"model": "m"}]},
            "Ollama": {"models": [{"model": "m", "type": "chat"}]},
        }
    }
    (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    (folder / "keys.json").touch(0o600)
    (folder / "keys.json").write_text(json.dumps({"OpenAI": SHARED}), encoding="utf-8")

    async def run() -> None:
        given = Settings(
            keyring=folder / "keyring.json",
            catalog=folder / "catalog.json",
            shared_keys=folder / "keys.json",
            base_urls=["https://ours.example"],
        )
        repository = InMemoryRepository()
        policy = open_policy(given, Origins(given.base_urls))
        service = AIConfigService(repository, open_vault(given), policy)
        await repository.start()
        owner = Owner(ISSUER, "alice")
        await repository.create(owner, AIConfig(tuple(models), "", "revision"))
        decision = await service.decide(owner, filters)
        try:
            chosen = await service.resolve(owner, filters)
        except KeyUnreadable:
            assert decision.position is None and "key-unreadable" in decision.outcomes
        except ModelNotConfigured:
            assert decision.position is None and "key-unreadable" not in decision.outcomes
            assert not {"chosen", "not-needed"} & set(decision.outcomes)
        else:
            assert decision.outcomes.count("chosen") == 1
            assert decision.outcomes[chosen.position] == "chosen"
            assert chosen.position == decision.position
            assert (chosen.key_source, chosen.base_url) == (decision.key_source, decision.base_url)
            assert (chosen.api_key is None) is (chosen.key_source is None)

    io_loop.run_sync(run)

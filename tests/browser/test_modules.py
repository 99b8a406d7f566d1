"""The browser modules in Node: sealing against the server's vault, the client, and types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.domain.model import Destination, Owner
from aiconfig_plugin.errors import KeyNotAccepted
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import create_keyring
from aiconfig_plugin.keys.vault import Vault
from tests.browser.node import WEB, RunScript, install, run
from tests.support.processes import need

OPENAI = Destination("OpenAI")
ALICE, BOB = Owner("https://login.example", "alice"), Owner("https://login.example", "bob")
API_KEYS = ["k", "sk-demo-0123456789", "ключ-🔑", "x" * 4096]

SEAL = """
const { sealApiKey } = await load("client");
const sealed = [];
for (const [document, apiKey] of given.calls) {
  const sealing = sealApiKey(document, apiKey, { provider: "OpenAI" });
  sealed.push(await sealing.catch((error) => ({ error: error.name })));
}
return sealed;
"""

CALL = """
const { AIConfigClient } = await load("client");
const requests = [];
const fetch = async (url, { method, headers, body }) => {
  requests.push({ url, method, headers, body: body ?? null });
  const answer = given.answers.shift();
  if (!answer) throw new TypeError("fetch failed");
  if (answer === "hang") return new Promise(() => {});
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
};
const tokens = {
  good: () => "token",
  hang: () => new Promise(() => {}),
  reject: () => Promise.reject(new Error("no network")),
  nothing: () => undefined,
};
const getToken = tokens[given.token ?? "good"];
const client = new AIConfigClient({ baseURL: "/api/v1/", getToken, fetch, timeout: given.timeout });
const results = [];
for (const [name, ...rest] of given.calls) {
  results.push(await client[name](...rest).then(
    (value) => ({ value: value ?? null, etag: client.etag }),
    ({ name, message, code, status, detail, errors, retryAfter, outcome }) =>
      ({ error: { name, message, code, status, detail, errors, retryAfter, outcome } }),
  ));
}
return { requests, results };
"""


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    create_keyring(tmp_path / "keyring.json")
    return Vault(load_keyring(tmp_path / "keyring.json"), sealed_only=True)


def test_the_vault_opens_sealed_keys(node: RunScript, vault: Vault) -> None:
    document = vault.recipient(ALICE)
    sealed = node(SEAL, calls=[[document, key] for key in API_KEYS])
    for key, jwe in zip(API_KEYS, sealed, strict=True):
        stored = vault.accept_submitted_key(ALICE, OPENAI, jwe)
        assert vault.open(ALICE, OPENAI, stored).get_secret_value() == key


def test_a_key_sealed_for_one_user_and_provider_is_refused_for_another(
    node: RunScript, vault: Vault
) -> None:
    [sealed] = node(SEAL, calls=[[vault.recipient(ALICE), "sk-demo"]])
    with pytest.raises(KeyNotAccepted):
        vault.accept_submitted_key(ALICE, Destination("Mistral"), sealed)
    with pytest.raises(KeyNotAccepted):
        vault.accept_submitted_key(BOB, OPENAI, sealed)


def test_the_user_takes_part_in_the_key_derivation(node: RunScript, vault: Vault) -> None:
    """A key whose header is exchanged for another user's does not open."""
    alice, bob = vault.recipient(ALICE), vault.recipient(BOB)
    [sealed] = node(SEAL, calls=[[alice, "sk-demo"]])
    [other] = node(SEAL, calls=[[bob, "sk-demo"]])
    mixed = ".".join([other.split(".")[0], *sealed.split(".")[1:]])
    with pytest.raises(KeyNotAccepted):
        vault.accept_submitted_key(BOB, OPENAI, mixed)


def test_sealing_rejects_what_the_server_would_reject(node: RunScript, vault: Vault) -> None:
    document = vault.recipient(ALICE)
    other_curve = {**document, "keys": [{**document["keys"][0], "crv": "P-384"}]}
    off_curve = {**document, "keys": [{**document["keys"][0], "x": document["keys"][0]["y"]}]}
    calls = [
        [document, ""],
        [document, "x" * 4097],
        [document, "é" * 2049],
        [{"keys": [], "apv": document["apv"]}, "sk-demo"],
        [{"keys": document["keys"]}, "sk-demo"],
        [other_curve, "sk-demo"],
        [off_curve, "sk-demo"],
        [None, "sk-demo"],
    ]
    expected = ["RangeError"] * 3 + ["TypeError"] * 5
    assert node(SEAL, calls=calls) == [{"error": name} for name in expected]


CONFIG = {"models": [], "system_prompt": ""}


def answer(status: int = 200, body: Any = CONFIG, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {"status": status, "body": text, "headers": named}


def problem(status: int, code: str, **more: Any) -> dict[str, Any]:
    headers = more.pop("headers", {})
    document = {"type": f"urn:aiconfig:problem:{code}", "title": "t", "status": status, **more}
    return answer(status, document, Content_Type="application/problem+json", **headers)


def test_the_last_entity_tag_is_sent_with_the_next_write(node: RunScript) -> None:
    done = node(
        CALL,
        answers=[
            answer(201, ETag='"1"'),
            answer(ETag='"2"'),
            answer(ETag='"3"'),
            answer(ETag='"4"'),
            answer(ETag='"5"'),
            answer(204, None),
        ],
        calls=[
            ["create", CONFIG],
            ["update", CONFIG],
            ["get", {"include": ["keyState", "apiKeyEncrypted"]}],
            ["update", CONFIG, {"ifMatch": "*"}],
            ["update", CONFIG, {"ifMatch": None}],
            ["remove"],
        ],
    )
    assert [result["etag"] for result in done["results"]] == [
        '"1"',
        '"2"',
        '"3"',
        '"4"',
        '"5"',
        None,
    ]
    sent = [request["headers"].get("If-Match") for request in done["requests"]]
    assert sent == [None, '"1"', None, "*", None, '"5"']
    assert done["requests"][2]["url"] == (
        "/api/v1/get/ai-model-config?include=keyState,apiKeyEncrypted"
    )
    assert {request["headers"]["Authorization"] for request in done["requests"]} == {"Bearer token"}


def test_failures_have_a_code_and_a_status(node: RunScript) -> None:
    wrong = [{"pointer": "/models", "code": "maxItems", "detail": "Must have at most 100 entries."}]
    done = node(
        CALL,
        answers=[
            problem(401, "invalid-token", detail="d"),
            problem(503, "storage-unavailable", detail="d", headers={"Retry_After": "5"}),
            problem(412, "revision-mismatch", detail="d"),
            problem(422, "schema-violation", detail="d", errors=wrong),
            answer(502, "<h1>Bad gateway</h1>", Content_Type="text/html"),
            answer(200, "<h1>Welcome to this hotel</h1>"),
        ],
        calls=[["get"]] * 7,
    )
    errors = [result["error"] for result in done["results"]]
    assert {error["name"] for error in errors} == {"AIConfigError"}
    assert [(error["status"], error["code"]) for error in errors] == [
        (401, "invalid-token"),
        (503, "storage-unavailable"),
        (412, "revision-mismatch"),
        (422, "schema-violation"),
        (502, "unexpected-response"),
        (200, "unexpected-response"),
        (0, "network-error"),
    ]
    assert errors[1]["retryAfter"] == 5
    assert errors[3]["errors"] == wrong


@pytest.mark.parametrize(
    ("call", "reply", "outcome"),
    [
        ("update", problem(503, "storage-unavailable"), "unknown"),
        ("update", problem(503, "storage-unavailable", outcome="unknown"), "unknown"),
        ("update", problem(503, "storage-unavailable", outcome="nothing-changed"), None),
        ("update", problem(503, "authorization-server-unavailable"), None),
        ("update", problem(500, "internal-error"), "unknown"),
        ("update", answer(502, "<h1>Bad gateway</h1>"), "unknown"),
        ("update", answer(504, ""), "unknown"),
        ("update", answer(200, "<h1>Welcome"), "unknown"),
        ("update", answer(200, CONFIG), "unknown"),  # No ETag: the next write would be blind.
        ("update", None, "unknown"),
        ("update", "hang", "unknown"),
        ("update", problem(422, "schema-violation"), None),
        ("update", problem(412, "revision-mismatch"), None),
        ("create", None, "unknown"),
        ("remove", answer(502, ""), "unknown"),
        ("get", answer(502, ""), None),
        ("get", None, None),
    ],
)
def test_a_failed_write_says_whether_it_may_be_stored(
    node: RunScript, call: str, reply: Any, outcome: str | None
) -> None:
    arguments = {"update": [CONFIG, {"ifMatch": '"1"'}], "create": [CONFIG]}.get(call, [])
    arguments = [{"ifMatch": '"1"'}] if call == "remove" else arguments
    [result] = node(CALL, answers=[reply], calls=[[call, *arguments]], timeout=200)["results"]
    assert result["error"]["name"] == "AIConfigError"
    assert result["error"]["outcome"] == (outcome or "nothing-changed")


@pytest.mark.parametrize(
    "body",
    [
        "null", "[]", "{", '{"type": 7, "title": {}, "detail": null, "errors": null}',
        '{"errors": [null, 1, {"pointer": 7}]}',
    ],
)  # fmt: skip
def test_a_malformed_problem_document_is_an_error_as_well(node: RunScript, body: str) -> None:
    reply = answer(422, body, Content_Type="application/problem+json")
    [result] = node(CALL, answers=[reply], calls=[["get"]])["results"]
    error = result["error"]
    assert (error["code"], error["status"]) == ("unexpected-response", 422)
    assert all(set(map(type, found.values())) == {str} for found in error["errors"])


@pytest.mark.parametrize("body", ["null", "[]", "{}", '{"models": [null], "system_prompt": ""}'])
def test_a_malformed_configuration_is_an_error(node: RunScript, body: str) -> None:
    done = node(CALL, answers=[answer(200, body, ETag='"1"')], calls=[["get"]])
    assert done["results"][0]["error"]["code"] == "unexpected-response"


@pytest.mark.parametrize(
    ("token", "code", "status"),
    [("hang", "timeout", 0), ("reject", "token-unavailable", 0), ("nothing", "missing-token", 401)],
)
def test_without_a_token_nothing_is_sent(
    node: RunScript, token: str, code: str, status: int
) -> None:
    done = node(CALL, answers=[], calls=[["create", CONFIG]], token=token, timeout=200)
    error = done["results"][0]["error"]
    assert (error["code"], error["status"], error["outcome"]) == (code, status, "nothing-changed")
    assert done["requests"] == []


def test_a_write_without_a_known_revision_is_refused(node: RunScript) -> None:
    done = node(CALL, answers=[answer(ETag='W/"9"'), answer(ETag='"10"')], calls=[
        ["update", CONFIG], ["remove"], ["get"], ["update", CONFIG],
    ])  # fmt: skip
    assert [result.get("error", {}).get("name") for result in done["results"]] == [
        "TypeError", "TypeError", None, None,
    ]  # fmt: skip
    assert done["requests"][-1]["headers"]["If-Match"] == '"9"'


def test_a_signal_cancels_a_call(node: RunScript) -> None:
    script = """
const { AIConfigClient } = await load("client");
const fetch = () => new Promise(() => {});
const client = new AIConfigClient({ baseURL: "", getToken: () => "token", fetch });
const abort = new AbortController();
const call = client.get({ signal: abort.signal }).catch(({ name }) => name);
abort.abort();
return [await call, await client.get({ signal: abort.signal }).catch(({ name }) => name)];
"""
    assert node(script) == ["AbortError", "AbortError"]


def test_the_modules_pass_the_type_checker(tmp_path: Path) -> None:
    need("node")
    compiler = install(tmp_path, "typescript@5.9.3") / "bin" / "tsc"
    options = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--noUnusedLocals"]
    target = ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    library = ["--lib", "es2022,dom,dom.iterable"]
    run(
        need("node"), compiler, *options, *target, *library, *sorted(WEB.glob("*.js")), cwd=tmp_path
    )

"""The rules of the draft, in Node: what saving sends for each edit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.node import RunScript

SUBMIT = """
const drafts = await load("draft");
const { submission: submit } = await load("submission");
const { keyStatus } = await load("key");
const draft = drafts.draftOf(given.saved);
for (const [index, fields] of given.edits) {
  if (index === draft.models.length) draft.models.push(drafts.newEntry());
  if (fields === null) draft.models.splice(index, 1);
  else Object.assign(draft.models[index], fields);
}
const name = ({ provider, model }) => `${provider}/${model}`;
const current = given.current ?? given.saved;
const dirty = drafts.isDirty(draft, given.saved);
const lost = given.current ? drafts.rebase(draft, given.current) : [];
const submission = await submit(draft, {
  seal: async (apiKey) => `sealed ${apiKey}`,
  stored: async () => ({
    models: current.models.map((entry) => ({ ...entry, apiKeyEncrypted: `stored ${name(entry)}` })),
  }),
}).catch(({ code, errors }) => ({ code, errors }));
const status = draft.models.map(keyStatus);
return { ...submission, dirty, lost, status };
"""


def model(provider: str, name: str, state: str = "set") -> dict[str, Any]:
    entry = {"provider": provider, "type": "chat", "model": name, "isPaid": False}
    return {**entry, "keyState": state}


LOCAL = {
    **model("vLLM", "llama3"),
    "label": "At home",
    "enabled": False,
    "baseUrl": "http://127.0.0.1:8000/v1",
    "options": {"region": "eu", "timeout": 3},
}
OPENAI, OLLAMA = model("OpenAI", "gpt-4"), model("Ollama", "llama3", "unset")
SAVED = {"models": [OPENAI, OLLAMA], "system_prompt": "Be brief."}
KEPT = "absent"

Edits = list[tuple[int, dict[str, Any] | None]]


def submit(node: RunScript, *edits: tuple[int, dict[str, Any] | None], **more: Any) -> Any:
    return node(SUBMIT, **{"saved": SAVED, "edits": edits, **more})


@pytest.mark.parametrize(
    ("edits", "keys", "states"),
    [
        ([], [KEPT, KEPT], ["set", "unset"]),
        ([(0, {"isPaid": True})], [KEPT, KEPT], ["set", "unset"]),
        # Another model of the same provider: the server cannot find the key by identity.
        ([(0, {"model": "gpt-5"})], ["stored OpenAI/gpt-4", KEPT], ["set", "unset"]),
        (
            [(0, {"provider": "Mistral", "keyAction": "remove"})],
            [None, KEPT],
            ["unset", "unset"],
        ),
        ([(0, {"enabled": False})], [KEPT, KEPT], ["set", "unset"]),
        # The stored key of another entry.
        (
            [(1, {"provider": "OpenAI", "keyFrom": OPENAI})],
            [KEPT, "stored OpenAI/gpt-4"],
            ["set", "set"],
        ),
        (
            [(1, {"provider": "OpenAI", "keyFrom": {**OPENAI, "apiKeyEncrypted": "given"}})],
            [KEPT, "given"],
            ["set", "set"],
        ),
        ([(0, {"provider": " OpenAI "})], [KEPT, KEPT], ["set", "unset"]),
        ([(0, {"keyAction": "remove"})], [None, KEPT], ["unset", "unset"]),
        (
            [(0, {"keyAction": "replace", "newKey": " sk-new\n"})],
            ["sealed sk-new", KEPT],
            ["set", "unset"],
        ),
        ([(1, {"newKey": "sk-new"})], [KEPT, "sealed sk-new"], ["set", "set"]),
        # A new entry that takes the place of a removed one does not take its key.
        ([(0, None), (1, {"provider": "OpenAI", "model": "gpt-4"})], [KEPT, None], ["unset"] * 2),
    ],
)
def test_what_saving_does_to_the_keys(
    node: RunScript, edits: Edits, keys: list[str | None], states: list[str]
) -> None:
    result = submit(node, *edits)
    assert [entry.get("apiKeyEncrypted", KEPT) for entry in result["body"]["models"]] == keys
    assert result["keyStates"] == states
    assert result["dirty"] == bool(edits and edits[0][1] != {"provider": " OpenAI "})


def test_a_key_that_is_too_long_is_rejected(node: RunScript) -> None:
    result = submit(node, (1, {"newKey": "é" * 2049}))
    assert result["code"] == "schema-violation"
    assert [error["pointer"] for error in result["errors"]] == ["/models/1/apiKeyEncrypted"]


def test_the_key_of_another_entry_is_of_no_use_for_another_provider(node: RunScript) -> None:
    result = submit(node, (1, {"keyFrom": OPENAI}))
    assert "apiKeyEncrypted" not in result["body"]["models"][1]
    assert not result["dirty"]


@pytest.mark.parametrize(
    "move",
    [{"provider": "Mistral"}, {"baseUrl": "https://models.example/v1"}, {"baseUrl": "typo"}],
)
def test_a_stored_key_is_not_lost_without_a_decision(node: RunScript, move: dict[str, str]) -> None:
    undecided = submit(node, (0, move))
    assert undecided["errors"][0]["code"] == "key-required"
    assert undecided["errors"][0]["pointer"] == "/models/0/apiKeyEncrypted"
    dropped = submit(node, (0, {**move, "keyAction": "remove"}))
    assert dropped["body"]["models"][0]["apiKeyEncrypted"] is None
    typed = submit(node, (0, {**move, "newKey": "sk-new"}))
    assert typed["body"]["models"][0]["apiKeyEncrypted"] == "sealed sk-new"


def test_another_path_of_the_same_endpoint_keeps_the_key(node: RunScript) -> None:
    saved = {"models": [LOCAL], "system_prompt": ""}
    result = submit(node, (0, {"baseUrl": "http://127.0.0.1:8000/v2"}), saved=saved)
    assert "apiKeyEncrypted" not in result["body"]["models"][0]


OPTIONS = {
    "text": "eu west", "number": 3.5, "yes": True, "like-a-number": "3", "leading-zero": "007",
    "like-true": "true", "blank": " a ", "lines": "a\nb", "equals": "a=b", "quoted": '"',
    "empty": "",
}  # fmt: skip


def test_options_survive_as_text(node: RunScript) -> None:
    script = """
const { formatOptions, parseOptions } = await load("options");
return [formatOptions(given.options), parseOptions(formatOptions(given.options))];
"""
    text, parsed = node(script, options=OPTIONS)
    assert parsed == OPTIONS
    assert text.splitlines()[:4] == [
        "text = eu west",
        "number = 3.5",
        "yes = true",
        'like-a-number = "3"',
    ]


def test_a_line_without_a_name_is_no_option(node: RunScript) -> None:
    result = submit(node, (0, {"options": "region = eu\nnonsense"}))
    assert [error["pointer"] for error in result["errors"]] == ["/models/0/options"]
    assert result["dirty"]


def test_a_draft_is_rebased_on_what_was_saved_elsewhere(node: RunScript) -> None:
    renamed = (0, {"model": "gpt-5"})
    still_there = {"models": [OLLAMA, OPENAI], "system_prompt": ""}
    result = submit(node, renamed, current=still_there)
    assert result["lost"] == []
    assert result["body"]["models"][0]["apiKeyEncrypted"] == "stored OpenAI/gpt-4"
    gone = {"models": [OLLAMA], "system_prompt": ""}
    result = submit(node, renamed, current=gone)
    assert result["lost"] == ["OpenAI · gpt-5"]
    assert result["body"]["models"][0]["apiKeyEncrypted"] is None


def test_code_points_are_counted(node: RunScript) -> None:
    assert node('return (await load("draft")).codePoints("🔑é");') == 2


def test_all_members_are_sent_back(node: RunScript) -> None:
    home = {**LOCAL, "label": "At home"}
    office = {**LOCAL, "label": "At the office"}
    saved = {"models": [home, office], "system_prompt": ""}
    result = submit(node, (1, {"isPaid": True}), saved=saved)
    entries = [{n: v for n, v in entry.items() if n != "keyState"} for entry in (home, office)]
    assert result["body"]["models"] == [entries[0], {**entries[1], "isPaid": True}]


def test_the_label_is_part_of_the_identity(node: RunScript) -> None:
    """An entry whose label is gone was deleted elsewhere; one under another label is not it."""
    saved = {"models": [LOCAL], "system_prompt": ""}
    other = {"models": [{**LOCAL, "label": "At the office"}], "system_prompt": ""}
    result = submit(node, saved=saved, current=other)
    assert result["lost"] == ["vLLM · llama3 · At home"]
    assert result["body"]["models"][0]["apiKeyEncrypted"] is None


def changed(config: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {**config, "models": [{**config["models"][0], **members}, *config["models"][1:]]}


IS_STORED = """
const { draftOf } = await load("draft");
const { isStored, submission } = await load("submission");
const sent = await submission(draftOf(given.sent), { seal: null, stored: null });
return given.stored.map((config) => isStored(config, sent));
"""


def test_what_is_stored_is_compared_with_what_was_sent(node: RunScript) -> None:
    sent = {"models": [LOCAL, OPENAI], "system_prompt": "Be brief."}
    reordered = changed(sent, options=dict(reversed(LOCAL["options"].items())))
    others = [
        None,
        {**sent, "system_prompt": ""},
        {**sent, "models": [OPENAI, LOCAL]},
        {**sent, "models": [LOCAL]},
        changed(sent, isPaid=True),
        changed(sent, keyState="unset"),
        changed(sent, options={"region": "us", "timeout": 3}),
        changed(sent, enabled=True),
    ]
    stored = [sent, reordered, *others]
    assert node(IS_STORED, sent=sent, stored=stored) == [True, True, *[False] * len(others)]


LINEAR = """
const drafts = await load("draft");
const { submission } = await load("submission");
const { isolate } = await load("dom");
const { AIConfigClient, sealApiKey } = await load("client");
const curve = { name: "ECDH", namedCurve: "P-256" };
const pair = await crypto.subtle.generateKey(curve, true, ["deriveBits"]);
const jwk = { ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid: "k" };
const models = (n) => Array.from({ length: n / 100 }, (_, m) => ({
  provider: "OpenAI", type: "chat", model: `${m}`, isPaid: false, keyState: "set",
}));
const config = (n) => ({ models: models(n), system_prompt: "" });
const respond = (response) => new AIConfigClient({
  baseURL: "/", getToken: () => "token", fetch: async () => response,
}).get().catch(() => null);
const renamed = (n) => {
  const draft = drafts.draftOf(config(n));
  for (const entry of draft.models) entry.model += "-new";
  return draft;
};
const work = {
  codePoints: (n) => drafts.codePoints("🔑".repeat(n)),
  isolate: (n) => isolate(" ".repeat(n) + "\u202e"),
  name: (n) => drafts.nameOf({ provider: " ".repeat(n) + "x", model: "x" + " ".repeat(n) + "x" }),
  baseURL: (n) => new AIConfigClient({ baseURL: "/".repeat(n) + "x", getToken: null }),
  etag: (n) => respond(Response.json(config(0), { headers: { ETag: "W/".repeat(n) } })),
  retryAfter: (n) =>
    respond(new Response("", { status: 503, headers: { "Retry-After": "9".repeat(n) } })),
  problem: (n) => respond(new Response(
    JSON.stringify({ errors: Array(n / 10).fill({ pointer: "/" }) }),
    { status: 422, headers: { "Content-Type": "application/problem+json" } },
  )),
  apv: (n) => sealApiKey({ keys: [jwk], apv: "A".repeat(n) }, "sk-demo"),
  dirty: (n) => drafts.isDirty(drafts.draftOf(config(n)), config(n)),
  submission: (n) => submission(renamed(n), { seal: null, stored: async () => config(n) }),
  rebase: (n) => drafts.rebase(renamed(n), config(n)),
};
const time = async (run, n) => {
  let best = Infinity;
  for (let round = 0; round < 5; round += 1) {
    const start = performance.now();
    await run(n);
    best = Math.min(best, performance.now() - start);
  }
  return best;
};
const ratios = {};
for (const [name, run] of Object.entries(work)) {
  await time(run, 1000);
  ratios[name] = (await time(run, 320_000)) / (await time(run, 20_000));
}
return ratios;
"""


def test_the_work_grows_linearly_with_the_input(node: RunScript) -> None:
    """Sixteen times the input; quadratic work would take 256 times as long."""
    ratios = node(LINEAR)
    assert len(ratios) == 11
    assert {name: ratio for name, ratio in ratios.items() if ratio > 128} == {}

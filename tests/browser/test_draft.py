"""The rules of the draft, in Node: what saving sends for each edit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.node import RunScript

SUBMIT = """
const drafts = await load("draft");
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
const submission = await drafts.submission(draft, {
  seal: async (apiKey) => `sealed ${apiKey}`,
  stored: async () => ({
    models: current.models.map((entry) => ({ ...entry, apiKeyEncrypted: `stored ${name(entry)}` })),
  }),
}).catch(({ code, errors }) => ({ code, errors }));
const status = draft.models.map(drafts.keyStatus);
return { ...submission, dirty, lost, status };
"""


def model(provider: str, name: str, state: str = "set") -> dict[str, Any]:
    entry = {"provider": provider, "type": "chat", "model": name, "isPaid": False}
    return {**entry, "keyState": state}


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
        ([(0, {"provider": "Mistral"})], [None, KEPT], ["unset", "unset"]),
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

"""Settings as a file, without keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import GPT, KEY, ElementPage
from tests.browser.node import RunScript
from tests.browser.test_draft import LOCAL, OLLAMA, OPENAI, SAVED

EXPORT = """
const { draftOf } = await load("draft");
const transfer = await load("transfer");
const draft = draftOf(given.saved);
Object.assign(draft.models[0], { keyAction: "replace", newKey: "sk-secret" });
const text = transfer.writeFile(draft);
return { text, read: transfer.readFile(text) };
"""


def plain(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "keyState"}


def test_a_file_has_everything_but_the_keys(node: RunScript) -> None:
    saved = {"models": [OPENAI, LOCAL], "system_prompt": "Be brief."}
    written = node(EXPORT, saved=saved)
    assert json.loads(written["text"]) == {
        "models": [plain(OPENAI), plain(LOCAL)],
        "system_prompt": "Be brief.",
    }
    assert written["read"] == json.loads(written["text"])
    assert "sk-secret" not in written["text"]


ENTRY = plain(OPENAI)
WRONG: list[Any] = [
    None,
    [],
    {},
    {"models": [], "system_prompt": None},
    {"models": {}, "system_prompt": ""},
    {"models": [None], "system_prompt": ""},
    {"models": [{**ENTRY, "isPaid": "yes"}], "system_prompt": ""},
    {"models": [{**ENTRY, "options": None}], "system_prompt": ""},
    {"models": [{"provider": "OpenAI"}], "system_prompt": ""},
    {"models": [ENTRY, ENTRY], "system_prompt": ""},
    {"models": [{**ENTRY, "model": str(n)} for n in range(101)], "system_prompt": ""},
]


def test_what_is_no_export_is_refused(node: RunScript) -> None:
    texts = ["", "{", *map(json.dumps, WRONG)]
    read = node('return given.texts.map((await load("transfer")).readFile);', texts=texts)
    assert read == [None] * len(texts)


def test_keys_and_unknown_members_in_a_file_are_ignored(node: RunScript) -> None:
    entry = {**ENTRY, "apiKeyEncrypted": "stolen", "keyState": "set", "later": 1}
    text = json.dumps({"models": [entry], "system_prompt": "", "version": 2})
    read = node('return (await load("transfer")).readFile(given.text);', text=text)
    assert read == {"models": [ENTRY], "system_prompt": ""}


APPLY = """
const { draftOf, isDirty } = await load("draft");
const { submission } = await load("submission");
const { applyFile } = await load("transfer");
const draft = draftOf(given.saved);
Object.assign(draft.models[1], { newKey: "sk-typed" });
const applied = applyFile(draft, given.file);
const { body } = await submission(applied.draft, {
  seal: async (key) => `sealed ${key}`, stored: null,
});
return { changes: applied.changes, body };
"""


def test_entries_of_both_keep_their_keys(node: RunScript) -> None:
    new = {**ENTRY, "model": "gpt-5"}
    file = {"models": [plain(OLLAMA), {**ENTRY, "isPaid": True}, new], "system_prompt": "New."}
    applied = node(APPLY, saved=SAVED, file=file)
    assert applied["changes"] == {
        "added": ["OpenAI · gpt-5"],
        "removed": [],
        "changed": ["OpenAI · gpt-4"],
        "order": True,
        "prompt": True,
    }
    keys = [entry.get("apiKeyEncrypted", "kept") for entry in applied["body"]["models"]]
    assert keys == ["sealed sk-typed", "kept", None]
    nothing = {"models": [], "system_prompt": "Be brief."}
    changes = node(APPLY, saved=SAVED, file=nothing)["changes"]
    assert changes["removed"] == ["OpenAI · gpt-4", "Ollama · llama3"]
    assert (changes["order"], changes["prompt"]) == (False, False)


@pytest.fixture
def connected(element: ElementPage) -> ElementPage:
    element.store({**GPT, "key": "stored"})
    element.connect()
    return element


def choose(element: ElementPage, path: Path) -> None:
    with element.page.expect_file_chooser() as chooser:
        element.button("Import…").click()
    chooser.value.set_files(path)


def test_an_exported_file_can_be_imported(connected: ElementPage, tmp_path: Path) -> None:
    with connected.page.expect_download() as download:
        connected.button("Export").click()
    assert download.value.suggested_filename == "ai-settings.json"
    path = tmp_path / "exported.json"
    download.value.save_as(path)
    choose(connected, path)
    expect(connected.alert).to_contain_text("The file has the settings that are shown")

    exported = json.loads(path.read_text(encoding="utf-8"))
    exported["models"].append({**GPT, "model": "gpt-5"})
    path.write_text(json.dumps({**exported, "system_prompt": "Imported."}), encoding="utf-8")
    choose(connected, path)
    expect(connected.page.get_by_role("heading", name="Import these")).to_be_focused()
    expect(connected.page.locator(".conflict li")).to_have_text(
        ["Added: \u2068OpenAI · gpt-5\u2069", "The system prompt changes"]
    )
    assert connected.requests("PUT") == []
    connected.button("Use these settings").click()
    expect(connected.prompt).to_have_value("Imported.")
    connected.fill(2, API_key=KEY)
    connected.save()
    kept, new = connected.run("() => server.stored.alice.models")
    assert kept["key"] == "stored"
    assert new["model"] == "gpt-5"


def test_an_import_can_be_cancelled(connected: ElementPage, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"models": [], "system_prompt": "Other."}', encoding="utf-8")
    choose(connected, path)
    connected.button("Cancel").click()
    expect(connected.button("Import…")).to_be_focused()
    expect(connected.prompt).to_have_value("Be brief.")
    path.write_text("not JSON", encoding="utf-8")
    choose(connected, path)
    expect(connected.alert).to_contain_text("This is not a file of exported settings")

"""What is pasted along with an API key is cleaned off, and whose key it looks like."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.helpers import GPT, ElementPage
from tests.browser.node import RunScript

KEY = "sk-proj-0123456789_abcdefghij"

PASTED: list[tuple[str, str, set[str]]] = [
    (KEY, KEY, set()),
    ("", "", set()),
    (f" \t{KEY}\n", KEY, {"blanks"}),
    (f'"{KEY}"', KEY, {"quotes"}),
    (f"“{KEY}”", KEY, {"quotes"}),
    (f'{KEY}",', KEY, {"quotes"}),
    (f"Bearer {KEY}", KEY, {"bearer"}),
    (f"bearer  {KEY}", KEY, {"bearer"}),
    (f"Authorization: Bearer {KEY}", KEY, {"bearer"}),
    (f"OPENAI_API_KEY={KEY}", KEY, {"name"}),
    (f"openai_api_key = {KEY}", KEY, {"name"}),
    (f"export OPENAI_API_KEY='{KEY}';", KEY, {"name", "quotes"}),
    (f"$env:GROQ_API_KEY = {KEY}", KEY, {"name"}),
    (f'"apiKey": "{KEY}",', KEY, {"name", "quotes"}),
    (f"x-api-key: {KEY}", KEY, {"name"}),
    (f"HF_AUTH=Bearer {KEY}", KEY, {"name", "bearer"}),
    (f"\ufeff{KEY[:8]}\u200b{KEY[8:]}\u00ad", KEY, {"invisible"}),
    (f'\u200b "\u200bBearer\u00a0{KEY} " ', KEY, {"invisible", "blanks", "quotes", "bearer"}),
    # What is part of a key stays.
    ("a2V5IGluIGJhc2U2NA==", "a2V5IGluIGJhc2U2NA==", set()),
    ("secretkeyinbase64==", "secretkeyinbase64==", set()),
    ("two words", "two words", set()),
    ("user:password", "user:password", set()),
    ("user_name:password", "user_name:password", set()),
    ("ключ-🔑", "ключ-🔑", set()),
    (" " + "x" * 8192, " " + "x" * 8192, set()),  # No API key is that long.
]


def test_what_is_pasted_along_is_cleaned_off(node: RunScript) -> None:
    found = node(
        'const { cleanKey } = await load("paste"); return given.texts.map(cleanKey);',
        texts=[text for text, _, _ in PASTED],
    )
    cleaned = [(one["key"], set(one["extras"])) for one in found]
    assert cleaned == [(key, extras) for _, key, extras in PASTED]


@pytest.mark.parametrize(
    ("key", "provider", "owner"),
    [
        ("sk-ant-0123", "OpenAI", "Anthropic"),
        ("sk-ant-0123", "anthropic", ""),
        ("sk-proj-0123", "Mistral", "OpenAI"),
        ("sk-proj-0123", "Azure OpenAI", ""),
        ("sk-or-v1-0123", "OpenAI", "OpenRouter"),
        ("AIza0123", "Google Gemini", ""),
        ("tgp_v1_0123", "Together", ""),
        ("hf_0123", "hugging-face", ""),
        ("gsk_0123", "xAI", "Groq"),
        ("sk-0123", "DeepSeek", ""),  # Several providers issue these.
        ("gsk_0123", "", ""),
    ],
)
def test_a_key_of_another_provider_is_recognized(
    node: RunScript, key: str, provider: str, owner: str
) -> None:
    script = 'return (await load("paste")).foreignProvider(given.key, given.provider);'
    assert node(script, key=key, provider=provider) == owner


def paste(element: ElementPage, text: str) -> Locator:
    """Paste a text into the key field of the first entry, as a user would."""
    element.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    element.run("({ text }) => navigator.clipboard.writeText(text)", text=text)
    field = element.open().get_by_label("API key", exact=True)
    field.press("Control+A")
    field.press("Control+V")
    return field


def test_what_is_pasted_is_cleaned_and_said(element: ElementPage) -> None:
    element.store(GPT)
    element.connect()
    field = paste(element, f'OPENAI_API_KEY="Bearer {KEY}"')
    expect(field).to_have_value(KEY)
    note = element.entry().get_by_role("status")
    expect(note).to_contain_text("quotation marks, the name of a variable, “Bearer”")
    expect(element.entry().locator(".badge")).to_have_text("New")
    field.press("End")
    field.press_sequentially('"')
    expect(field).to_have_value(f'{KEY}"')  # What is typed is meant.
    expect(note).to_be_empty()


def test_a_key_of_another_provider_is_warned_of_and_saved(element: ElementPage) -> None:
    element.store(GPT)
    element.connect()
    paste(element, "sk-ant-0123456789")
    note = element.entry().get_by_role("status")
    expect(note).to_contain_text("This looks like a key of Anthropic.")
    element.save()
    expect(element.entry().locator(".badge")).to_have_text("Set")
    assert element.run("() => server.stored.alice.models[0].key").count(".") == 4
    expect(note).to_be_empty()


def test_a_typed_key_can_be_shown(element: ElementPage) -> None:
    element.store(GPT)
    element.connect()
    field = element.open().get_by_label("API key", exact=True)
    expect(element.button("Show key")).to_be_hidden()
    field.fill(KEY)
    expect(field).to_have_css("-webkit-text-security", "disc")
    element.button("Show key").click()
    expect(field).to_have_css("-webkit-text-security", "none")
    element.button("Hide key").click()
    expect(field).to_have_css("-webkit-text-security", "disc")
    element.button("Show key").click()
    element.save()
    element.open()
    element.button("Replace the key of OpenAI · gpt-4").click()
    expect(field).to_have_css("-webkit-text-security", "disc")

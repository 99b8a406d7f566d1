"""Provider, type and model are comboboxes, filled from the catalogue or with well-known names."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.helpers import GPT, ElementPage

CATALOG = {
    "providers": [
        {
            "name": "OpenAI",
            "models": [
                {"model": "gpt-4", "type": "chat", "isPaid": True},
                {"model": "embed", "type": "embedding"},
            ],
            "otherModels": False,
        },
        {"name": "Ollama", "models": [], "otherModels": True, "isPaid": False},
    ],
    "otherProviders": False,
    "baseUrls": [],
    "systemPrompt": {"mode": "before", "text": "Answer in English."},
}


def connect(element: ElementPage, catalog: Any = None) -> None:
    if catalog:
        element.run("({ catalog }) => { server.catalog = catalog; }", catalog=catalog)
    element.store(GPT)
    element.connect()
    element.open()


def field(element: ElementPage, name: str) -> Locator:
    return element.entry().get_by_role("combobox", name=name, exact=True)


def options(element: ElementPage) -> list[str]:
    return element.entry().get_by_role("option").all_text_contents()


def chevron(element: ElementPage, name: str) -> Locator:
    return field(element, name).locator("xpath=..").get_by_role("button", name="Show options")


def test_the_chevron_shows_every_option_and_typing_filters(element: ElementPage) -> None:
    connect(element)
    chevron(element, "Type").click()
    assert options(element) == ["chat", "completion", "embedding", "image", "audio"]
    expect(field(element, "Type")).to_be_focused()
    chevron(element, "Type").click()
    assert options(element) == []
    field(element, "Provider").fill("opena")
    assert options(element) == ["OpenAI", "Azure OpenAI"]
    field(element, "Provider").fill("OpenAI")
    assert options(element) == []
    field(element, "Provider").fill("ol")
    assert options(element) == ["Ollama"]
    element.entry().get_by_role("option", name="Ollama").click()
    expect(field(element, "Provider")).to_have_value("Ollama")
    expect(field(element, "Provider")).to_be_focused()
    expect(element.entry().get_by_role("heading")).to_have_text("Ollama · gpt-4")
    field(element, "Model").press("ArrowDown")
    assert "llama3" in options(element)


def test_the_keyboard_moves_chooses_and_closes(element: ElementPage) -> None:
    connect(element)
    model = field(element, "Type")
    model.focus()
    expect(model).to_have_attribute("aria-expanded", "false")
    model.press("ArrowDown")
    expect(model).to_have_attribute("aria-expanded", "true")
    active = element.page.locator("[role=option][data-active]")
    expect(active).to_have_text("chat")
    assert model.get_attribute("aria-activedescendant") == active.get_attribute("id")
    for key, text in (("ArrowUp", "audio"), ("ArrowDown", "chat"), ("ArrowDown", "completion")):
        model.press(key)
        expect(active).to_have_text(text)
    model.press("Escape")
    expect(model).to_have_value("chat")
    expect(model).to_have_attribute("aria-expanded", "false")
    model.press("ArrowUp")
    model.press("Enter")
    expect(model).to_have_value("audio")
    assert options(element) == []
    model.press("Alt+ArrowDown")
    expect(active).to_have_count(0)
    expect(element.page.get_by_role("option", name="audio")).to_have_attribute(
        "aria-selected", "true"
    )
    model.press("Tab")
    assert options(element) == []


def test_free_text_is_taken_where_nobody_forbids_it(element: ElementPage) -> None:
    connect(element)
    element.fill(Provider="My own", Model="tiny", Type="chat")
    field(element, "Type").press("Tab")
    expect(field(element, "Provider")).not_to_have_attribute("aria-invalid", "true")
    element.save()
    assert element.run("() => server.stored.alice.models[0].provider") == "My own"


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"Provider": "Mistral"}, "Provider"),
        ({"Model": "gpt-9"}, "Model"),
        ({"Model": "embed", "Provider": "Ollama"}, None),
    ],
)
def test_what_the_catalogue_does_not_offer_is_said_at_once(
    element: ElementPage, fields: dict[str, str], refused: str | None
) -> None:
    connect(element, CATALOG)
    for name, value in fields.items():
        field(element, name).fill(value)
        field(element, name).press("Tab")
    for name in ("Provider", "Model"):
        wrong = field(element, name)
        if name == refused:
            expect(wrong).to_have_accessible_description("Your operator does not offer this.")
        else:
            expect(wrong).not_to_have_attribute("aria-invalid", "true")


def test_options_come_from_the_catalogue(element: ElementPage) -> None:
    connect(element, CATALOG)
    chevron(element, "Provider").click()
    assert options(element) == ["OpenAI", "Ollama"]
    chevron(element, "Model").click()
    assert options(element) == ["gpt-4", "embed"]
    element.page.get_by_role("option", name="embed").click()
    expect(field(element, "Type")).to_have_value("embedding")


def test_what_the_operator_fixed_is_shown_as_fixed(element: ElementPage) -> None:
    connect(element, CATALOG)
    paid = element.entry().get_by_label("Paid")
    expect(paid).to_be_disabled()
    expect(paid).to_be_checked()
    expect(paid).to_have_accessible_description("Set by your operator.")
    expect(element.entry().locator(".tag")).to_be_visible()
    element.entry().get_by_text("Advanced").click()
    endpoint = element.entry().get_by_label("Endpoint")
    expect(endpoint).not_to_be_editable()
    expect(endpoint).to_have_accessible_description("Set by your operator.")
    expect(element.page.get_by_role("region", name="Your operator's system prompt")).to_have_text(
        "Answer in English."
    )
    field(element, "Model").fill("embed")
    field(element, "Model").press("Tab")
    expect(paid).to_be_enabled()


def test_a_stored_entry_that_is_not_offered_any_more_says_so(element: ElementPage) -> None:
    element.store({**GPT, "offered": False}, {**GPT, "model": "gpt-5", "offered": True})
    element.connect()
    said = element.entry(1).locator(".use")
    expect(said).to_have_text("Your operator does not offer this.")
    expect(element.entry(2).locator(".use")).to_have_text("")
    element.prompt.fill("Be verbose.")
    element.save()
    expect(said).to_have_text("Your operator does not offer this.")


def test_the_operators_prompt_may_replace_the_users(element: ElementPage) -> None:
    connect(element, {**CATALOG, "systemPrompt": {"mode": "only"}})
    expect(element.prompt).not_to_be_editable()
    expect(element.page.get_by_text("used instead of yours")).to_be_visible()


def test_a_gateway_without_a_catalogue_gives_the_built_in_list(element: ElementPage) -> None:
    element.run(
        """() => {
          server.intercept = (request, pass) => {
            if (request.path.endsWith("catalog")) return server.problem(404, "not-found");
            const { include } = request;
            return include.includes("keyUse") ? server.problem(400, "invalid-parameter") : pass();
          };
        }"""
    )
    connect(element)
    chevron(element, "Provider").click()
    assert {"Anthropic", "Mistral", "OpenAI"} <= set(options(element))

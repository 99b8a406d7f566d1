"""The words of the page: one table, German complete, other languages by a hook."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import GPT, ElementPage, delete
from tests.browser.node import RunScript

SHAPES = """
const { t } = await load("language");
const { de } = await load("messages-de");
const shape = (table) => Object.fromEntries(Object.entries(table).map(([name, value]) => [
  name,
  typeof value === "object" && name !== "violation" ? shape(value) : typeof value,
]));
const lines = (table) => Object.entries(table).flatMap(([name, value]) =>
  typeof value === "object" ? lines(value) : [[name, String(value)]]);
const english = new Map(lines(t));
const same = lines(de).filter(([name, text]) => text && english.get(name) === text);
return { english: shape(t), german: shape(de), same };
"""


def test_german_has_every_word_that_english_has(node: RunScript) -> None:
    found = node(SHAPES)
    assert found["german"] == found["english"]
    assert found["same"] == []


LANGUAGES = """
const messages = await load("language");
messages.addMessages("PT-BR", { save: "Salvar" });
const best = given.tags.map(messages.bestLanguage);
await messages.useLanguage("pt-br");
const { save, discard } = messages.t;
const number = messages.formatNumber(32768);
const slow = messages.useLanguage("de");
await messages.useLanguage("en");
await slow;
return { best, save, discard, number, last: messages.language };
"""


def test_a_language_is_found_by_its_tag_and_falls_back_to_english(node: RunScript) -> None:
    tags = ["de", "de-AT", "DE", "pt-BR", "pt", "fr-CA", "", "constructor"]
    assert node(LANGUAGES, tags=tags) == {
        "best": ["de", "de", "de", "pt-br", "en", "en", "en", "en"],
        "save": "Salvar",
        "discard": "Discard",
        "number": "32.768",
        "last": "en",
    }


def test_the_page_speaks_the_language_of_its_document(element: ElementPage) -> None:
    element.store(GPT, prompt="Be brief.")
    element.run(
        """() => {
          document.documentElement.lang = "de-AT";
          document.body.append(settings);
          settings.client = makeClient();
        }"""
    )
    expect(element.page.get_by_role("heading", name="Modelle")).to_be_visible()
    expect(element.page.get_by_text("9 von 32.768")).to_be_visible()
    assert element.run("() => settings.shadowRoot.querySelector('.settings').lang") == "de"


def test_another_language_keeps_what_was_typed(edited: ElementPage) -> None:
    edited.run("() => { settings.lang = 'de'; }")
    expect(edited.page.get_by_label("Anweisungen")).to_have_value("Be verbose.")
    expect(edited.page.get_by_text("Nicht gespeicherte Änderungen")).to_be_visible()
    edited.button("Änderungen speichern").click()
    expect(edited.page.get_by_text("Alle Änderungen sind gespeichert")).to_be_visible()
    edited.run("() => { settings.lang = 'en'; }")
    expect(edited.page.get_by_text("All changes are saved")).to_be_visible()


def test_a_language_can_be_added_after_the_element_is_shown(element: ElementPage) -> None:
    element.run("() => { settings.lang = 'fr'; }")
    element.connect()
    element.run(
        """async () => {
          const { addMessages } = await import("./ai-config.js");
          addMessages("fr", { addModel: "Ajouter un modèle" });
        }"""
    )
    expect(element.button("Ajouter un modèle")).to_be_visible()
    expect(element.button("Save changes")).to_be_visible()


MARK = """async () => {
  const { t, addMessages } = await import("./ai-config-language.js");
  const mark = (value) => {
    if (typeof value === "string") return value && `⟦${value}⟧`;
    if (typeof value === "function") return (...given) => `⟦${value(...given)}⟧`;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mark(one)]));
  };
  addMessages("qaa", mark(t));
  settings.lang = "qaa";
}"""

UNMARKED = r"""() => {
  const found = [];
  const walker = document.createTreeWalker(settings.shadowRoot, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) found.push(walker.currentNode.data);
  for (const one of settings.shadowRoot.querySelectorAll("*")) {
    for (const name of ["aria-label", "title", "placeholder"]) {
      if (one.hasAttribute(name)) found.push(one.getAttribute(name));
    }
  }
  return found.map((text) => text.replace(/⟦[^⟧]*⟧/gu, "").replace(/^\P{L}+|\P{L}+$/gu, ""));
}"""


def unmarked(element: ElementPage) -> set[str]:
    """Words that are not in the table; what the user has entered aside."""
    users = {"OpenAI", "gpt", "OpenAI · gpt", "chat", "Be verbose", "From elsewhere", ""}
    return set(element.run(UNMARKED)) - users


STATES: dict[str, Any] = {
    "the form": lambda page: (page.open(), page.button("⟦Replace the key").click()),
    "an empty form": lambda page: delete_all(page),
    "a conflict": lambda page: conflict(page),
    "what is not accepted": lambda page: refuse(page, "422, 'x', { errors: [{ pointer: '' }] }"),
    "a failure": lambda page: refuse(page, "503, 'storage-unavailable'"),
    "an ended session": lambda page: refuse(page, "401, 'invalid-token'"),
}


def refuse(element: ElementPage, problem: str) -> None:
    element.intercept("PUT", f"() => server.problem({problem})")
    element.button("⟦Save changes⟧").click()
    element.page.locator(".notice").wait_for()


def conflict(element: ElementPage) -> None:
    element.store(prompt="From elsewhere.")
    element.entry().get_by_role("switch").check()
    element.button("⟦Save changes⟧").click()
    element.page.locator(".conflict").wait_for()


def delete_all(element: ElementPage) -> None:
    delete(element)
    element.page.get_by_text("No models yet.").wait_for()


@pytest.mark.parametrize("state", STATES)
def test_every_word_of_the_page_is_in_the_table(edited: ElementPage, state: str) -> None:
    edited.run(MARK)
    edited.page.get_by_text("⟦Unsaved changes⟧").wait_for()
    STATES[state](edited)
    assert unmarked(edited) == set()

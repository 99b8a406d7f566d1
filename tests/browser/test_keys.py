"""One key for many models, and no key that is lost by surprise."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import GPT, KEY, ElementPage, saved_state

MODELS = "() => server.stored.alice.models"
HOME = {**GPT, "baseUrl": "https://home.example/v1"}


def connect(element: ElementPage, *models: dict[str, Any]) -> None:
    element.store(*models)
    element.connect()


def stored(element: ElementPage) -> list[tuple[str, str, str | None]]:
    models = element.run(MODELS)
    return [(one["provider"], one["model"], one.get("key")) for one in models]


def badge(element: ElementPage, number: int = 1) -> Any:
    return element.entry(number).locator(".badge")


def test_the_key_of_another_entry_is_used(element: ElementPage) -> None:
    connect(element, {**GPT, "key": "stored"}, {**GPT, "model": "gpt-5"})
    element.open(2)
    element.button("Use the key of OpenAI · gpt-4").click()
    expect(badge(element, 2)).to_have_text("New")
    expect(element.page.get_by_text("Gets the key of OpenAI · gpt-4")).to_be_visible()
    cancel = element.button("Cancel copying a key to OpenAI · gpt-5")
    expect(cancel).to_be_focused()
    cancel.click()
    saved_state(element).to_be_visible()
    element.button("Use the key of OpenAI · gpt-4").click()
    element.save()
    assert stored(element) == [("OpenAI", "gpt-4", "stored"), ("OpenAI", "gpt-5", "stored")]
    expect(badge(element, 2)).to_have_text("Set")


@pytest.mark.parametrize(
    "other",
    [{"provider": "Mistral"}, HOME, {"key": "stored", "provider": "Mistral"}],
)
def test_a_key_is_offered_for_the_same_provider_and_endpoint_alone(
    element: ElementPage, other: dict[str, Any]
) -> None:
    connect(element, {**GPT, "key": "stored"}, {**GPT, "model": "gpt-5", **other})
    element.open(2)
    expect(element.page.get_by_text("Use the key of")).to_have_count(0)


def test_five_models_take_eight_clicks_and_one_paste(element: ElementPage) -> None:
    """The key of an entry goes along with its copies; ``docs/spa.md`` has the numbers."""
    element.connect()
    keyboard = element.page.keyboard
    element.run(
        """() => {
          window.clicks = 0;
          addEventListener("pointerdown", () => { clicks += 1; }, { capture: true });
        }"""
    )
    element.button("Add a model").click()
    keyboard.insert_text("OpenAI")
    element.entry().get_by_label("Model", exact=True).click()
    keyboard.insert_text("gpt-4")
    element.entry().get_by_label("API key", exact=True).click(position={"x": 9, "y": 9})
    keyboard.insert_text(KEY)
    for name in ("gpt-4o", "gpt-5", "gpt-5-mini", "gpt-9"):
        element.page.locator(".entry [title^=Duplicate]:visible").click()
        keyboard.insert_text(name)
    element.save()
    assert element.run("() => clicks") == 8
    assert [model for _, model, _ in stored(element)][-1] == "gpt-9"
    keys = [key for _, _, key in stored(element)]
    assert len(set(keys)) == 5
    assert all(key and key.count(".") == 4 for key in keys)


def test_a_key_that_is_not_saved_yet_is_offered(element: ElementPage) -> None:
    element.connect()
    element.add(Provider="OpenAI", Model="gpt-4", API_key=KEY)
    element.add(Provider="OpenAI", Model="gpt-5")
    element.button("Use the key of OpenAI · gpt-4").click()
    expect(element.entry(2).get_by_label("API key", exact=True)).to_have_value(KEY)


def test_a_copy_takes_the_stored_key_along(element: ElementPage) -> None:
    connect(element, {**GPT, "key": "stored", "options": {"region": "eu"}})
    element.open()
    element.button("Duplicate OpenAI · gpt-4").click()
    element.page.keyboard.type("gpt-5")
    element.save()
    assert stored(element) == [("OpenAI", "gpt-4", "stored"), ("OpenAI", "gpt-5", "stored")]
    assert element.run(MODELS)[1]["options"] == {"region": "eu"}


def test_a_changed_provider_asks_and_keeps_the_old_entry_as_well(element: ElementPage) -> None:
    connect(element, {**GPT, "key": "stored"})
    element.fill(Provider="Mistral")
    element.entry().get_by_label("Provider").press("Tab")
    status = element.page.locator(".visually-hidden[role=status]")
    expect(status).to_have_text("Decide what happens to the stored key.")
    element.button("Save changes").click()
    key = element.entry().get_by_label("API key", exact=True)
    expect(key).to_be_focused()
    expect(key).to_have_attribute("aria-invalid", "true")
    assert element.requests("PUT") == []
    element.button("Keep OpenAI · gpt-4 as well").click()
    expect(element.entry(2).get_by_label("API key", exact=True)).to_be_focused()
    element.save()
    assert stored(element) == [("OpenAI", "gpt-4", "stored"), ("Mistral", "gpt-4", None)]


def test_a_changed_host_asks_and_takes_a_new_key(element: ElementPage) -> None:
    connect(element, {**HOME, "key": "stored"})
    element.fill(Endpoint="https://home.example/v2")
    expect(badge(element)).to_have_text("Set")
    element.fill(Endpoint="https://office.example/v1")
    expect(badge(element)).to_have_text("Needs re-entry")
    element.fill(API_key=KEY)
    expect(badge(element)).to_have_text("New")
    element.save()
    [(_, _, key)] = stored(element)
    assert key and key.count(".") == 4


def test_a_key_is_dropped_where_the_user_says_so_and_had_back(element: ElementPage) -> None:
    connect(element, {**GPT, "key": "stored"})
    element.fill(Provider="Mistral")
    element.button("Continue without a key for Mistral · gpt-4").click()
    element.save()
    assert stored(element) == [("Mistral", "gpt-4", None)]
    element.button("Undo").click()
    saved_state(element).to_be_visible()
    assert stored(element) == [("OpenAI", "gpt-4", "stored"), ("Mistral", "gpt-4", None)]


def test_a_removed_entry_can_be_had_back_until_it_is_saved(element: ElementPage) -> None:
    connect(element, {**GPT, "key": "stored"}, {**GPT, "model": "gpt-5"})
    element.open(1)
    element.button("Remove OpenAI · gpt-4").click()
    expect(element.page.get_by_text("OpenAI · gpt-4 removed.").last).to_be_visible()
    element.button("Undo").click()
    expect(element.entry(1).locator(".toggle")).to_be_focused()
    saved_state(element).to_be_visible()
    expect(element.button("Undo")).to_have_count(0)
    element.open(1)
    element.button("Remove the key of OpenAI · gpt-4").click()
    element.button("Undo").click()
    expect(badge(element, 1)).to_have_text("Set")
    saved_state(element).to_be_visible()


@pytest.mark.parametrize("what", ["Remove OpenAI · gpt-4", "Remove the key of OpenAI · gpt-4"])
def test_what_was_removed_can_be_had_back_for_ten_seconds_after_it_is_saved(
    element: ElementPage, what: str
) -> None:
    element.page.clock.install()
    before = [{**GPT, "key": "stored"}, {**GPT, "model": "gpt-5"}]
    connect(element, *before)
    element.open(1)
    element.button(what).click()
    element.save()
    assert stored(element) != [("OpenAI", "gpt-4", "stored"), ("OpenAI", "gpt-5", None)]
    element.page.clock.run_for(9_000)
    element.button("Undo").click()
    saved_state(element).to_be_visible()
    assert stored(element) == [("OpenAI", "gpt-4", "stored"), ("OpenAI", "gpt-5", None)]
    element.open(1)
    element.button(what).click()
    element.save()
    element.page.clock.run_for(11_000)
    expect(element.button("Undo")).to_have_count(0)


def test_undo_beside_other_changes_waits_for_their_save(element: ElementPage) -> None:
    connect(element, {**GPT, "key": "stored"})
    element.open()
    element.button("Remove OpenAI · gpt-4").click()
    element.save()
    element.prompt.fill("Half a sent")
    element.button("Undo").click()
    expect(element.page.get_by_text("Unsaved changes")).to_be_visible()
    assert stored(element) == []
    element.save()
    assert stored(element) == [("OpenAI", "gpt-4", "stored")]


def test_discard_asks_when_it_drops_typed_keys(element: ElementPage) -> None:
    connect(element, GPT)
    element.prompt.fill("Be verbose.")
    element.button("Discard").click()
    saved_state(element).to_be_visible()
    element.fill(API_key=KEY)
    element.button("Discard").click()
    dialog = element.page.get_by_role("dialog", name="Discard typed keys?")
    expect(dialog).to_contain_text("OpenAI · gpt-4")
    element.page.keyboard.press("Escape")
    expect(element.entry().get_by_label("API key", exact=True)).to_have_value(KEY)
    element.button("Discard").click()
    dialog.get_by_role("button", name="Discard").click()
    saved_state(element).to_be_visible()
    expect(element.entry().get_by_label("API key", exact=True)).to_have_value("")

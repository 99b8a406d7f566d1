"""The rows of the list: collapsed to a line, found, put in order, switched off, copied."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import GPT, ElementPage


def named(name: str, **members: Any) -> dict[str, Any]:
    return {"provider": "OpenAI", "type": "chat", "model": name, "isPaid": False, **members}


def connect(element: ElementPage, *models: dict[str, Any]) -> None:
    element.store(*models)
    element.connect()


def names(element: ElementPage) -> list[str]:
    headings = element.page.locator(".entry h3:visible").all_text_contents()
    return [heading.removeprefix("OpenAI · ") for heading in headings]


def is_open(element: ElementPage) -> list[bool]:
    toggles = element.page.locator(".toggle").all()
    return [toggle.get_attribute("aria-expanded") == "true" for toggle in toggles]


def test_a_row_tells_the_most_important_in_one_line(element: ElementPage) -> None:
    element.page.clock.install(time="2026-11-24T12:00:00Z")
    use = {"lastUsedAt": "2026-11-24T10:00:00Z", "lastResult": None, "lastResultAt": None}
    connect(element, named("gpt-4", isPaid=True, key="stored", keyUse=use), named("gpt-5"))
    line = element.entry(1).locator(".entry-line")
    expect(line).to_have_text(re.compile("OpenAI · gpt-4.*Used 2 hours ago.*Paid.*Set"))
    expect(element.entry(1).get_by_role("switch", name="Use OpenAI · gpt-4")).to_be_checked()
    expect(element.entry(2).locator(".tag")).to_be_hidden()
    assert is_open(element) == [False, False]
    assert line.bounding_box()["height"] < 70  # type: ignore[index]


def test_one_row_is_open_unless_the_user_opens_more(element: ElementPage) -> None:
    connect(element, *(named(f"gpt-{n}") for n in range(3)))
    element.open(1)
    element.open(3)
    assert is_open(element) == [False, False, True]
    element.button("Expand all").click()
    assert is_open(element) == [True, True, True]
    element.entry(2).locator(".toggle").click()
    assert is_open(element) == [True, False, True]
    element.entry(2).locator(".toggle").click()
    element.button("Collapse all").click()
    assert is_open(element) == [False, False, False]
    element.add(Provider="OpenAI", Model="gpt-9")
    assert is_open(element) == [False, False, False, True]


def test_what_is_open_and_what_has_the_focus_stays_when_it_is_saved(element: ElementPage) -> None:
    connect(element, named("gpt-4"), named("gpt-5"))
    element.fill(2, Label="At work")
    element.run("() => settings.save()")
    expect(element.entry(2).get_by_label("Label")).to_be_focused()
    assert is_open(element) == [False, True]


def test_eight_entries_can_be_searched(element: ElementPage) -> None:
    connect(element, *(named(f"gpt-{n}") for n in range(7)))
    search = element.page.get_by_label("Search models")
    expect(search).to_be_hidden()
    element.add(Provider="Ollama", Model="llama3", Label="At home")
    search.fill("HOME lla")
    assert names(element) == ["Ollama · llama3 · At home"]
    expect(element.page.locator(".visually-hidden[role=status]")).to_have_text("1 of 8 models")
    search.fill("gpt-3")
    assert names(element) == ["gpt-3"]
    search.fill("")
    assert len(names(element)) == 8


def test_an_error_in_an_entry_that_was_not_found_is_shown(element: ElementPage) -> None:
    connect(element, *(named(f"gpt-{n}") for n in range(8)))
    element.fill(1, Model="gpt-9")
    element.page.get_by_label("Search models").fill("gpt-3")
    element.intercept(
        "PUT",
        """() => server.problem(422, "schema-violation", { errors: [
          { pointer: "/models/0/model", code: "pattern", detail: "Wrong." }] })""",
    )
    element.button("Save changes").click()
    expect(element.entry(1).get_by_label("Model", exact=True)).to_be_focused()


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        (["ArrowDown"], ["gpt-1", "gpt-0", "gpt-2"]),
        (["End"], ["gpt-1", "gpt-2", "gpt-0"]),
        (["End", "ArrowUp"], ["gpt-1", "gpt-0", "gpt-2"]),
        (["ArrowUp", "End", "ArrowDown", "Home"], ["gpt-0", "gpt-1", "gpt-2"]),
    ],
)
def test_the_handle_moves_an_entry_by_the_keyboard(
    element: ElementPage, keys: list[str], order: list[str]
) -> None:
    connect(element, *(named(f"gpt-{n}") for n in range(3)))
    grip = element.button("Reorder OpenAI · gpt-0")
    grip.focus()
    for key in keys:
        element.page.keyboard.press(key)
        expect(grip).to_be_focused()
    assert names(element) == order


def drag(element: ElementPage, number: int, to: int) -> None:
    """Drag an entry by its handle to the middle of another, and do not let go."""
    start = element.entry(number).locator(".grip").bounding_box()
    end = element.entry(to).locator(".entry-line").bounding_box()
    assert start and end
    mouse = element.page.mouse
    mouse.move(start["x"] + 5, start["y"] + 5)
    mouse.down()
    mouse.move(start["x"] + 5, end["y"] + end["height"] - 5, steps=4)


def test_an_entry_is_dragged_to_another_place(element: ElementPage) -> None:
    connect(element, *(named(f"gpt-{n}") for n in range(4)))
    drag(element, 1, 3)
    assert names(element) == ["gpt-1", "gpt-2", "gpt-0", "gpt-3"]
    element.page.mouse.up()
    expect(element.button("Reorder OpenAI · gpt-0")).to_be_focused()
    expect(element.page.get_by_text("OpenAI · gpt-0 moved to position 3 of 4.")).to_be_attached()
    drag(element, 4, 1)
    element.page.keyboard.press("Escape")
    element.page.mouse.up()
    assert names(element) == ["gpt-1", "gpt-2", "gpt-0", "gpt-3"]
    element.save()
    stored = element.run("() => server.stored.alice.models.map(({ model }) => model)")
    assert stored == ["gpt-1", "gpt-2", "gpt-0", "gpt-3"]


def test_an_entry_is_moved_to_the_top(element: ElementPage) -> None:
    connect(element, *(named(f"gpt-{n}") for n in range(3)))
    element.open(3)
    element.button("Move OpenAI · gpt-2 to the top").click()
    assert names(element) == ["gpt-2", "gpt-0", "gpt-1"]
    expect(element.button("Move OpenAI · gpt-2 down")).to_be_focused()


def test_label_switch_endpoint_and_options_are_saved(element: ElementPage) -> None:
    connect(element, GPT)
    element.entry().get_by_role("switch", name="Use OpenAI · gpt-4").uncheck()
    element.fill(Label="At work")
    element.entry().get_by_text("Advanced").click()
    element.fill(Endpoint="https://models.example/v1")
    element.fill(Options_for_calls="region = eu\nretries = 3\nstream = true")
    element.save()
    [stored] = element.run("() => server.stored.alice.models")
    assert stored == {
        **GPT,
        "key": None,
        "label": "At work",
        "enabled": False,
        "baseUrl": "https://models.example/v1",
        "options": {"region": "eu", "retries": 3, "stream": True},
    }
    element.fill(Options_for_calls="nonsense")
    element.button("Save changes").click()
    wrong = element.entry().get_by_label("Options for calls")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_accessible_description(re.compile("Write one option on each line"))

"""The element with a server in the page: conflicts, malformed responses, many models."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import GPT, ElementPage, delete, saved_state


def test_members_that_the_page_does_not_show_survive_a_save(element: ElementPage) -> None:
    hidden = {
        "label": "At home",
        "enabled": False,
        "baseUrl": "http://127.0.0.1:8000/v1",
        "options": {"region": "eu"},
    }
    other = {**GPT, "label": "At the office", "key": "stored"}
    element.store({**GPT, **hidden, "key": "stored"}, other)
    element.connect()
    element.fill(2, Model="gpt-5")
    element.save()
    kept, renamed = element.run("() => server.stored.alice.models")
    assert kept == {**GPT, **hidden, "key": "stored"}
    assert renamed == {**other, "model": "gpt-5"}


def elsewhere(element: ElementPage, prompt: str = "From elsewhere.") -> None:
    element.store({**GPT, "key": "stored"}, prompt=prompt)


def test_a_deletion_of_settings_that_were_changed_is_refused(edited: ElementPage) -> None:
    elsewhere(edited)
    delete(edited)
    expect(edited.alert).to_contain_text("Nothing was deleted.")
    expect(edited.page.locator(".conflict")).to_have_count(0)
    expect(edited.prompt).to_have_value("Be verbose.")
    edited.button("Show saved version").click()
    expect(edited.prompt).to_have_value("From elsewhere.")
    elsewhere(edited, "Once more.")
    delete(edited)
    edited.button("Delete anyway").click()
    expect(edited.page.get_by_text("No models yet.")).to_be_visible()


def test_going_back_to_mine_keeps_what_was_edited_meanwhile(edited: ElementPage) -> None:
    elsewhere(edited)
    edited.button("Save changes").click()
    edited.button("Use saved version").click()
    edited.prompt.fill("Edited after that.")
    edited.button("Go back to mine").click()
    expect(edited.prompt).to_have_value("Be verbose.")
    edited.button("Use saved version").click()
    expect(edited.prompt).to_have_value("Edited after that.")


@pytest.mark.parametrize(
    ("respond", "shown"),
    [
        ("() => server.problem(422, 'schema-violation', { errors: null })", "Request failed"),
        (
            "() => server.problem(422, 'x', { errors: [{ pointer: '/models/0/constructor' }] })",
            "Invalid value (/models/0/constructor).",
        ),
        (
            "() => server.problem(422, 'x', { errors: [{ pointer: '/models/9/model' }, null] })",
            "Invalid value (/models/9/model).",
        ),
        (
            "() => new Response('null', { status: 400, headers: "
            "{ 'Content-Type': 'application/problem+json' } })",
            "Request failed",
        ),
    ],
)
def test_a_malformed_response_ends_in_a_notice(
    edited: ElementPage, respond: str, shown: str
) -> None:
    edited.intercept("PUT", respond)
    edited.button("Save changes").click()
    expect(edited.alert).to_contain_text(shown)
    expect(edited.page.locator("[aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("new Promise(() => {})", "The server is unreachable"),
        ("Promise.reject(new Error('No network.'))", "No network."),
        ("undefined", "Your session has ended"),
    ],
)
def test_a_token_that_is_not_to_be_had_ends_in_a_notice(
    element: ElementPage, token: str, shown: str
) -> None:
    element.run(f"() => {{ settings.client = makeClient(() => {token}, {{ timeout: 300 }}); }}")
    expect(element.alert).to_contain_text(shown)
    assert element.run("() => server.log") == []


WORK = """async ({ act }) => {
  const root = settings.shadowRoot;
  let count = 0;
  const observer = new MutationObserver((records) => { count += records.length; });
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  observer.observe(root, all);
  if (act === "type") {
    const field = root.querySelector("input[name=model]");
    field.value += "x";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  } else root.querySelector("button[title^=Move][title$=down]").click();
  count += observer.takeRecords().length;
  return count;
}"""


@pytest.mark.parametrize("act", ["type", "move"])
def test_the_work_for_a_change_does_not_grow_with_the_models(
    element: ElementPage, act: str
) -> None:
    counts = []
    for size in (10, 100):
        element.store(*({**GPT, "model": f"gpt-{n}"} for n in range(size)))
        element.run("() => { settings.client = makeClient(); }")
        expect(element.page.locator("ai-config-settings .entry")).to_have_count(size)
        element.open()
        element.run(WORK, act=act)  # The first change of all shows "Unsaved changes".
        counts.append(element.run(WORK, act=act))
    assert abs(counts[1] - counts[0]) <= 2
    assert counts[0] < 40


@pytest.mark.parametrize(
    ("field", "key"),
    [("Instructions", "Control+s"), ("Instructions", "Meta+S"), ("Label", "Enter")],
)
def test_a_key_saves(edited: ElementPage, field: str, key: str) -> None:
    edited.open()
    # The browser's own answer to Ctrl+S would open a dialog.
    edited.run("() => addEventListener('keydown', (e) => { window.own = !e.defaultPrevented; })")
    edited.page.get_by_label(field, exact=True).first.press(key)
    saved_state(edited).to_be_visible()
    assert edited.run("() => own") is False
    assert edited.run("() => server.stored.alice.system_prompt") == "Be verbose."


@pytest.mark.parametrize(
    ("field", "key"), [("Instructions", "Enter"), ("Instructions", "s"), ("Paid", "Enter")]
)
def test_other_keys_do_not_save(edited: ElementPage, field: str, key: str) -> None:
    edited.open()
    edited.page.get_by_label(field, exact=True).first.press(key)
    expect(edited.page.get_by_text("Unsaved changes")).to_be_visible()
    assert edited.requests("PUT") == []


@pytest.mark.parametrize(
    ("mode", "users", "shown"),
    [
        ("before", "Be brief.", "Use German.\n\nBe brief."),
        ("before", "", "Use German."),
        ("default", "Be brief.", "Be brief."),
        ("default", "", "Use German."),
        ("only", "Be brief.", "Use German."),
    ],
)
def test_what_models_are_told_can_be_previewed(
    element: ElementPage, mode: str, users: str, shown: str
) -> None:
    element.run(
        "({ mode }) => { server.catalog.systemPrompt = { mode, text: 'Use German.' }; }", mode=mode
    )
    element.store(prompt="Be brief." if mode == "only" else "")
    element.connect()
    if mode != "only":
        element.prompt.fill(users)
    element.page.get_by_text("Preview of what models are told").click()
    region = element.page.get_by_role("region", name="Preview of what models are told")
    assert region.inner_text() == shown


def test_there_is_no_preview_where_the_operator_adds_nothing_that_is_shown(
    element: ElementPage,
) -> None:
    element.run("() => { server.catalog.systemPrompt = { mode: 'before' }; }")
    element.connect()
    expect(element.page.get_by_text("Preview of what models are told")).to_be_hidden()

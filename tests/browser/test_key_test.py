"""The Test button, and what is said of a key's use."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import GPT, ElementPage

NOW = "2026-11-24T12:00:00Z"
STORED = {**GPT, "key": "stored"}


def use(used: str | None, result: str | None = None, at: str | None = None) -> dict[str, Any]:
    return {"lastUsedAt": used, "lastResult": result, "lastResultAt": at}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, ""),
        (use(None), "Not used yet"),
        (use("2026-11-24T11:59:00Z"), "Used 1 minute ago"),
        (use("2026-11-24T10:00:00Z", "accepted", "2026-11-24T10:00:02Z"),
         "Works, used 2 hours ago"),
        (use("2026-11-20T10:00:00Z", "accepted", "2026-11-24T12:00:00Z"), "Works, tested now"),
        (use(None, "accepted", "2026-10-01T12:00:00Z"), "Works, tested last month"),
        (use("2026-11-23T11:00:00Z", "rejected", "2026-11-23T11:00:01Z"),
         "Rejected by the provider yesterday"),
        (use(None, "quota-exceeded", "2024-01-01T00:00:00Z"), "Quota exceeded 2 years ago"),
    ],
)  # fmt: skip
def test_the_state_of_a_key_is_said_with_the_time(
    element: ElementPage, known: Any, said: str
) -> None:
    element.page.clock.install(time=NOW)
    element.store({**STORED, "keyUse": known})
    element.connect()
    expect(element.entry().locator(".use")).to_have_text(said)


def test_a_key_is_tested_without_losing_edits(element: ElementPage) -> None:
    element.page.clock.install(time=NOW)
    element.store({**STORED, "label": "At work", "keyUse": use(None)})
    element.connect()
    element.prompt.fill("Half a sent")
    element.open()
    element.run(
        """() => {
          server.verify = () => new Promise((resolve) => {
            window.say = (result) => resolve(Response.json({ result, detail: "" }));
          });
        }"""
    )
    test = element.button("Test the key of OpenAI · gpt-4 · At work")
    test.click()
    expect(element.page.get_by_text("Asking the provider…")).to_be_visible()
    element.entry().get_by_text("Advanced").click()
    element.fill(Options_for_calls="region = eu")
    element.run("() => say('rejected')")
    expect(element.entry().locator(".use")).to_have_text("Rejected by the provider now")
    expect(element.entry().get_by_label("Options for calls")).to_be_focused()
    status = element.page.locator(".visually-hidden[role=status]")
    expect(status).to_have_text("OpenAI · gpt-4 · At work: Rejected by the provider now")
    [request] = element.requests("POST")
    identity = {name: GPT[name] for name in ("provider", "type", "model")}
    assert request["body"] == {**identity, "label": "At work"}
    expect(element.prompt).to_have_value("Half a sent")
    expect(element.entry().get_by_label("Options for calls")).to_have_value("region = eu")
    assert element.requests("PUT") == []
    # The button stays, whatever was said.
    element.run(
        "() => { server.verify = () => Response.json({ result: 'accepted', detail: '' }); }"
    )
    test.press("Enter")
    expect(element.entry().locator(".use")).to_have_text("Works, tested now")
    expect(test).to_be_focused()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Response.json({ result: 'unreachable', detail: 'No response.' })", "No response."),
        ("Response.json({ result: 'unknown', detail: '' })", "did not say whether it works"),
        ("server.problem(429, 'too-many-requests', { detail: 'Wait.' })", "Request failed. Wait."),
        ("server.problem(401, 'invalid-token')", "Your session has ended"),
        ("Promise.reject(new TypeError('lost'))", "The server is unreachable"),
    ],
)
def test_a_test_that_fails_says_why_and_changes_nothing(
    element: ElementPage, answer: str, said: str
) -> None:
    element.store({**STORED, "keyUse": use("2026-11-24T10:00:00Z")})
    element.connect()
    element.open()
    element.run(f"() => {{ server.verify = () => {answer}; }}")
    element.button("Test the key of OpenAI · gpt-4").click()
    expect(element.entry().locator(".key-text")).to_contain_text(said)
    expect(element.entry().locator(".use")).to_contain_text("Used")
    expect(element.alert).to_be_empty()


def test_only_the_stored_key_of_the_entry_as_it_is_can_be_tested(element: ElementPage) -> None:
    element.store(STORED, {**GPT, "model": "gpt-5"})
    element.connect()
    element.open(1)
    test = element.page.get_by_role("button", name="Test the key")
    expect(test).to_have_count(1)
    element.fill(1, Model="gpt-6")
    expect(test).to_have_count(0)
    element.save()
    expect(test).to_have_count(1)
    element.button("Replace the key of OpenAI · gpt-6").click()
    expect(test).to_have_count(0)
    element.open(2)
    expect(test).to_have_count(0)


def test_the_use_of_a_key_stays_when_something_else_is_saved(element: ElementPage) -> None:
    element.page.clock.install(time=NOW)
    element.store({**STORED, "keyUse": use("2026-11-24T10:00:00Z")})
    element.connect()
    element.prompt.fill("Be verbose.")
    element.save()
    expect(element.entry().locator(".use")).to_have_text("Used 2 hours ago")

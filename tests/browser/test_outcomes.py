"""Writes whose response is lost: the page reads again before it says what happened."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.helpers import KEY, ElementPage, delete, saved_state

LOST = {
    "no response": "() => { throw new TypeError('lost'); }",
    "500": "() => server.problem(500, 'internal-error')",
    "502": "() => new Response('<h1>Bad gateway</h1>', { status: 502 })",
    "504": "() => new Response('', { status: 504 })",
    "503 unknown": "() => server.problem(503, 'storage-unavailable', { outcome: 'unknown' })",
    "200 without a body": "() => new Response('')",
}


def then(lost: str) -> str:
    """Let the server do its work, and lose its response."""
    return f"(pass) => {{ pass(); return ({lost})(); }}"


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_write_that_was_stored_counts_whatever_was_answered(
    edited: ElementPage, lost: str
) -> None:
    edited.intercept("PUT", then(lost))
    assert edited.run("() => settings.save()") == "done"
    saved_state(edited).to_be_visible()
    expect(edited.alert).to_be_empty()
    assert edited.run("() => events") == ["ai-config-saved"]


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_write_that_was_not_stored_keeps_the_changes(edited: ElementPage, lost: str) -> None:
    edited.intercept("PUT", lost)
    assert edited.run("() => settings.save()") == "failed"
    expect(edited.alert).to_contain_text("Nothing was saved; your changes are still here.")
    expect(edited.prompt).to_have_value("Be verbose.")
    assert edited.run("() => events") == ["ai-config-error"]
    edited.run("() => { server.intercept = null; }")
    edited.button("Try again").click()
    saved_state(edited).to_be_visible()


@pytest.mark.parametrize("stored", [True, False])
def test_an_unknown_outcome_is_called_unknown_until_it_is_read(
    edited: ElementPage, stored: bool
) -> None:
    """The network fails for the write and for the read after it."""
    edited.run(
        """({ stored }) => {
          server.intercept = (request, pass) => {
            if (request.path.endsWith("encryption-key")) return pass();
            if (request.method === "PUT" && stored) pass();
            throw new TypeError("offline");
          };
        }""",
        stored=stored,
    )
    edited.button("Save changes").click()
    expect(edited.alert).to_contain_text("It is not known whether your changes were saved")
    edited.run("() => { server.intercept = null; }")
    edited.button("Try again").click()
    saved_state(edited).to_be_visible()
    assert edited.run("() => server.stored.alice.system_prompt") == "Be verbose."


def test_edits_after_an_unknown_outcome_are_saved_on_top_of_it(edited: ElementPage) -> None:
    edited.run(
        """() => {
          server.intercept = (request, pass) => {
            if (request.method === "PUT") pass();
            if (request.path.endsWith("encryption-key")) return pass();
            throw new TypeError("offline");
          };
        }"""
    )
    edited.button("Save changes").click()
    expect(edited.alert).to_contain_text("It is not known")
    edited.run("() => { server.intercept = null; }")
    edited.prompt.fill("Be terse.")
    edited.save()
    assert edited.run("() => server.stored.alice.system_prompt") == "Be terse."


def test_nothing_changed_is_believed_without_reading(edited: ElementPage) -> None:
    lost = "() => server.problem(503, 'storage-unavailable', { outcome: 'nothing-changed' })"
    edited.intercept("PUT", lost)
    before = len(edited.requests("GET"))
    edited.button("Save changes").click()
    expect(edited.alert).to_contain_text("Nothing was saved")
    assert len(edited.requests("GET")) == before


def test_a_first_write_that_is_lost_blames_nobody(element: ElementPage) -> None:
    element.connect()
    element.add(Provider="OpenAI", Model="gpt-4", API_key=KEY)
    element.intercept("POST", then(LOST["no response"]))
    element.save()
    expect(element.alert).to_be_empty()
    assert len(element.requests("POST")) == 1


def test_a_lost_response_to_a_write_over_a_change_elsewhere_is_a_conflict(
    edited: ElementPage,
) -> None:
    edited.intercept(
        "PUT",
        """() => {
          const { models } = server.stored.alice;
          server.put("alice", { models, system_prompt: "From elsewhere." });
          throw new TypeError("lost");
        }""",
    )
    assert edited.run("() => settings.save()") == "conflict"
    expect(edited.page.locator(".version").nth(1)).to_contain_text("From elsewhere.")


def test_a_deletion_whose_response_is_lost_is_read_again(edited: ElementPage) -> None:
    edited.intercept("DELETE", LOST["504"], times=1)
    delete(edited)
    expect(edited.alert).to_contain_text("Nothing was deleted.")
    expect(edited.prompt).to_have_value("Be verbose.")
    edited.intercept("DELETE", then(LOST["504"]))
    edited.button("Try again").click()
    expect(edited.page.get_by_text("No models yet.")).to_be_visible()
    expect(edited.alert).to_be_empty()


def test_a_key_that_is_not_accepted_is_sealed_again_once(edited: ElementPage) -> None:
    refuse = "() => server.problem(422, 'key-not-accepted', { errors: [{ pointer: "
    refuse += "'/models/0/apiKeyEncrypted', code: 'key-not-accepted', detail: '' }] })"
    edited.open()
    edited.button("Replace the key of OpenAI · gpt-4").click()
    edited.fill(API_key=KEY)
    edited.intercept("PUT", refuse)
    edited.button("Save changes").click()
    expect(edited.alert).to_contain_text("One field needs your attention")
    assert len(edited.requests("PUT")) == 2
    edited.intercept("PUT", refuse, times=1)
    edited.save()
    keys = [r["body"]["models"][0]["apiKeyEncrypted"] for r in edited.requests("PUT")]
    assert len(set(keys)) == 4
    # A stored key that is refused is not repeated.
    edited.fill(Model="gpt-5")
    edited.intercept("PUT", refuse)
    edited.button("Save changes").click()
    expect(edited.alert).to_contain_text("One field needs your attention")
    assert len(edited.requests("PUT")) == 5

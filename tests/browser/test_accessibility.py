"""Accessibility: axe, tab order, narrow and zoomed pages; takes screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.helpers import GPT, KEY, SETTINGS, DemoServers, ElementPage, User

VIOLATIONS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]);
}"""
SETTLED = "() => document.getAnimations().every((one) => one.playState === 'finished')"

Check = Callable[[str], None]


@pytest.fixture
def check(alice: User, axe: str, shots: Path) -> Check:
    """Runs axe in both colour schemes and takes screenshots."""

    def run(name: str) -> None:
        page = alice.page
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_function(SETTLED)
            if not page.evaluate("'axe' in window"):
                page.evaluate(axe)
            assert page.evaluate(VIOLATIONS) == [], (name, scheme)
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=shots / f"{name}-{scheme}.png")

    return run


@pytest.fixture
def filled(alice: User) -> Iterator[User]:
    """A page that shows all of its settings: a paid model, a local one, a prompt."""
    alice.page.set_viewport_size({"width": 1024, "height": 1520})
    alice.add(Provider="OpenAI", Model="gpt-4", API_key="sk-demo-0123456789abcdefghij")
    alice.entry(1).get_by_label("Paid").check()
    alice.add(Provider="Ollama", Model="llama3")
    alice.prompt.fill("You are a helpful AI assistant.")
    alice.save()
    yield alice


def test_axe_empty_page(alice: User, check: Check) -> None:
    check("empty")


def test_axe_filled_page(filled: User, check: Check) -> None:
    filled.page.get_by_label("Message").fill("Hello")
    filled.button("Send").click()
    filled.page.get_by_text("Key used").wait_for()
    filled.open(1).get_by_role("button", name="Test the key").click()
    filled.entry(1).locator(".use").get_by_text("Works").wait_for()
    check("filled")


def test_axe_errors(filled: User, check: Check) -> None:
    filled.fill(1, Type="Chat!")
    filled.fill(2, Model="")
    filled.open(1)
    filled.button("Replace the key of OpenAI · gpt-4").click()
    filled.prompt.fill("x" * 32769)
    filled.button("Save changes").click()
    filled.alert.get_by_text("3 fields need your attention").wait_for()
    check("errors")


def test_axe_conflict(
    filled: User, check: Check, context: BrowserContext, servers: DemoServers
) -> None:
    other = User(context.new_page(), servers)
    other.log_in()
    other.prompt.fill("From the other tab.\n" * 30)
    other.save()
    filled.page.bring_to_front()
    filled.prompt.fill("My own words.")
    filled.button("Save changes").click()
    filled.page.get_by_text("Settings changed elsewhere").wait_for()
    check("conflict")


def test_axe_unreadable_key(filled: User, check: Check, servers: DemoServers) -> None:
    servers.change_document({"models.0.key.kid": "gone"})
    filled.log_in()
    filled.fill(2, API_key="sk-demo-0123456789abcdefghij")
    expect(filled.entry(1).locator(".badge")).to_have_text("Needs re-entry")
    check("re-entry")


def test_axe_delete_dialog(filled: User, check: Check) -> None:
    filled.button("Delete everything…").click()
    check("delete")


def test_axe_offline(filled: User, check: Check, context: BrowserContext) -> None:
    context.set_offline(True)
    filled.prompt.fill("My own words.")
    filled.button("Save changes").click()
    filled.page.get_by_text("You are offline").wait_for()
    check("offline")


CATALOG = {
    "providers": [
        {"name": "OpenAI", "models": [], "otherModels": True, "isPaid": True},
        {"name": "Mistral", "models": [], "otherModels": True, "sharedKey": "fallback"},
    ],
    "otherProviders": False,
    "baseUrls": [],
    "systemPrompt": {"mode": "before", "text": "Answer in English."},
}


def rejected(element: ElementPage) -> None:
    """Many entries: one that is open, one whose key was rejected, one that is off."""
    use = {"lastUsedAt": None, "lastResult": "rejected", "lastResultAt": "2026-11-23T12:00:00Z"}
    others = ({**GPT, "model": f"gpt-{n}"} for n in range(10, 17))
    off = {**GPT, "model": "gpt-5", "enabled": False, "label": "At work"}
    element.store({**GPT, "key": "stored", "keyUse": use}, off, *others)
    element.connect()
    element.open()


def choosing(element: ElementPage) -> None:
    rejected(element)
    element.entry().get_by_label("Provider", exact=True).press("ArrowDown")
    element.page.get_by_role("option").first.wait_for()


def asking(element: ElementPage) -> None:
    """A stored key that is of no use, what is not offered, and something to undo."""
    element.run("({ catalog }) => { server.catalog = catalog; }", catalog=CATALOG)
    rejected(element)
    element.open(9)
    element.button("Remove OpenAI · gpt-16").click()
    element.open(1)
    element.fill(1, Provider="Cohere")
    element.entry().get_by_label("Provider", exact=True).press("Tab")
    element.entry().get_by_text("Advanced").click()


def confirming(element: ElementPage) -> None:
    rejected(element)
    element.fill(2, API_key=KEY)
    element.button("Discard").click()


@pytest.mark.parametrize("show", [rejected, choosing, asking, confirming])
def test_axe_entries(element: ElementPage, axe: str, show: Callable[[ElementPage], None]) -> None:
    show(element)
    page = element.page
    page.evaluate(axe)
    for scheme in ("light", "dark"):
        page.emulate_media(reduced_motion="reduce")
        element.run(
            """({ scheme }) => {
              const style = { colorScheme: scheme, background: "Canvas" };
              Object.assign(document.documentElement.style, style);
            }""",
            scheme=scheme,
        )
        page.wait_for_function(SETTLED)
        found = page.evaluate(
            """async () => {
              const { violations } = await axe.run(settings, { resultTypes: ["violations"] });
              return violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]);
            }"""
        )
        assert found == [], scheme
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        # At 1280 px with text of twice the size.
        element.run(
            f"() => {{ document.documentElement.style.fontSize = '{1 + width // 1280}em'; }}"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_model_is_configured_by_the_keyboard_alone(element: ElementPage) -> None:
    element.store({**GPT, "key": "stored"})
    element.connect()
    keyboard = element.page.keyboard

    def press(*keys: str) -> None:
        for key in keys:
            keyboard.press(key)

    element.button("Add a model").focus()
    press("Enter", *"OpenA", "ArrowDown", "Enter", "Tab", *"gpt-5", "Escape", "Tab", "Tab", "Tab")
    press("Enter")  # "Use the key of OpenAI · gpt-4"
    expect(element.entry(2).locator(".badge")).to_have_text("New")
    press("Tab", "Space")  # "Paid"
    press("Shift+Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab")
    press("Shift+Tab", "Space", "Shift+Tab", "Shift+Tab", "ArrowUp")  # off, and to the top
    element.run("() => settings.save()")
    first, second = element.run("() => server.stored.alice.models")
    assert first == {**GPT, "model": "gpt-5", "isPaid": True, "enabled": False, "key": "stored"}
    assert second["model"] == "gpt-4"


def focused(user: User) -> str:
    """The accessible name of what has the focus, also inside the element."""
    name: str = user.page.evaluate(
        """() => {
          let at = document.activeElement;
          while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
          return at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
        }"""
    )
    return name.strip()


def test_the_tab_order_is_the_reading_order(filled: User) -> None:
    filled.open(1)
    filled.prompt.fill("Be brief.")
    filled.button("Log out").focus()
    reached = []
    for _ in range(28):
        filled.page.keyboard.press("Tab")
        reached.append(focused(filled))
    gpt, llama = "OpenAI · gpt-4", "Ollama · llama3"
    reorder = ": drag, or use the arrow keys"
    assert reached == [
        *("Expand all", f"Reorder {gpt}{reorder}", gpt, f"Use {gpt}", "Provider", "Model", "Type"),
        *(f"Test the key of {gpt}", f"Replace the key of {gpt}", f"Remove the key of {gpt}"),
        *("Paid", "Label", "Advanced", f"Move {gpt} down", f"Duplicate {gpt}", f"Remove {gpt}"),
        *(f"Reorder {llama}{reorder}", llama, f"Use {llama}"),
        *("Add a model", "Instructions", "Export", "Import…", "Delete everything…"),
        *("Discard", "Save changes"),
        *("Message", "Send"),
    ]


def test_the_focused_control_has_an_outline(filled: User) -> None:
    filled.button("Log out").focus()
    filled.open(1)
    for _ in range(10):
        filled.page.keyboard.press("Tab")
        ring = filled.page.evaluate(
            """() => {
              const style = getComputedStyle(
                document.querySelector("ai-config-settings").shadowRoot.activeElement
              );
              return [style.outlineStyle, style.outlineWidth];
            }"""
        )
        assert ring == ["solid", "3px"]


def test_what_has_the_focus_is_not_under_the_bar(filled: User) -> None:
    filled.page.set_viewport_size({"width": 1024, "height": 500})
    filled.button("Log out").focus()
    filled.open(1)
    for _ in range(20):
        filled.page.keyboard.press("Tab")
        hidden = filled.page.evaluate(
            """() => {
              const root = document.querySelector("ai-config-settings").shadowRoot;
              const box = root.activeElement.getBoundingClientRect();
              const bar = root.querySelector(".bar").getBoundingClientRect();
              return box.top >= bar.top && !root.activeElement.closest(".bar");
            }"""
        )
        assert not hidden, focused(filled)


@pytest.mark.parametrize(
    ("name", "size", "zoom"),
    [("narrow", (320, 640), 1), ("zoomed", (640, 450), 2)],
)
def test_nothing_is_cut_off(
    filled: User, shots: Path, name: str, size: tuple[int, int], zoom: int
) -> None:
    """At 320 px, and at 200 % of a page of 1280 px, which has 640 px to lay itself out."""
    page = filled.page
    long = "a-model-with-a-name-that-goes-on-" * 6
    filled.fill(2, Model=long, Type="Chat!")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    filled.button("Save changes").click()
    filled.page.get_by_text("One field needs your attention").wait_for()
    cut: list[Any] = page.evaluate(
        """() => {
          const root = document.querySelector("ai-config-settings").shadowRoot;
          const wide = document.documentElement.clientWidth;
          const shown = [...root.querySelectorAll("*"), ...document.querySelectorAll("body *")];
          return shown
            .filter((one) => one.checkVisibility() && !one.closest(".visually-hidden"))
            .filter((one) => {
              const { left, right } = one.getBoundingClientRect();
              return left < -0.5 || right > wide + 0.5;
            })
            .map((one) => one.outerHTML.slice(0, 120));
        }"""
    )
    assert cut == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    if zoom == 1:  # All of it, with the bar at its foot.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size[0], "height": height})
    page.screenshot(path=shots / f"{name}.png")


def test_reduced_motion_disables_transitions(filled: User) -> None:
    filled.page.emulate_media(reduced_motion="reduce")
    moving = filled.page.locator(f"{SETTINGS} *").evaluate_all(
        "all => all.filter((one) => getComputedStyle(one).transitionDuration !== '0s').length"
    )
    assert moving == 0


def test_axe_import(filled: User, check: Check, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"models": [], "system_prompt": "Other."}', encoding="utf-8")
    with filled.page.expect_file_chooser() as chooser:
        filled.button("Import…").click()
    chooser.value.set_files(path)
    filled.page.get_by_role("heading", name="Import these settings?").wait_for()
    check("import")

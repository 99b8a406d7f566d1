"""How the element looks and behaves inside a page: colours, direction, scrolling, passwords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.browser.conftest import ARGUMENTS
from tests.browser.helpers import GPT, KEY, ElementPage
from tests.support.processes import need

RLO = "\u202e"


def style(element: ElementPage, selector: str, name: str, pseudo: str = "") -> str:
    value: str = element.run(
        """({ selector, name, pseudo }) => getComputedStyle(
          settings.shadowRoot.querySelector(selector), pseudo || null).getPropertyValue(name)""",
        selector=selector,
        name=name,
        pseudo=pseudo,
    )
    return value


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("page_scheme", ["light", "dark", "light dark", "normal"])
def test_the_colours_are_those_of_the_page(
    element: ElementPage, system: Any, page_scheme: str
) -> None:
    element.page.emulate_media(color_scheme=system)
    element.run(
        "({ scheme }) => { document.documentElement.style.colorScheme = scheme; }",
        scheme=page_scheme,
    )
    element.store(GPT)
    element.connect()
    shown = {"light dark": system, "normal": "light"}.get(page_scheme, page_scheme)
    ink, paper = {
        "light": ("rgb(28, 35, 48)", "rgb(255, 255, 255)"),
        "dark": ("rgb(232, 236, 244)", "rgb(27, 33, 48)"),
    }[shown]
    assert style(element, "h2", "color") == ink
    assert style(element, ".entry", "background-color") == paper


def test_the_page_is_not_scrolled_by_loading_saving_or_discarding(element: ElementPage) -> None:
    element.store(*({**GPT, "model": f"gpt-{n}"} for n in range(5)))
    element.run("() => document.body.style.setProperty('--space-above', '3000px')")
    element.run("() => { settings.client = makeClient(); }")
    element.page.get_by_text("All changes are saved").wait_for()
    assert element.run("() => scrollY") == 0
    element.prompt.fill("Be verbose.")
    bottom = element.run("() => { scrollTo(0, 1e6); return scrollY; }")
    element.save()
    assert element.run("() => scrollY") == bottom
    element.prompt.fill("Be terse.")
    element.run("() => scrollTo(0, 1e6)")
    element.button("Discard").click()
    expect(element.prompt).to_have_value("Be verbose.")
    assert element.run("() => scrollY") == bottom


def test_a_failed_save_scrolls_to_its_notice(element: ElementPage) -> None:
    element.store(*({**GPT, "model": f"gpt-{n}"} for n in range(5)))
    element.connect()
    element.prompt.fill("Be verbose.")
    element.run("() => { server.intercept = () => { throw new TypeError('offline'); }; }")
    element.button("Save changes").click()
    expect(element.alert).to_be_in_viewport()


def test_right_to_left(element: ElementPage) -> None:
    element.store({**GPT, "isPaid": True})
    element.run("() => { document.documentElement.dir = 'rtl'; }")
    element.page.emulate_media(reduced_motion="reduce")
    element.connect()
    element.open().get_by_label("Paid").check()
    # The knob of a switch that is on is at the end of the line: on the left.
    assert float(style(element, "[role=switch]", "left", "::before").removesuffix("px")) < 8
    assert style(element, ".counter", "direction") == "ltr"


def test_names_do_not_change_the_direction_of_what_is_around_them(element: ElementPage) -> None:
    element.store({**GPT, "model": f"gpt{RLO}4", "key": "stored"})
    element.connect()
    parts = element.entry().get_by_role("heading").locator("bdi").all_text_contents()
    assert parts == ["OpenAI", f"gpt{RLO}4"]
    element.open().get_by_label("Paid", exact=True).check()
    element.store(prompt="From elsewhere.")
    element.button("Save changes").click()
    expect(element.page.locator("legend bdi").nth(1)).to_have_text(f"gpt{RLO}4")
    expect(element.page.locator(".version").nth(0).locator("bdi")).to_have_count(2)


def test_forced_colours_tell_what_is_disabled(element: ElementPage) -> None:
    element.page.emulate_media(forced_colors="active")
    element.connect()
    element.run("() => { document.body.style.color = 'GrayText'; }")
    gray = element.run("() => getComputedStyle(document.body).color")
    assert style(element, "button.primary", "color") == gray
    element.prompt.fill("Be brief.")
    assert style(element, "button.primary", "color") != gray


def test_print_has_no_bar_over_the_entries(element: ElementPage) -> None:
    element.store(GPT)
    element.connect()
    element.page.emulate_media(media="print")
    assert style(element, ".bar", "position") == "static"
    expect(element.button("Save changes")).to_be_hidden()


def test_plain_http_is_reported_at_once(page: Page) -> None:
    element = ElementPage(page, "http://element.test")
    element.connect()
    expect(element.page.get_by_text("API keys cannot be saved on this page")).to_be_visible()


def test_a_secure_page_reports_nothing(element: ElementPage) -> None:
    element.connect()
    expect(element.page.get_by_text("API keys cannot be saved on this page")).to_have_count(0)


@pytest.mark.parametrize(("kind", "offered"), [("text", False), ("password", True)])
def test_chrome_does_not_offer_to_save_the_key(
    playwright: Playwright, tmp_path: Path, kind: str, offered: bool
) -> None:
    """The second case, with a password field, shows that the log would tell."""
    program = need("chromium", "google-chrome")
    context = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=program, args=ARGUMENTS
    )
    try:
        log = context.new_page()
        log.goto("chrome://password-manager-internals")
        element = ElementPage(context.new_page())
        element.connect()
        element.add(Provider="OpenAI", Model="gpt-4")
        key = element.entry().get_by_label("API key")
        key.evaluate("(control, kind) => { control.type = kind; }", kind)
        if offered:
            key.evaluate("(control) => { control.autocomplete = 'new-password'; }")
        key.press_sequentially(KEY)
        # The request that Chrome takes for a log-in.
        element.page.route("**/saved", lambda route: route.fulfill(body="ok"))
        element.run("() => settings.addEventListener('ai-config-saved', () => fetch('/saved'))")
        element.save()
        prompt = log.get_by_text("Show password prompt")
        if offered:
            expect(prompt).to_have_count(1)
        element.page.goto("https://element.test/element.html")
        expect(log.get_by_text("DidNavigateMainFrame").nth(1)).to_be_attached()
        expect(prompt).to_have_count(int(offered))
        assert offered or "ProvisionallySaveForm" not in log.inner_text("body")
    finally:
        context.close()

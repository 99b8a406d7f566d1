"""Which entry a call would use, and whose key pays."""

from __future__ import annotations

from typing import Any

import pytest

from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.domain import (
    AIConfig,
    Catalog,
    Decision,
    Filters,
    KeyState,
    ModelEntry,
    OfferedProvider,
    Policy,
    SecretStr,
    StoredKey,
)
from aiconfig_plugin.domain.decision import decide

GONE = StoredKey("gone", "jwe")
KEY = StoredKey("present", "jwe")
ELSEWHERE = "https://elsewhere.example/v1"


def state(entry: ModelEntry) -> KeyState:
    if entry.key is None:
        return KeyState.UNSET
    return KeyState.UNREADABLE if entry.key == GONE else KeyState.SET


def entry(model: str, **members: Any) -> ModelEntry:
    return ModelEntry(members.pop("provider", "OpenAI"), "chat", model, False, **members)


def policy(mode: Any = "never", shared: tuple[str, ...] = ("OpenAI",), **given: Any) -> Policy:
    offered = OfferedProvider("OpenAI", other_models=True, shared_key=mode, **given)
    catalog = Catalog([offered], other_providers=False)
    keys = dict.fromkeys(shared, SecretStr("sk-shared"))
    return Policy(catalog, (), Origins(["https://elsewhere.example"]).allow, keys)


def decided(entries: list[ModelEntry], asked: Filters | None = None, **given: Any) -> Decision:
    config = AIConfig(tuple(entries), "", "revision")
    return decide(config, asked or Filters(), policy(**given), state)


def test_the_first_entry_that_may_be_used_is_chosen_and_each_other_says_why_not() -> None:
    found = decided(
        [
            entry("image", provider="OpenAI", label="other"),
            entry("off", enabled=False, label="mine"),
            entry("gone", provider="Gone", label="mine"),
            entry("far", base_url="https://far.example", label="mine"),
            entry("odd", base_url="no url", label="mine"),
            entry("first", enabled=True, key=KEY, label="mine"),
            entry("second", key=GONE, label="mine"),
        ],
        Filters(label="mine"),
    )
    assert found.outcomes == (
        "does-not-fit",
        "disabled",
        "not-offered",
        "base-url-not-allowed",
        "base-url-not-allowed",
        "chosen",
        "not-needed",
    )
    assert (found.position, found.key_source) == (5, "user")


@pytest.mark.parametrize("name", ["provider", "type", "model", "label"])
def test_each_filter_asks_for_its_member(name: str) -> None:
    one = ModelEntry("p1", "t1", "m1", False, label="l1")
    two = ModelEntry("p2", "t2", "m2", False, label="l2")
    config = AIConfig((one, two), "", "r")
    found = decide(config, Filters(**{name: f"{name[0]}2"}), Policy(), state)
    assert (found.position, found.outcomes) == (1, ("does-not-fit", "chosen"))


@pytest.mark.parametrize("mode", ["never", "fallback", "only"])
def test_an_unreadable_key_falls_back_to_nothing(mode: str) -> None:
    found = decided([entry("gone", key=GONE), entry("next", key=KEY)], mode=mode)
    assert found == Decision(("key-unreadable", "not-needed"))


def test_where_nothing_fits_nothing_is_chosen() -> None:
    assert decided([entry("one")], Filters(model="two")) == Decision(("does-not-fit",))
    assert decided([]) == Decision(())


# docs/catalog.md shows this table.
@pytest.mark.parametrize(
    ("mode", "key", "own_url", "source"),
    [
        ("never", KEY, False, "user"),
        ("never", KEY, True, "user"),
        ("never", None, False, None),
        ("never", None, True, None),
        ("fallback", KEY, False, "user"),
        ("fallback", KEY, True, "user"),
        ("fallback", None, False, "shared"),
        ("fallback", None, True, None),
        ("only", KEY, False, "shared"),
        ("only", KEY, True, None),
        ("only", None, False, "shared"),
        ("only", None, True, None),
    ],
)
def test_whose_key_pays(mode: str, key: StoredKey | None, own_url: bool, source: str) -> None:
    given = [entry("m", key=key, base_url=ELSEWHERE if own_url else None)]
    assert decided(given, mode=mode).key_source == source


@pytest.mark.parametrize("mode", ["fallback", "only"])
def test_a_shared_key_that_the_operator_does_not_have_is_none(mode: str) -> None:
    assert decided([entry("m")], mode=mode, shared=()).key_source is None


def test_the_catalogues_base_url_is_used_where_the_entry_has_none() -> None:
    theirs = "http://127.0.0.1:11434/v1"
    assert decided([entry("m")], base_url=theirs).base_url == theirs
    assert decided([entry("m", base_url=ELSEWHERE)], base_url=theirs).base_url == ELSEWHERE
    assert decided([entry("m")]).base_url is None

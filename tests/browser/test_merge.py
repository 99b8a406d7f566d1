"""Changes made here and elsewhere are put together; what touches is for the user to decide."""

from __future__ import annotations

from typing import Any

from tests.browser.node import RunScript
from tests.browser.test_draft import SAVED, Edits, model

MERGE = """
const drafts = await load("draft");
const { merge } = await load("merge");
const edit = (config, edits) => {
  const draft = drafts.draftOf(config);
  for (const [index, fields] of edits) {
    if (index === "prompt") draft.prompt = fields;
    else if (index === "order") draft.models = fields.map((n) => draft.models[n]);
    else if (fields === null) draft.models.splice(index, 1);
    else if (index === draft.models.length) {
      draft.models.push({ ...drafts.newEntry(), ...fields });
    } else Object.assign(draft.models[index], fields);
  }
  return draft;
};
const configOf = ({ models, prompt }) => ({
  models: models.map((entry) => ({
    ...drafts.membersOf(entry),
    keyState: entry.keyAction === "remove" ? "unset" : (entry.origin?.keyState ?? "unset"),
    ...entry.stored,
  })),
  system_prompt: prompt,
});
const results = given.cases.map((given) => ["mine", "theirs"].map((side) => {
  const theirs = given.theirs === null ? null : configOf(edit(given.base, given.theirs));
  const mine = edit(given.base, given.mine);
  const before = JSON.stringify(mine);
  const clashes = merge(given.base, mine, theirs).clashes;
  const choices = Object.fromEntries(clashes.map(({ id }) => [id, side]));
  const { draft, lost } = merge(given.base, mine, theirs, choices);
  const models = draft.models.map((entry) => {
    const members = drafts.membersOf(entry);
    const key = entry.newKey || (entry.keyAction === "remove" ? "removing" : "");
    const extra = [members.isPaid && "paid", members.enabled === false && "off",
      members.baseUrl, key].filter(Boolean);
    return [members.model, ...extra].join(" ");
  });
  const dirty = drafts.isDirty(draft, theirs);
  const ids = new Set(clashes.map(({ id }) => id)).size;
  if (ids !== clashes.length) throw new Error("two clashes of one id");
  if (JSON.stringify(mine) !== before) throw new Error("the draft was changed");
  return { models, prompt: draft.prompt, clashes: clashes.map(({ field }) => field), lost, dirty };
}));
return results;
"""

PAID, OFF, FREE = {"isPaid": True}, {"enabled": False}, {"isPaid": False}
REMOVE = {"keyAction": "remove"}
TYPED = {"keyAction": "replace", "newKey": "sk"}
NEW = {"provider": "OpenAI", "type": "chat", "model": "new"}
THREE = {**SAVED, "models": [*SAVED["models"], model("xAI", "grok", "unset")]}


Pair = list[dict[str, Any]]
"""What becomes of a case if all is decided for mine, and for theirs."""


def merge_all(node: RunScript, *cases: tuple[Any, Any], base: Any = SAVED) -> list[Pair]:
    given = [{"base": base, "mine": mine, "theirs": theirs} for mine, theirs in cases]
    results: list[Pair] = node(MERGE, cases=given)
    return results


def merged(node: RunScript, mine: Any, theirs: Any, base: Any = SAVED) -> Pair:
    [result] = merge_all(node, (mine, theirs), base=base)
    return result


APART: list[tuple[Edits, Edits, str]] = [
    # One side alone.
    ([], [(0, PAID)], "gpt-4 paid, llama3"),
    ([(0, PAID)], [], "gpt-4 paid, llama3"),
    # Different entries, different fields of one entry, the prompt.
    ([(0, PAID)], [(1, PAID)], "gpt-4 paid, llama3 paid"),
    ([(0, PAID)], [(0, OFF)], "gpt-4 paid off, llama3"),
    ([(0, {"baseUrl": "https://a.test"})], [(0, PAID)], "gpt-4 paid https://a.test, llama3"),
    ([(0, {"model": "gpt-5"})], [(0, PAID)], "gpt-5 paid, llama3"),
    ([(0, PAID)], [("prompt", "Theirs.")], "gpt-4 paid, llama3"),
    # The same change.
    ([(0, PAID)], [(0, PAID)], "gpt-4 paid, llama3"),
    ([(0, REMOVE)], [(0, REMOVE)], "gpt-4, llama3"),
    ([(2, NEW)], [(2, NEW)], "gpt-4, llama3, new"),
    ([(1, None)], [(1, None)], "gpt-4"),
    # A key and other fields.
    ([(0, TYPED)], [(0, PAID)], "gpt-4 paid sk, llama3"),
    ([(0, PAID)], [(0, REMOVE)], "gpt-4 paid, llama3"),
    ([(0, REMOVE)], [(0, PAID)], "gpt-4 paid removing, llama3"),
    # Added, removed, moved.
    ([(2, NEW)], [(0, PAID)], "gpt-4 paid, llama3, new"),
    ([(0, PAID)], [(2, NEW)], "gpt-4 paid, llama3, new"),
    ([(1, None)], [(0, PAID)], "gpt-4 paid"),
    ([(0, PAID)], [(1, None)], "gpt-4 paid"),
    ([("order", [1, 0])], [(0, PAID)], "llama3, gpt-4 paid"),
    ([(0, PAID)], [("order", [1, 0])], "llama3, gpt-4 paid"),
    ([("order", [1, 0])], [("order", [1, 0])], "llama3, gpt-4"),
    ([(2, NEW), ("order", [2, 0, 1])], [("order", [1, 0])], "new, llama3, gpt-4"),
    ([("order", [1, 0])], [(2, NEW), ("order", [2, 0, 1])], "new, llama3, gpt-4"),
    ([(2, NEW)], [(2, {**NEW, "model": "other"})], "gpt-4, llama3, new, other"),
    # A name that another entry had.
    ([(0, {"model": "a"}), (1, {"provider": "OpenAI", "model": "gpt-4"})], [], "a, gpt-4"),
    ([(0, {"model": "b"}), (0, PAID)], [(1, None)], "b paid"),
    ([(0, None), (1, {"provider": "OpenAI", "model": "gpt-4"})], [(0, PAID)], "llama3, gpt-4"),
]


def test_changes_that_do_not_touch_are_put_together(node: RunScript) -> None:
    results = merge_all(node, *((mine, theirs) for mine, theirs, _ in APART))
    for (mine, theirs, models), (first, second) in zip(APART, results, strict=True):
        assert first == second
        assert ", ".join(first["models"]) == models
        assert (first["clashes"], first["lost"]) == ([], [])
        assert first["dirty"] == bool(mine and mine != theirs)
        prompt = "Theirs." if theirs == [("prompt", "Theirs.")] else "Be brief."
        assert first["prompt"] == prompt


URL = "https://{}.test".format
SAME_NEW = {**NEW, "isPaid": True}
TOUCHING: list[tuple[Edits, Edits, str, tuple[str, str]]] = [
    (
        [(0, {"baseUrl": URL("a")})],
        [(0, {"baseUrl": URL("b")})],
        "baseUrl",
        ("gpt-4 https://a.test, llama3", "gpt-4 https://b.test, llama3"),
    ),
    (
        [(0, {"options": "a = 1"})],
        [(0, {"options": "a = 2"})],
        "options",
        ("gpt-4, llama3", "gpt-4, llama3"),
    ),
    ([(0, TYPED)], [(0, REMOVE)], "key", ("gpt-4 sk, llama3", "gpt-4, llama3")),
    ([(0, None)], [(0, PAID)], "entry", ("llama3", "gpt-4 paid, llama3")),
    ([(1, PAID)], [(1, None)], "entry", ("gpt-4, llama3 paid", "gpt-4")),
    ([(0, None)], [(0, REMOVE)], "entry", ("llama3", "gpt-4, llama3")),
    (
        [(2, NEW)],
        [(2, SAME_NEW)],
        "entry",
        ("gpt-4, llama3, new", "gpt-4, llama3, new paid"),
    ),
    (
        [(0, {"model": "new"})],
        [(2, SAME_NEW)],
        "entry",
        ("new, llama3", "gpt-4, llama3, new paid"),
    ),
]


def test_changes_that_touch_are_for_the_user_to_decide(node: RunScript) -> None:
    results = merge_all(node, *((mine, theirs) for mine, theirs, _, _ in TOUCHING))
    for (_, _, field, models), (first, second) in zip(TOUCHING, results, strict=True):
        assert first["clashes"] == second["clashes"] == [field]
        assert (", ".join(first["models"]), ", ".join(second["models"])) == models
        assert first["dirty"]
        assert not second["dirty"]


def test_two_orders_are_for_the_user_to_decide(node: RunScript) -> None:
    orders = [("order", [2, 1, 0]), (0, PAID)], [("order", [1, 0, 2])]
    first, second = merged(node, *orders, base=THREE)
    assert first["clashes"] == ["order"]
    assert first["models"] == ["grok paid", "llama3", "gpt-4"]
    assert second["models"] == ["llama3", "gpt-4", "grok paid"]


def test_two_prompts_are_for_the_user_to_decide(node: RunScript) -> None:
    first, second = merged(node, [("prompt", "Mine."), (0, PAID)], [("prompt", "Theirs.")])
    assert first["clashes"] == ["prompt"]
    assert (first["prompt"], second["prompt"]) == ("Mine.", "Theirs.")
    assert first["models"] == second["models"] == ["gpt-4 paid", "llama3"]


def test_a_deletion_of_everything_is_for_the_user_to_decide(node: RunScript) -> None:
    first, second = merged(node, [("prompt", "Mine.")], None)
    assert first["clashes"] == ["all"]
    assert (first["models"], first["prompt"]) == (["gpt-4", "llama3"], "Mine.")
    assert first["lost"] == ["OpenAI · gpt-4"]
    assert (second["models"], second["prompt"], second["lost"]) == ([], "", [])


def test_an_entry_that_is_kept_although_it_was_removed_has_lost_its_key(node: RunScript) -> None:
    first, second = merged(node, [(0, PAID)], [(0, None)])
    assert (first["models"], first["lost"]) == (["gpt-4 paid", "llama3"], ["OpenAI · gpt-4"])
    assert (second["models"], second["lost"]) == (["llama3"], [])


def test_a_copied_key_is_lost_with_its_source(node: RunScript) -> None:
    copied = {**NEW, "keyFrom": SAVED["models"][0]}
    assert merged(node, [(2, copied)], [(0, PAID)])[0]["lost"] == []
    assert merged(node, [(2, copied)], [(0, None)])[0]["lost"] == ["OpenAI · new"]


def test_two_first_configurations_are_put_together(node: RunScript) -> None:
    first, _ = merged(node, [(0, NEW)], [(0, {**NEW, "model": "b"}), ("prompt", "T.")], base=None)
    assert first["models"] == ["new", "b"]
    assert (first["prompt"], first["clashes"]) == ("T.", [])

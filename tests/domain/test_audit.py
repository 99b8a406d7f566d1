"""Refusals in the audit trail, over a repository in memory."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from aiconfig_plugin.domain import (
    AIConfigService,
    Filters,
    KeyState,
    ModelEntry,
    Owner,
    StoredKey,
    Submission,
)
from aiconfig_plugin.domain.audit import changed_pointers
from aiconfig_plugin.domain.model import AIConfig, SubmittedEntry
from aiconfig_plugin.errors import (
    AIConfigError,
    ConfigNotFound,
    KeyNotAccepted,
    KeyUnreadable,
    ModelNotConfigured,
    RevisionMismatch,
)
from aiconfig_plugin.testing import InMemoryRepository

ALICE = Owner("https://issuer.example", "alice")
KEYS = Submission(
    tuple(SubmittedEntry("O", "chat", name, True, name) for name in ("good", "bad", "worse")), ""
)
EMPTY = Submission((), "")


class FakeVault:
    """Accepts good keys alone, and has lost the key to all that are stored."""

    def accept_submitted_key(self, _owner: Owner, _provider: str, submitted: str) -> StoredKey:
        if submitted != "good":
            raise KeyNotAccepted("damaged")
        return StoredKey("kid", submitted)

    def state(self, _key: StoredKey | None) -> KeyState:
        return KeyState.SET

    def open(self, *_: object) -> Any:
        raise KeyUnreadable("lost")


@pytest.fixture
def trail(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "aiconfig_plugin.audit")
    return caplog


@pytest.mark.parametrize(
    ("use", "error", "action", "client", "changed"),
    [
        (
            lambda s: s.create(ALICE, KEYS, client_id="spa"),
            KeyNotAccepted,
            *("create", "spa", ["/models/1/apiKeyEncrypted", "/models/2/apiKeyEncrypted"]),
        ),
        (
            lambda s: s.update(ALICE, KEYS, client_id="spa"),
            KeyNotAccepted,
            *("update", "spa", ["/models/1/apiKeyEncrypted", "/models/2/apiKeyEncrypted"]),
        ),
        (
            lambda s: s.update(ALICE, EMPTY, if_match=["x"], client_id="spa"),
            RevisionMismatch,
            *("update", "spa", []),
        ),
        (
            lambda s: s.delete(ALICE, if_match=["x"], client_id="spa"),
            RevisionMismatch,
            *("delete", "spa", []),
        ),
        (lambda s: s.resolve(ALICE, Filters()), KeyUnreadable, "resolve", None, []),
        (lambda s: s.resolve(ALICE, Filters(model="x")), ModelNotConfigured, "resolve", None, []),
        (lambda s: s.resolve(Owner("i", "alice"), Filters()), ConfigNotFound, "resolve", None, []),
    ],
)
async def test_a_refusal_is_one_record_with_its_code_and_places(
    trail: pytest.LogCaptureFixture,
    use: Any,
    error: type[AIConfigError],
    action: str,
    client: str | None,
    changed: list[str],
) -> None:
    repository = InMemoryRepository()
    await repository.start()
    stored = ModelEntry("O", "chat", "m", True, StoredKey("kid", "…"))
    await repository.create(ALICE, AIConfig((stored,), "", "r"))
    with pytest.raises(error):
        await use(AIConfigService(repository, FakeVault()))  # type: ignore[arg-type]
    [message] = [r.message for r in trail.records if r.name == "aiconfig_plugin.audit"]
    record = json.loads(message)
    assert record.pop("time") and record.pop("issuer") in (ALICE.issuer, "i")
    assert record == {
        "action": action,
        "subject": "alice",
        "client_id": client,
        "revision": None,
        "changed": changed,
        "refused": error.code,
    }


async def test_what_is_no_refusal_of_keys_or_revision_leaves_none(
    trail: pytest.LogCaptureFixture,
) -> None:
    repository = InMemoryRepository()
    await repository.start()
    service = AIConfigService(repository, FakeVault())  # type: ignore[arg-type]
    for use in (service.update(ALICE, EMPTY), service.delete(ALICE), service.read(ALICE)):
        with pytest.raises(ConfigNotFound):
            await use
    assert trail.records == []


# Where something changed

A = ModelEntry("O", "chat", "a", True, StoredKey("kid", "first"))
B, C, D = (ModelEntry("O", "chat", name, True) for name in "bcd")
CHANGES = [
    ([A, B], [A, B], []),
    ([A, B], [B, A], ["/models"]),
    ([A, B], [A], ["/models"]),
    ([A, B], [], ["/models"]),
    ([A], [A, B], ["/models/1"]),
    ([A, B], [C, A, B], ["/models/0"]),
    ([A, B], [C, B], ["/models", "/models/0"]),
    ([A], [replace(A, provider="P")], ["/models", "/models/0"]),
    ([A], [replace(A, type="image")], ["/models", "/models/0"]),
    ([A, B], [A, replace(B, key=A.key)], ["/models/1/apiKeyEncrypted"]),
    ([A], [replace(A, key=StoredKey("kid", "second"))], ["/models/0/apiKeyEncrypted"]),
    ([A], [replace(A, key=None)], ["/models/0/apiKeyEncrypted"]),
    ([A], [replace(A, is_paid=False)], ["/models/0/isPaid"]),
    (
        [A, B, C],
        [C, replace(A, key=None, is_paid=False), D],
        ["/models", "/models/1/apiKeyEncrypted", "/models/1/isPaid", "/models/2"],
    ),
]


@pytest.mark.parametrize(("before", "after", "pointers"), CHANGES)
def test_a_change_is_told_by_its_place(
    before: list[ModelEntry], after: list[ModelEntry], pointers: list[str]
) -> None:
    old, new = AIConfig(tuple(before), "p", "r1"), AIConfig(tuple(after), "p", "r2")
    assert changed_pointers(old, new) == pointers
    assert changed_pointers(old, replace(new, system_prompt="x")) == [*pointers, "/system_prompt"]

"""What of a submission is accepted: its keys, its endpoints, and what the operator offers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from aiconfig_plugin.domain.decision import Policy
from aiconfig_plugin.domain.model import (
    AIConfig,
    Identity,
    KeyState,
    ModelEntry,
    Owner,
    StoredKey,
    Submission,
    SubmittedEntry,
)
from aiconfig_plugin.domain.ports import KeyVault
from aiconfig_plugin.errors import (
    MAX_VIOLATIONS,
    BaseURLNotAllowed,
    DuplicateModel,
    KeyNotAccepted,
    KeyNotEncrypted,
    ModelNotOffered,
    UnprocessableBody,
    Violation,
)

# Opening a sealed key takes a fraction of a millisecond; more of them than this at once would
# hold up the event loop for other requests.
MAX_KEYS_ON_THE_LOOP = 8

REFUSALS = (KeyNotEncrypted, KeyNotAccepted, BaseURLNotAllowed, ModelNotOffered)
"""What :func:`accept` raises, besides DuplicateModel."""

logger = logging.getLogger("aiconfig_plugin")


@dataclass
class _Checked:
    """What became of one entry. ``refusals`` are by the place in it, in document order."""

    key: StoredKey | None = None
    refusals: dict[str, UnprocessableBody] = field(default_factory=dict)


async def accept(
    owner: Owner,
    submission: Submission,
    vault: KeyVault,
    policy: Policy,
    stored: Callable[[], Awaitable[AIConfig | None]],
) -> AIConfig:
    """Return what to store, or raise everything that is wrong with the entries at once.

    ``stored`` reads the present configuration; it is called only where that decides. Raises
    ``DuplicateModel`` and :data:`REFUSALS`.
    """
    _refuse_duplicates(submission)
    costly = sum(
        isinstance(entry.api_key_encrypted, str) or entry.options is not None
        for entry in submission.models
    )
    arguments = owner, submission, vault, policy
    if costly <= MAX_KEYS_ON_THE_LOOP:
        checked = _check(*arguments)
    else:
        checked = await asyncio.to_thread(_check, *arguments)
    if any(_may_stay(err) for one in checked for err in one.refusals.values()):
        before = await stored()
        if before is not None:
            _let_stay(submission, checked, before, vault)
    _raise_refusals(checked)
    models = tuple(
        ModelEntry.like(entry, key=one.key)
        for entry, one in zip(submission.models, checked, strict=True)
    )
    return AIConfig(models, submission.system_prompt, secrets.token_urlsafe(16))


def _check(
    owner: Owner, submission: Submission, vault: KeyVault, policy: Policy
) -> Sequence[_Checked]:
    return [_check_entry(owner, entry, vault, policy) for entry in submission.models]


def _check_entry(owner: Owner, entry: SubmittedEntry, vault: KeyVault, policy: Policy) -> _Checked:
    checked = _Checked()
    member = policy.catalog.refusal(entry)
    if member is not None:
        checked.refusals[member] = ModelNotOffered(f"This {member} is not offered here.")
    if isinstance(entry.api_key_encrypted, str):
        try:
            checked.key = vault.accept_submitted_key(
                owner, entry.destination, entry.api_key_encrypted
            )
        except (KeyNotEncrypted, KeyNotAccepted) as err:
            checked.refusals["apiKeyEncrypted"] = err
    if not policy.allows(entry):
        checked.refusals["baseUrl"] = BaseURLNotAllowed("This base URL is not allowed here.")
    for name, value in (entry.options or {}).items():
        if isinstance(value, str) and vault.is_plain_key(value):
            checked.refusals[f"options/{name}"] = KeyNotEncrypted(
                "An option is not secret; send an API key as apiKeyEncrypted."
            )
    return checked


def _may_stay(err: UnprocessableBody) -> bool:
    """Tell whether a refusal does not hold for what is stored already."""
    if isinstance(err, KeyNotAccepted):
        return err.unverifiable
    return isinstance(err, (ModelNotOffered, BaseURLNotAllowed))


def _let_stay(
    submission: Submission, checked: Sequence[_Checked], before: AIConfig, vault: KeyVault
) -> None:
    """Drop the refusals of what is stored already: it may be sent back as it is."""
    stored: Mapping[Identity, ModelEntry] = {entry.identity: entry for entry in before.models}
    unreadable = {
        (entry.destination, entry.key.jwe): entry.key
        for entry in before.models
        if entry.key and vault.state(entry.key) is KeyState.UNREADABLE
    }
    for entry, one in zip(submission.models, checked, strict=True):
        known = stored.get(entry.identity)
        for place, err in list(one.refusals.items()):
            match err:
                case KeyNotAccepted(unverifiable=True):
                    one.key = unreadable.get((entry.destination, str(entry.api_key_encrypted)))
                    stays = one.key is not None
                case ModelNotOffered():
                    stays = known is not None
                case BaseURLNotAllowed():
                    stays = known is not None and known.origin == entry.origin
                case _:
                    stays = False
            if stays:
                del one.refusals[place]


def _raise_refusals(checked: Sequence[_Checked]) -> None:
    """Raise the first refusal, with the places of all."""
    refusals = dict(_places(checked))
    if not refusals:
        return
    reasons = Counter(err.reason for err in refusals.values() if isinstance(err, KeyNotAccepted))
    for reason, count in reasons.items():
        logger.info("%d submitted API keys were not accepted: %s", count, reason)
    first = next(iter(refusals.values()))
    places = islice(refusals.items(), MAX_VIOLATIONS)
    first.violations = [Violation(pointer, err.code, err.detail) for pointer, err in places]
    raise first


def _places(checked: Sequence[_Checked]) -> Iterator[tuple[str, UnprocessableBody]]:
    for number, one in enumerate(checked):
        for place, err in one.refusals.items():
            yield f"/models/{number}/{place}", err


def _refuse_duplicates(submission: Submission) -> None:
    seen: dict[Identity, int] = {}
    violations = []
    for number, entry in enumerate(submission.models):
        first = seen.setdefault(entry.identity, number)
        if first != number:
            detail = f"The same provider, type, model and label as /models/{first}."
            violations.append(Violation(f"/models/{number}", DuplicateModel.code, detail))
    if violations:
        raise DuplicateModel(
            "Two entries may not share provider, type, model and label.", violations
        )

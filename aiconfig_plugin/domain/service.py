"""The use cases. What an absent key means is decided here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from aiconfig_plugin.domain import audit
from aiconfig_plugin.domain.model import (
    AIConfig,
    Identity,
    KeyState,
    ModelEntry,
    Owner,
    ResolvedModel,
    StoredKey,
    Submission,
    SubmittedEntry,
)
from aiconfig_plugin.domain.ports import KeyVault, Repository
from aiconfig_plugin.errors import (
    ConfigNotFound,
    DuplicateModel,
    KeyNotAccepted,
    KeyNotEncrypted,
    KeyUnreadable,
    ModelNotConfigured,
    RevisionMismatch,
    StorageUnavailable,
    Violation,
)

# Opening a sealed key takes a fraction of a millisecond; more of them than this at once would
# hold up the event loop for other requests.
MAX_KEYS_ON_THE_LOOP = 8

logger = logging.getLogger("aiconfig_plugin")

_KEYS_REFUSED = (KeyNotEncrypted, KeyNotAccepted)

_Outcome: TypeAlias = "StoredKey | KeyNotEncrypted | KeyNotAccepted | None"
"""What became of one submitted key."""


class AIConfigService:
    """Creates, reads, updates, deletes and resolves an owner's configuration.

    ``client_id`` is the OAuth client that acts for the owner; it goes into the audit trail.
    """

    def __init__(self, repository: Repository, vault: KeyVault) -> None:
        self._repository = repository
        self._vault = vault

    @audit.records_refusals("create", *_KEYS_REFUSED)
    async def create(
        self, owner: Owner, submission: Submission, *, client_id: str | None = None
    ) -> AIConfig:
        """Store an owner's first configuration and return it.

        Raises ``ConfigExists``, ``DuplicateModel``, ``KeyNotEncrypted`` or ``KeyNotAccepted``.
        """
        config = await self._accept(owner, submission, replacing=False)
        config = await self._repository.create(owner, config)
        audit.record("create", owner, config.revision, client_id=client_id, changed=[""])
        return config

    async def read(
        self, owner: Owner, *, with_keys: bool = False, client_id: str | None = None
    ) -> AIConfig:
        """Return an owner's configuration, or raise ``ConfigNotFound``.

        ``with_keys`` says that the stored keys are going to be handed out.
        """
        config = await self._repository.read(owner)
        if with_keys:
            audit.record("read-keys", owner, config.revision, client_id=client_id)
        return config

    @audit.records_refusals("update", RevisionMismatch, *_KEYS_REFUSED)
    async def update(
        self,
        owner: Owner,
        submission: Submission,
        *,
        if_match: Collection[str] | None = None,
        client_id: str | None = None,
    ) -> AIConfig:
        """Replace an owner's configuration and return what is stored now, kept keys included.

        An entry whose key is absent keeps the key stored for the same provider, type and model,
        if there is one; null removes it. With ``if_match`` the write happens only while the
        current revision is among those given. Raises ``ConfigNotFound``, ``RevisionMismatch``,
        ``DuplicateModel``, ``KeyNotEncrypted`` or ``KeyNotAccepted``; nothing is changed then.
        """
        config = await self._accept(owner, submission, replacing=True)
        keep = [n for n, entry in enumerate(submission.models) if entry.keeps_key]
        replaced = await self._repository.replace(owner, config, keep=keep, if_match=if_match)
        if audit.is_wanted():
            changed = audit.changed_pointers(replaced.before, replaced.after)
            audit.record("update", owner, config.revision, client_id=client_id, changed=changed)
        return replaced.after

    @audit.records_refusals("delete", RevisionMismatch)
    async def delete(
        self,
        owner: Owner,
        *,
        if_match: Collection[str] | None = None,
        client_id: str | None = None,
    ) -> None:
        """Delete an owner's configuration. Raises ``ConfigNotFound`` or ``RevisionMismatch``."""
        before = await self._repository.delete(owner, if_match=if_match)
        audit.record("delete", owner, before.revision, client_id=client_id, changed=[""])

    @audit.records_refusals("resolve", ConfigNotFound, ModelNotConfigured, KeyUnreadable)
    async def resolve(
        self,
        owner: Owner,
        *,
        provider: str | None = None,
        type: str | None = None,
        model: str | None = None,
    ) -> ResolvedModel:
        """Return the first entry, in the owner's order, that fits, with its API key opened.

        Raises ``ConfigNotFound``, ``ModelNotConfigured`` or ``KeyUnreadable``.
        """
        config = await self._repository.read(owner)
        for entry in config.models:
            if (
                provider in (None, entry.provider)
                and type in (None, entry.type)
                and model in (None, entry.model)
            ):
                break
        else:
            raise ModelNotConfigured("No entry has this provider, type and model.")
        key = entry.key
        api_key = self._vault.open(owner, entry.destination, key) if key else None
        audit.record("resolve", owner, config.revision)
        return ResolvedModel(
            provider=entry.provider,
            type=entry.type,
            model=entry.model,
            is_paid=entry.is_paid,
            api_key=api_key,
            system_prompt=config.system_prompt,
            key_form=self._vault.form(key) if key else None,
        )

    def key_state(self, entry: ModelEntry) -> KeyState:
        """Return what the owner may know of an entry's key without reading it."""
        return self._vault.state(entry.key)

    def recipient(self, owner: Owner) -> Mapping[str, Any]:
        """Return what a client needs to seal a key for this owner."""
        return self._vault.recipient(owner)

    async def _accept(self, owner: Owner, submission: Submission, *, replacing: bool) -> AIConfig:
        """Return what to store, or raise everything that is wrong with the keys at once."""
        _refuse_duplicates(submission)
        keys = sum(isinstance(entry.api_key_encrypted, str) for entry in submission.models)
        if keys <= MAX_KEYS_ON_THE_LOOP:
            outcomes = self._accept_keys(owner, submission)
        else:
            outcomes = await asyncio.to_thread(self._accept_keys, owner, submission)
        if replacing and any(map(_is_unverifiable, outcomes)):
            unreadable = await self._unreadable_keys(owner)
            for number, entry in enumerate(submission.models):
                if _is_unverifiable(outcomes[number]):
                    place = entry.destination, entry.api_key_encrypted
                    outcomes[number] = unreadable.get(place, outcomes[number])
        models = tuple(
            ModelEntry(entry.provider, entry.type, entry.model, entry.is_paid, key)
            for entry, key in zip(submission.models, _accepted(outcomes), strict=True)
        )
        return AIConfig(models, submission.system_prompt, secrets.token_urlsafe(16))

    def _accept_keys(self, owner: Owner, submission: Submission) -> list[_Outcome]:
        return [self._accept_key(owner, entry) for entry in submission.models]

    def _accept_key(self, owner: Owner, entry: SubmittedEntry) -> _Outcome:
        submitted = entry.api_key_encrypted
        if not isinstance(submitted, str):
            return None
        try:
            return self._vault.accept_submitted_key(owner, entry.destination, submitted)
        except (KeyNotEncrypted, KeyNotAccepted) as err:
            return err

    async def _unreadable_keys(self, owner: Owner) -> Mapping[Any, StoredKey]:
        """Return the stored keys that cannot be verified: sent back, they stay where they are."""
        try:
            config = await self._repository.read(owner)
        except ConfigNotFound:
            return {}
        except StorageUnavailable as err:
            err.outcome = "nothing-changed"
            raise
        return {
            (entry.destination, entry.key.jwe): entry.key
            for entry in config.models
            if entry.key and self._vault.state(entry.key) is KeyState.UNREADABLE
        }


def _is_unverifiable(outcome: _Outcome) -> bool:
    return isinstance(outcome, KeyNotAccepted) and outcome.unverifiable


def _accepted(outcomes: Sequence[_Outcome]) -> list[StoredKey | None]:
    """Return the keys, or raise the first refusal with the places of all."""
    keys: list[StoredKey | None] = []
    refusals: list[KeyNotEncrypted | KeyNotAccepted] = []
    violations = []
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, (KeyNotEncrypted, KeyNotAccepted)):
            refusals.append(outcome)
            pointer = f"/models/{number}/apiKeyEncrypted"
            violations.append(Violation(pointer, outcome.code, outcome.detail))
        else:
            keys.append(outcome)
    if refusals:
        _log_refusals(refusals)
        refusals[0].violations = violations
        raise refusals[0]
    return keys


def _log_refusals(errors: Sequence[KeyNotEncrypted | KeyNotAccepted]) -> None:
    reasons = Counter(err.reason for err in errors if isinstance(err, KeyNotAccepted))
    for reason, count in reasons.items():
        logger.info("%d submitted API keys were not accepted: %s", count, reason)


def _refuse_duplicates(submission: Submission) -> None:
    seen: dict[Identity, int] = {}
    violations = []
    for number, entry in enumerate(submission.models):
        first = seen.setdefault(entry.identity, number)
        if first != number:
            detail = f"The same provider, type and model as /models/{first}."
            violations.append(Violation(f"/models/{number}", DuplicateModel.code, detail))
    if violations:
        raise DuplicateModel("Two entries may not share provider, type and model.", violations)

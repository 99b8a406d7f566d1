"""The use cases. What an absent key means is decided here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from aiconfig_plugin.domain import audit
from aiconfig_plugin.domain.model import (
    AIConfig,
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

_Returned: TypeAlias = Mapping["tuple[str, str]", StoredKey]


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
        config = await self._repository.create(owner, await self._admit(owner, submission))
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
        config = await self._admit(owner, submission, await self._unreadable(owner, submission))
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
        api_key = self._vault.open(owner, entry.provider, entry.key) if entry.key else None
        audit.record("resolve", owner, config.revision)
        return ResolvedModel(
            provider=entry.provider,
            type=entry.type,
            model=entry.model,
            is_paid=entry.is_paid,
            api_key=api_key,
            system_prompt=config.system_prompt,
        )

    def key_state(self, entry: ModelEntry) -> KeyState:
        """Return what the owner may know of an entry's key without reading it."""
        return self._vault.state(entry.key)

    def recipient(self, owner: Owner) -> Mapping[str, Any]:
        """Return what a client needs to seal a key for this owner."""
        return self._vault.recipient(owner)

    async def _unreadable(self, owner: Owner, submission: Submission) -> _Returned:
        """Return the stored keys that cannot be verified: they may come back, to stay put."""
        if not any(
            isinstance(entry.api_key_encrypted, str)
            and self._vault.is_unreadable(entry.api_key_encrypted)
            for entry in submission.models
        ):
            return {}
        try:
            config = await self._repository.read(owner)
        except ConfigNotFound:
            return {}
        except StorageUnavailable as err:
            err.outcome = "nothing-changed"
            raise
        return {
            (entry.provider, entry.key.jwe): entry.key
            for entry in config.models
            if entry.key and self._vault.state(entry.key) is KeyState.UNREADABLE
        }

    async def _admit(
        self, owner: Owner, submission: Submission, returned: _Returned | None = None
    ) -> AIConfig:
        _refuse_duplicates(submission)
        keys = sum(isinstance(entry.api_key_encrypted, str) for entry in submission.models)
        arguments = (owner, submission, returned or {})
        if keys <= MAX_KEYS_ON_THE_LOOP:
            return self._admit_all(*arguments)
        return await asyncio.to_thread(self._admit_all, *arguments)

    def _admit_all(self, owner: Owner, submission: Submission, returned: _Returned) -> AIConfig:
        """Return what to store, or raise everything that is wrong with the keys at once."""
        models: list[ModelEntry] = []
        refusals: list[tuple[KeyNotEncrypted | KeyNotAccepted, Violation]] = []
        for number, entry in enumerate(submission.models):
            try:
                key = self._admit_key(owner, entry, returned)
            except (KeyNotEncrypted, KeyNotAccepted) as err:
                pointer = f"/models/{number}/apiKeyEncrypted"
                refusals.append((err, Violation(pointer, err.code, err.detail)))
            else:
                models.append(
                    ModelEntry(entry.provider, entry.type, entry.model, entry.is_paid, key)
                )
        if refusals:
            _log_refusals([err for err, _ in refusals])
            first, _ = refusals[0]
            raise type(first)(first.detail, [violation for _, violation in refusals])
        return AIConfig(tuple(models), submission.system_prompt, secrets.token_urlsafe(16))

    def _admit_key(
        self, owner: Owner, entry: SubmittedEntry, returned: _Returned
    ) -> StoredKey | None:
        submitted = entry.api_key_encrypted
        if not isinstance(submitted, str):
            return None
        kept = returned.get((entry.provider, submitted))
        return kept or self._vault.admit(owner, entry.provider, submitted)


def _log_refusals(errors: list[KeyNotEncrypted | KeyNotAccepted]) -> None:
    reasons = Counter(err.reason for err in errors if isinstance(err, KeyNotAccepted))
    for reason, count in reasons.items():
        logger.info("%d submitted API keys were not accepted: %s", count, reason)


def _refuse_duplicates(submission: Submission) -> None:
    seen: dict[tuple[str, str, str], int] = {}
    violations = []
    for number, entry in enumerate(submission.models):
        first = seen.setdefault((entry.provider, entry.type, entry.model), number)
        if first != number:
            detail = f"The same provider, type and model as /models/{first}."
            violations.append(Violation(f"/models/{number}", DuplicateModel.code, detail))
    if violations:
        raise DuplicateModel("Two entries may not share provider, type and model.", violations)

"""The use cases. What an absent key means is decided here and nowhere else."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from aiconfig_plugin.errors import DuplicateModel, KeyNotAccepted, KeyNotEncrypted, Violation
from aiconfig_plugin.model import (
    AIConfig,
    KeyState,
    ModelEntry,
    Owner,
    StoredKey,
    Submission,
    SubmittedEntry,
)
from aiconfig_plugin.ports import KeyVault, Repository


class AIConfigService:
    """Creates, reads, updates and deletes an owner's configuration."""

    def __init__(self, repository: Repository, vault: KeyVault) -> None:
        self._repository = repository
        self._vault = vault

    async def create(self, owner: Owner, submission: Submission) -> str:
        """Store an owner's first configuration and return its revision.

        Raises ``ConfigExists``, ``DuplicateModel``, ``KeyNotEncrypted`` or ``KeyNotAccepted``.
        """
        config = self._admit(owner, submission)
        await self._repository.create(owner, config)
        return config.revision

    async def read(self, owner: Owner) -> AIConfig:
        """Return an owner's configuration, or raise ``ConfigNotFound``."""
        return await self._repository.read(owner)

    async def update(
        self, owner: Owner, submission: Submission, *, if_match: Collection[str] | None = None
    ) -> str:
        """Replace an owner's configuration and return its new revision.

        An entry whose key is absent keeps the key stored for the same provider, type and model,
        if there is one; null removes it. With ``if_match`` the write happens only while the
        current revision is among those given. Raises ``ConfigNotFound``, ``RevisionMismatch``,
        ``DuplicateModel``, ``KeyNotEncrypted`` or ``KeyNotAccepted``; nothing is changed then.
        """
        config = self._admit(owner, submission)
        keep = [n for n, entry in enumerate(submission.models) if entry.keeps_key]
        await self._repository.replace(owner, config, keep=keep, if_match=if_match)
        return config.revision

    async def delete(self, owner: Owner, *, if_match: Collection[str] | None = None) -> None:
        """Delete an owner's configuration. Raises ``ConfigNotFound`` or ``RevisionMismatch``."""
        await self._repository.delete(owner, if_match=if_match)

    def key_state(self, entry: ModelEntry) -> KeyState:
        """Return what the owner may know of an entry's key without reading it."""
        return self._vault.state(entry.key)

    def _admit(self, owner: Owner, submission: Submission) -> AIConfig:
        """Return what to store, or raise everything that is wrong with the keys at once."""
        _refuse_duplicates(submission)
        models: list[ModelEntry] = []
        refusals: list[tuple[KeyNotEncrypted | KeyNotAccepted, Violation]] = []
        for number, entry in enumerate(submission.models):
            try:
                key = self._admit_key(owner, entry)
            except (KeyNotEncrypted, KeyNotAccepted) as err:
                pointer = f"/models/{number}/apiKeyEncrypted"
                refusals.append((err, Violation(pointer, err.code, err.detail)))
            else:
                models.append(
                    ModelEntry(entry.provider, entry.type, entry.model, entry.is_paid, key)
                )
        if refusals:
            first, _ = refusals[0]
            raise type(first)(first.detail, [violation for _, violation in refusals])
        return AIConfig(tuple(models), submission.system_prompt, secrets.token_urlsafe(16))

    def _admit_key(self, owner: Owner, entry: SubmittedEntry) -> StoredKey | None:
        submitted = entry.api_key_encrypted
        if not isinstance(submitted, str):
            return None
        return self._vault.admit(owner, entry.provider, submitted)


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

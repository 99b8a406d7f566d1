"""The use cases. What an absent key means is decided here and nowhere else."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from aiconfig_plugin.domain import audit
from aiconfig_plugin.domain.acceptance import REFUSALS, accept
from aiconfig_plugin.domain.catalog import API
from aiconfig_plugin.domain.decision import Decision, Filters, Policy, decide
from aiconfig_plugin.domain.key_use import KEY_RESULTS, UNUSED, KeyResult, KeyUse
from aiconfig_plugin.domain.key_use_recorder import KeyUseRecorder
from aiconfig_plugin.domain.model import (
    AIConfig,
    Identity,
    KeyForm,
    KeyIdentity,
    KeySource,
    KeyState,
    ModelEntry,
    Owner,
    ResolvedModel,
    Submission,
)
from aiconfig_plugin.domain.ports import KeyVault, Repository
from aiconfig_plugin.domain.secret import SecretStr
from aiconfig_plugin.errors import (
    ConfigNotFound,
    KeyRequired,
    KeyUnreadable,
    ModelNotConfigured,
    RevisionMismatch,
    StorageUnavailable,
)


class AIConfigService:
    """Creates, reads, updates, deletes and resolves an owner's configuration.

    ``client_id`` is the OAuth client that acts for the owner; it goes into the audit trail.
    ``search_keyring`` is awaited where a stored key names a key that is not on the keyring.
    ``writing`` is entered around each write that may store a key.
    """

    def __init__(
        self,
        repository: Repository,
        vault: KeyVault,
        policy: Policy | None = None,
        key_use: KeyUseRecorder | None = None,
        *,
        search_keyring: Callable[[], Awaitable[None]] | None = None,
        writing: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._key_use = key_use
        self.policy = policy or Policy()
        self._search_keyring = search_keyring
        self._writing = writing

    @audit.records_refusals("create", *REFUSALS)
    async def create(
        self, owner: Owner, submission: Submission, *, client_id: str | None = None
    ) -> AIConfig:
        """Store an owner's first configuration and return it.

        Raises ``ConfigExists``, and what :func:`~aiconfig_plugin.domain.acceptance.accept` does.
        """
        async with self._writing():
            config = await accept(owner, submission, self._vault, self.policy, _nothing_stored)
            config = await self._repository.create(owner, config)
        audit.record("create", owner, config.revision, client_id=client_id, changed=[""])
        return self.policy.catalog.applied(config)

    async def read(
        self, owner: Owner, *, with_keys: bool = False, client_id: str | None = None
    ) -> AIConfig:
        """Return an owner's configuration, or raise ``ConfigNotFound``.

        ``with_keys`` says that the stored keys are going to be handed out.
        """
        config = await self._read(owner)
        if with_keys:
            audit.record("read-keys", owner, config.revision, client_id=client_id)
        return self.policy.catalog.applied(config)

    @audit.records_refusals("update", RevisionMismatch, KeyRequired, *REFUSALS)
    async def update(
        self,
        owner: Owner,
        submission: Submission,
        *,
        if_match: Collection[str] | None = None,
        client_id: str | None = None,
    ) -> AIConfig:
        """Replace an owner's configuration and return what is stored now, kept keys included.

        An entry whose key is absent keeps the key stored for the same provider, type, model and
        label, if there is one; null removes it. With ``if_match`` the write happens only while the
        current revision is among those given. Raises ``ConfigNotFound``, ``RevisionMismatch``,
        ``KeyRequired``, and what :func:`~aiconfig_plugin.domain.acceptance.accept` does; nothing is
        changed then.
        """
        stored = functools.partial(self._stored, owner)
        async with self._writing():
            config = await accept(owner, submission, self._vault, self.policy, stored)
            keep = [n for n, entry in enumerate(submission.models) if entry.keeps_key]
            replaced = await self._repository.replace(owner, config, keep=keep, if_match=if_match)
        if audit.is_wanted():
            changed = audit.changed_pointers(replaced.before, replaced.after)
            audit.record("update", owner, config.revision, client_id=client_id, changed=changed)
        return self.policy.catalog.applied(replaced.after)

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
        if self._key_use:
            self._key_use.forget(owner)
        audit.record("delete", owner, before.revision, client_id=client_id, changed=[""])

    @audit.records_refusals("resolve", ConfigNotFound, ModelNotConfigured, KeyUnreadable)
    async def resolve(self, owner: Owner, filters: Filters) -> ResolvedModel:
        """Return the first entry, in the owner's order, that may be used, with its API key opened.

        This counts as a use of the key.
        Raises ``ConfigNotFound``, ``ModelNotConfigured`` or ``KeyUnreadable``.
        """
        config = await self._read(owner)
        decision = self._decide(config, filters)
        if decision.position is None:
            if "key-unreadable" in decision.outcomes:
                raise KeyUnreadable(
                    "The stored key is wrapped by a key that is not on the keyring."
                )
            raise ModelNotConfigured(_explain(decision))
        chosen = self._opened(owner, config, decision.position, decision.key_source)
        audit.record("resolve", owner, config.revision)
        if self._key_use and chosen.key_identity:
            self._key_use.used(chosen.key_identity)
        return chosen

    @audit.records_refusals("verify", ConfigNotFound, KeyUnreadable)
    async def open(
        self, owner: Owner, identity: Identity, *, client_id: str | None = None
    ) -> ResolvedModel:
        """Return one entry with its own API key opened, for its verification.

        Raises ``ConfigNotFound``, also where there is no such entry, and ``KeyUnreadable``.
        """
        config = await self._read(owner)
        for position, entry in enumerate(config.models):
            if entry.identity == identity:
                chosen = self._opened(owner, config, position, "user" if entry.key else None)
                audit.record("verify", owner, config.revision, client_id=client_id)
                return chosen
        raise ConfigNotFound("This user's configuration has no such entry.")

    def _opened(
        self, owner: Owner, config: AIConfig, position: int, key_source: KeySource | None
    ) -> ResolvedModel:
        entry, catalog = config.models[position], self.policy.catalog
        api_key: SecretStr | None = None
        key_form: KeyForm | None = None
        key_identity: KeyIdentity | None = None
        if key_source == "shared":
            api_key, key_form = self.policy.shared_keys[entry.provider], "plain"
        elif key_source == "user" and entry.key:
            api_key = self._vault.open(owner, entry.destination, entry.key)
            key_form = self._vault.form(entry.key)
            key_identity = KeyIdentity(owner, self._vault.id(entry.key))
        return ResolvedModel.like(
            entry,
            is_paid=catalog.is_paid(entry),
            base_url=entry.base_url or catalog.base_url(entry.provider),
            api_key=api_key,
            system_prompt=catalog.prompt(config.system_prompt),
            key_form=key_form,
            key_source=key_source,
            position=position,
            key_identity=key_identity,
        )

    def report(self, chosen: ResolvedModel, result: KeyResult) -> None:
        """Remember what the provider said of the user's own key, where one was used.

        Raises ValueError for a result that is none.
        """
        if result not in KEY_RESULTS:
            raise ValueError(f"the result must be one of: {', '.join(KEY_RESULTS)}")
        if self._key_use and chosen.key_identity:
            self._key_use.reported(chosen.key_identity, result)

    async def key_use(self, owner: Owner, config: AIConfig) -> Mapping[Identity, KeyUse]:
        """Return what is known of the key of each entry that has one."""
        keys = {
            entry.identity: KeyIdentity(owner, self._vault.id(entry.key))
            for entry in config.models
            if entry.key
        }
        known = await self._key_use.read(set(keys.values())) if self._key_use else {}
        return {identity: known.get(key, UNUSED) for identity, key in keys.items()}

    async def decide(self, owner: Owner, filters: Filters) -> Decision:
        """Return what :meth:`resolve` would use and why, without opening a key.

        Raises ``ConfigNotFound``.
        """
        return self._decide(await self._read(owner), filters)

    def _decide(self, config: AIConfig, filters: Filters) -> Decision:
        return decide(config, filters, self.policy, self.key_state)

    def is_offered(self, entry: ModelEntry) -> bool:
        """Tell whether the operator offers the provider and the model of an entry."""
        return self.policy.catalog.refusal(entry) is None

    def api(self, provider: str) -> API | None:
        """Return the dialect that the operator named for the provider, if any."""
        return self.policy.catalog.api(provider)

    def key_state(self, entry: ModelEntry) -> KeyState:
        """Return what the owner may know of an entry's key without reading it."""
        return self._vault.state(entry.key)

    def recipient(self, owner: Owner) -> Mapping[str, Any]:
        """Return what a client needs to seal a key for this owner."""
        return self._vault.recipient(owner)

    async def _read(self, owner: Owner) -> AIConfig:
        config = await self._repository.read(owner)
        if self._search_keyring is not None:
            kids = (entry.key.kid for entry in config.models if entry.key)
            if not all(map(self._vault.has_key, kids)):
                await self._search_keyring()
        return config

    async def _stored(self, owner: Owner) -> AIConfig | None:
        """Return what there is before a write."""
        try:
            return await self._read(owner)
        except ConfigNotFound:
            return None
        except StorageUnavailable as err:
            err.outcome = "nothing-changed"
            raise


async def _nothing_stored() -> AIConfig | None:
    return None


def _explain(decision: Decision) -> str:
    """Say why no entry may be used."""
    reasons = Counter(decision.outcomes)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return f"No entry may be used: {told or 'there is none'}."

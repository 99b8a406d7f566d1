"""Whatever is done in whatever order: no key is lost, swapped or shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from joserfc.jwk import ECKey, OctKey

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import Filters, rotation
from aiconfig_plugin.domain.model import ABSENT, KeyState, Owner, Submission, SubmittedEntry
from aiconfig_plugin.domain.ports import Repository
from aiconfig_plugin.domain.service import AIConfigService
from aiconfig_plugin.errors import ConfigNotFound, KeyNotAccepted, KeyUnreadable
from aiconfig_plugin.keys.keyring import Keyring
from aiconfig_plugin.keys.vault import Vault
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.builders import ALICE, BOB

T = TypeVar("T")
Identity = tuple[str, str]

STORAGE = {f"storage{n}": OctKey.generate_key(256, {"kid": f"storage{n}"}) for n in range(5)}
SEALING = {"seal": ECKey.generate_key("P-256", {"kid": "seal"})}
OWNERS = [ALICE, BOB]
IDENTITIES = [(provider, model) for provider in ("OpenAI", "Azure") for model in "abc"]

# What an entry of a request does about its key.
ACTIONS = ["absent", "null", "opaque", "sealed", "returned"]


@dataclass(frozen=True)
class Key:
    """What must be true of one stored key: what it opens to, and what wraps it."""

    owner: Owner
    provider: str
    text: str
    kid: str
    form: str


requests = st.lists(
    st.tuples(st.sampled_from(IDENTITIES), st.sampled_from(ACTIONS), st.integers(0, 1000)),
    min_size=1,
    max_size=6,
    unique_by=lambda item: item[0],
)


class Keys(RuleBasedStateMachine):
    """Two owners, a keyring that turns, loses keys and finds them, and what must be so."""

    def __init__(self, new_repository: Callable[[], Repository]) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.repository = new_repository()
        self.run(self.repository.start())
        self.held = ["storage0"]
        self.lost: list[str] = []
        self.primary = "storage0"
        self.written = 0
        self.model: dict[Owner, dict[Identity, Key | None]] = {}
        self.seen: list[tuple[str, Key]] = []  # Each ciphertext that was ever handed out.
        self.reload()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        for owner in self.model:
            self.run(self.repository.delete(owner))
        self.run(self.repository.close())
        self.loop.close()

    def reload(self) -> None:
        """Restart the gateway with the keyring as it is now."""
        storage = {kid: STORAGE[kid] for kid in self.held}
        self.vault = Vault(Keyring(storage, SEALING, self.primary, "seal"))
        self.service = AIConfigService(self.repository, self.vault)

    @initialize(request=requests)
    def begin(self, request: list[Any]) -> None:
        self.write(ALICE, request)

    @rule(owner=st.sampled_from(OWNERS), request=requests)
    def write(self, owner: Owner, request: list[Any]) -> None:
        entries, expected, accepted = [], {}, True
        before = self.model.get(owner, {})
        for identity, action, number in request:
            sent, key, good = self.act(owner, identity, action, number)
            provider, model = identity
            entries.append(SubmittedEntry(provider, "chat", model, True, sent))
            expected[identity] = key
            accepted = accepted and good
        submission = Submission(tuple(entries), "")
        call = self.service.update if owner in self.model else self.service.create
        try:
            self.run(call(owner, submission))  # type: ignore[operator]
        except KeyNotAccepted:
            assert not accepted
            assert self.model.get(owner, {}) == before
        else:
            assert accepted
            self.model[owner] = expected

    def act(
        self, owner: Owner, identity: Identity, action: str, number: int
    ) -> tuple[Any, Key | None, bool]:
        """What is sent for an entry, what is to be stored for it, and whether it is accepted."""
        provider, _ = identity
        before = self.model.get(owner, {})
        if action == "returned" and self.seen:
            jwe, key = self.seen[number % len(self.seen)]
            stored = self.stored_unreadable(owner, provider, jwe)
            own = (key.owner, key.provider) == (owner, provider)
            if own and key.kid in self.held:
                key = replace(key, kid=self.primary)  # It never brings an old key back into use.
            return jwe, key, own and (key.kid in self.held or stored)
        if action in ("opaque", "sealed"):
            self.written += 1
            text = f"secret number {self.written}"
            if action == "opaque":
                return text, Key(owner, provider, text, self.primary, "opaque"), True
            sealed = seal(self.vault.recipient(owner), text, provider=provider)
            return sealed, Key(owner, provider, text, self.primary, "plain"), True
        if action == "null":
            return None, None, True
        return ABSENT, before.get(identity), True

    def stored_unreadable(self, owner: Owner, provider: str, jwe: str) -> bool:
        try:
            config = self.run(self.repository.read(owner))
        except ConfigNotFound:
            return False
        return any(e.key and (e.provider, e.key.jwe) == (provider, jwe) for e in config.models)

    @rule(owner=st.sampled_from(OWNERS))
    def look(self, owner: Owner) -> None:
        """Take what the gateway hands out, to give it back some day."""
        if owner in self.model:
            config = self.run(self.service.read(owner, with_keys=True))
            for item in config.models:
                key = self.model[owner][item.provider, item.model]
                if item.key and key:
                    self.seen.append((item.key.jwe, key))

    @precondition(lambda self: len(self.model) == 2)
    @rule(owner=st.sampled_from(OWNERS))
    def delete(self, owner: Owner) -> None:
        self.run(self.service.delete(owner))
        del self.model[owner]

    @precondition(lambda self: len(self.held) + len(self.lost) < len(STORAGE))
    @rule()
    def turn_the_keyring(self) -> None:
        self.primary = f"storage{len(self.held) + len(self.lost)}"
        self.held.append(self.primary)
        self.reload()

    @rule()
    def rotate(self) -> None:
        left = self.run(rotation.rotate(self.repository, self.vault)).left
        for owner, entries in self.model.items():
            for identity, key in entries.items():
                if key and key.kid in self.held:
                    self.model[owner][identity] = replace(key, kid=self.primary)
        kept = [key.kid for entries in self.model.values() for key in entries.values() if key]
        others = [kid for kid in kept if kid != self.primary]
        assert left == {kid: others.count(kid) for kid in others}

    @precondition(lambda self: len(self.held) > 1)
    @rule(number=st.integers(0, 10))
    def lose_a_key(self, number: int) -> None:
        candidates = [kid for kid in self.held if kid != self.primary]
        kid = candidates[number % len(candidates)]
        self.held.remove(kid)
        self.lost.append(kid)
        self.reload()

    @precondition(lambda self: self.lost)
    @rule(number=st.integers(0, 10))
    def find_it_again(self, number: int) -> None:
        self.held.append(self.lost.pop(number % len(self.lost)))
        self.reload()

    @invariant()
    def no_key_is_lost_swapped_or_shown(self) -> None:
        for owner in OWNERS:
            if owner not in self.model:
                with pytest.raises(ConfigNotFound):
                    self.run(self.service.read(owner))
                continue
            config = self.run(self.service.read(owner, with_keys=True))
            entries = self.model[owner]
            assert [(item.provider, item.model) for item in config.models] == list(entries)
            assert "secret number" not in repr(vars(config)) + str(
                [item.key and item.key.jwe for item in config.models]
            )
            for item in config.models:
                self.expect(owner, item, entries[item.provider, item.model])

    def expect(self, owner: Owner, item: Any, key: Key | None) -> None:
        resolving = self.service.resolve(owner, Filters(provider=item.provider, model=item.model))
        if key is None:
            assert self.service.key_state(item) is KeyState.UNSET
            chosen = self.run(resolving)
            assert (chosen.api_key, chosen.key_form) == (None, None)
        elif key.kid in self.held:
            assert self.service.key_state(item) is KeyState.SET
            chosen = self.run(resolving)
            assert chosen.api_key and chosen.api_key.get_secret_value() == key.text
            assert chosen.key_form == key.form
        else:
            assert self.service.key_state(item) is KeyState.UNREADABLE
            with pytest.raises(KeyUnreadable):
                self.run(resolving)


def check(new_repository: Callable[[], Repository], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: Keys(new_repository),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_key_is_lost_swapped_or_shown_in_memory() -> None:
    check(InMemoryRepository, examples=100, steps=40)

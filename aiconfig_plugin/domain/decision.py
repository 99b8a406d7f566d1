"""Which entry a call would use, with whose key and where: one decision for every caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aiconfig_plugin.domain.catalog import Catalog
from aiconfig_plugin.domain.model import (
    AIConfig,
    KeySource,
    KeyState,
    Model,
    ModelEntry,
)
from aiconfig_plugin.domain.secret import SecretStr

EntryOutcome: TypeAlias = Literal[
    "chosen",
    "not-needed",
    "does-not-fit",
    "disabled",
    "not-offered",
    "base-url-not-allowed",
    "key-unreadable",
]


@dataclass(frozen=True)
class Filters:
    """What an entry must say; None asks for nothing."""

    provider: str | None = None
    type: str | None = None
    model: str | None = None
    label: str | None = None

    def fit(self, entry: ModelEntry) -> bool:
        return (
            self.provider in (None, entry.provider)
            and self.type in (None, entry.type)
            and self.model in (None, entry.model)
            and self.label in (None, entry.label)
        )


@dataclass(frozen=True)
class Decision:
    """``position`` is that of the entry that would be used; None where there is none.

    ``outcomes`` has one word for each entry. ``base_url`` is the entry's own, or the catalogue's.
    """

    outcomes: tuple[EntryOutcome, ...]
    position: int | None = None
    key_source: KeySource | None = None
    base_url: str | None = None


@dataclass(frozen=True)
class Policy:
    """What the operator says.

    ``base_urls`` is what users may give, in words, and ``allows_base_url`` tells it of one.
    ``shared_keys`` are the operator's own API keys, by provider.
    """

    catalog: Catalog = field(default_factory=Catalog)
    base_urls: Sequence[str] = ()
    allows_base_url: Callable[[str], bool] = lambda _base_url: False
    shared_keys: Mapping[str, SecretStr] = field(default_factory=dict)

    def key_source(self, entry: ModelEntry) -> KeySource | None:
        """Return whose key is used for an entry whose own key, if it has one, can be read.

        A shared key never goes to an endpoint of the user's own.
        """
        mode = self.catalog.shared_key(entry.provider)
        if entry.key is not None and mode != "only":
            return "user"
        if mode == "never" or entry.base_url is not None:
            return None
        return "shared" if entry.provider in self.shared_keys else None

    def allows(self, entry: Model) -> bool:
        """Tell whether the entry's own base URL may be used; having none is no obstacle."""
        return entry.base_url is None or self.allows_base_url(entry.base_url)


def decide(
    config: AIConfig,
    filters: Filters,
    policy: Policy,
    key_state: Callable[[ModelEntry], KeyState],
) -> Decision:
    """Return the first entry, in the owner's order, that fits and may be used.

    Where that one's key is unreadable nothing is chosen in its place. Opens no key.
    """
    outcomes: list[EntryOutcome] = []
    found: int | None = None
    for position, entry in enumerate(config.models):
        outcome = _obstacle(entry, filters, policy)
        if outcome is None:
            outcome = "chosen" if found is None else "not-needed"
            found = position if found is None else found
        outcomes.append(outcome)
    if found is None:
        return Decision(tuple(outcomes))
    entry = config.models[found]
    if key_state(entry) is KeyState.UNREADABLE:
        outcomes[found] = "key-unreadable"
        return Decision(tuple(outcomes))
    return Decision(
        tuple(outcomes),
        position=found,
        key_source=policy.key_source(entry),
        base_url=entry.base_url or policy.catalog.base_url(entry.provider),
    )


def _obstacle(entry: ModelEntry, filters: Filters, policy: Policy) -> EntryOutcome | None:
    if not filters.fit(entry):
        return "does-not-fit"
    if entry.enabled is False:
        return "disabled"
    if policy.catalog.refusal(entry):
        return "not-offered"
    if not policy.allows(entry):
        return "base-url-not-allowed"
    return None

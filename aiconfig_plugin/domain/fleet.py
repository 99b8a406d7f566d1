"""How a fleet of gateways turns its keys without a restart. Pure: no clock, no store.

The store has what each process announces, the keys that it holds and those that it writes with
(:class:`Gateway`), and one document with what holds for all (:class:`FleetKeys`). Two orders make
it safe, and a test searches every interleaving for what happens when either is swapped:

* A process announces its keys, *then* reads which are required.
* An activation writes what is required, *then* reads the announcements, and makes the key primary
  only if the document has not changed since.

So either the activation sees the process that lacks the key, and waits, or the process sees that
the key is required, and does not serve. A process that was cut off begins again. A process that
was paused with a write in its hands is stopped by the store itself, which refuses a retired key
before the last count of the stored keys.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from aiconfig_plugin.errors import ConfigurationError, KeyInUse

HEARTBEAT = 2.0
"""Seconds between two announcements of a process."""
CUT_OFF = 10.0
"""Seconds after which a process that could not announce itself no longer counts itself in."""
LIVE = 20.0
"""Seconds for which an announcement counts, by the store's clock: longer than a process that is
cut off begins to write (10) and a write takes (8)."""

Kids: TypeAlias = frozenset[str]
Phase: TypeAlias = Literal["outside", "announced", "waiting", "serving"]

NONE: Kids = frozenset()


@dataclass(frozen=True)
class Gateway:
    """A live process as it has announced itself."""

    id: str
    host: str
    process: int
    since: datetime
    """When it announced itself first, by the store's clock."""
    kids: Kids
    """The keys that it holds, of each kind."""
    uses: Kids
    """The keys that it writes with, or gives to clients."""

    def __str__(self) -> str:
        return f"{self.host} (process {self.process}, since {self.since:%Y-%m-%d %H:%M:%S}Z)"


@dataclass(frozen=True)
class FleetKeys:
    """What holds for all processes, by ``kid``. ``version`` changes with each change."""

    version: int = 0
    pending: Kids = NONE
    """Being activated: whoever joins must hold them; whoever is in is waited for."""
    required: Kids = NONE
    """Every process must hold them."""
    retired: Kids = NONE
    """The store refuses them."""
    storage: str | None = None
    """The primary storage key; while it is None, the keyring's mark counts."""
    sealing: str | None = None
    """The primary sealing key, likewise."""

    @property
    def primaries(self) -> Kids:
        return frozenset(kid for kid in (self.storage, self.sealing) if kid)

    def requiring(self, kids: Collection[str]) -> FleetKeys:
        """Begin an activation. Raises ``ConfigurationError`` for a retired key."""
        if refused := self.retired.intersection(kids):
            raise ConfigurationError(f"{_listed(refused)} is retired: the database refuses it.")
        return replace(self, pending=self.pending | (frozenset(kids) - self.required))

    def withdrawing(self, kids: Collection[str]) -> FleetKeys:
        """Give an activation up."""
        return replace(self, pending=self.pending - frozenset(kids))

    def activated(
        self, *, storage: str | None, sealing: str | None, kept: Collection[str] = ()
    ) -> FleetKeys:
        """End an activation; ``kept`` are keys that were written with and are still needed."""
        kids = frozenset(kid for kid in (storage, sealing) if kid)
        if not kids <= self.pending | self.required:
            raise ValueError("an activation begins with requiring()")
        return replace(
            self,
            pending=self.pending - kids,
            required=(self.required | kids | frozenset(kept)) - self.retired,
            storage=storage or self.storage,
            sealing=sealing or self.sealing,
        )

    def retiring(self, kids: Collection[str]) -> FleetKeys:
        """Give keys up. Raises ``KeyInUse`` for one that is, or is becoming, a primary."""
        if refused := self.primaries.intersection(kids):
            told = f"{_listed(refused)} is primary: activate another key first."
            raise KeyInUse(told, kids=refused)
        if refused := self.pending.intersection(kids):
            raise KeyInUse(f"{_listed(refused)} is being activated.", kids=refused)
        gone = frozenset(kids)
        return replace(self, required=self.required - gone, retired=self.retired | gone)

    def reopened(self, kids: Collection[str]) -> FleetKeys:
        """Take a retirement back: stored keys were found that still need the keys."""
        back = self.retired.intersection(kids)
        if not back:
            return self
        return replace(self, required=self.required | back, retired=self.retired - back)


@dataclass(frozen=True)
class Member:
    """One process in the fleet: the keys that it holds, and whether it may serve."""

    held: Kids
    phase: Phase = "outside"
    missing: Kids = NONE
    """The keys for which it is waiting."""

    def announced(self) -> Member:
        """It has announced what it holds. One that serves goes on meanwhile."""
        return self if self.phase == "serving" else replace(self, phase="announced")

    def informed(self, keys: FleetKeys) -> Member:
        """It has read what is required, after it had announced what it holds.

        One that serves need not hold what is pending: the activation has seen it, and waits.
        """
        if self.phase == "outside":
            raise ValueError("a process announces its keys before it reads what is required")
        needed = keys.required if self.phase == "serving" else keys.required | keys.pending
        missing = needed - self.held
        return replace(self, phase="waiting" if missing else "serving", missing=missing)

    def cut_off(self) -> Member:
        """Others may have stopped to count it in: it has to announce itself, and ask, again."""
        return replace(self, phase="outside")

    @property
    def may_serve(self) -> bool:
        return self.phase == "serving"


def needed_of(dropped: Collection[str], keys: FleetKeys) -> Kids:
    """Return which of the keys that a process is about to drop it has to go on holding.

    It asks after it has announced itself without them, so that no activation counts on them.
    """
    return (keys.required | keys.pending).intersection(dropped)


def lacking(kid: str, live: Sequence[Gateway]) -> list[Gateway]:
    """Return the live processes that do not hold a key."""
    return [gateway for gateway in live if kid not in gateway.kids]


def writers(kids: Collection[str], live: Sequence[Gateway]) -> list[Gateway]:
    """Return the live processes that write with one of the keys, or give it to clients."""
    return [gateway for gateway in live if not gateway.uses.isdisjoint(kids)]


def held_by_all(live: Sequence[Gateway]) -> Kids:
    """Return the keys that some process writes with and every live process holds."""
    used = frozenset[str]().union(*(gateway.uses for gateway in live))
    return used.intersection(*(gateway.kids for gateway in live))


def _listed(kids: Collection[str]) -> str:
    return ", ".join(sorted(kids))

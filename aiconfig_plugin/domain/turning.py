"""What an operator does to the keys of a fleet: activate one, and retire those before it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from aiconfig_plugin.domain.fleet import FleetKeys, Gateway, held_by_all, lacking, writers
from aiconfig_plugin.domain.ports import Gateways, Repository
from aiconfig_plugin.errors import KeyInUse, KeyNotDistributed, StorageUnavailable

INTERVAL = 0.5
"""Seconds between two looks at the announcements."""
SETTLING = 30.0
"""Seconds for which all processes may take to write with another key."""


@dataclass(frozen=True)
class Progress:
    """How many live processes hold a key, of how many, and which do not."""

    kid: str
    holding: int
    total: int
    lacking: Sequence[Gateway]

    @property
    def is_complete(self) -> bool:
        return self.holding == self.total


@dataclass(frozen=True)
class Waiting:
    """How to wait: ``timer`` gives seconds that never go backwards."""

    timeout: float
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    timer: Callable[[], float] = time.monotonic


async def activate(
    gateways: Gateways,
    *,
    storage: str | None,
    sealing: str | None,
    expect: int = 0,
    waiting: Waiting,
    report: Callable[[Sequence[Progress]], None],
) -> None:
    """Make these keys primary in every process, once every live one holds them.

    ``expect`` is how many processes there must be at least; ``report`` is told of every look.
    Raises :class:`~aiconfig_plugin.errors.KeyNotDistributed` when it gives up: then nothing has
    changed. Two may run at once: each switches only what it has seen, and the last one holds.
    """
    kids = [kid for kid in (storage, sealing) if kid]
    deadline = waiting.timer() + waiting.timeout
    progress: Sequence[Progress] = []
    try:
        while True:
            try:
                keys = await _change(gateways, lambda keys: keys.requiring(kids))
                live = await gateways.live()
                progress = [_progress(kid, live, expect) for kid in kids]
                report(progress)
                if all(each.is_complete for each in progress):
                    activated = keys.activated(
                        storage=storage, sealing=sealing, kept=held_by_all(live)
                    )
                    if activated == keys:
                        return
                    activated = replace(activated, version=keys.version + 1)
                    if await gateways.change_keys(keys, activated):
                        return
                    continue  # Somebody else has changed something: look again.
            except StorageUnavailable:
                if waiting.timer() >= deadline:
                    raise
            if waiting.timer() >= deadline:
                raise KeyNotDistributed(_describe(progress))
            await waiting.sleep(INTERVAL)
    except BaseException:
        await _change(gateways, lambda keys: keys.withdrawing(kids))
        raise


async def await_writers(
    gateways: Gateways, kids: Collection[str], *, waiting: Waiting
) -> Sequence[Gateway]:
    """Wait until no live process writes with these keys; return those that still do."""
    deadline = waiting.timer() + waiting.timeout
    while left := writers(kids, await gateways.live()):
        if waiting.timer() >= deadline:
            return left
        await waiting.sleep(INTERVAL)
    return []


async def retire(
    gateways: Gateways,
    repository: Repository,
    kids: Collection[str],
    *,
    waiting: Waiting,
) -> None:
    """Close the store to these keys, unless they are in use; then they may leave the keyring.

    Raises :class:`~aiconfig_plugin.errors.KeyInUse`: then the store is as open as before.
    """
    if left := await await_writers(gateways, kids, waiting=waiting):
        users = "; ".join(map(str, left))
        raise KeyInUse(f"{', '.join(kids)} is still written with by {users}.", kids=kids)
    await _refuse_used(repository, kids)
    await _change(gateways, lambda keys: keys.retiring(kids))
    try:
        await gateways.refuse_retired()
        # Again: a write that was under way may have come in between.
        await _refuse_used(repository, kids)
    except BaseException:
        await _change(gateways, lambda keys: keys.reopened(kids))
        await gateways.refuse_retired()
        raise


async def _change(gateways: Gateways, change: Callable[[FleetKeys], FleetKeys]) -> FleetKeys:
    """Apply a change to the present keys and return them; others may change them meanwhile."""
    while True:
        before = await gateways.keys()
        after = change(before)
        if after == before:
            return before
        after = replace(after, version=before.version + 1)
        if await gateways.change_keys(before, after):
            return after


def _progress(kid: str, live: Sequence[Gateway], expect: int) -> Progress:
    without = lacking(kid, live)
    return Progress(kid, len(live) - len(without), max(len(live), expect), without)


def _describe(progress: Sequence[Progress]) -> str:
    """Say what an activation waited for in vain."""
    told = []
    for each in progress:
        missing = [f"{gateway} does not hold it" for gateway in each.lacking]
        if (absent := each.total - each.holding - len(each.lacking)) > 0:
            missing.append(f"{absent} more were expected")
        if missing:
            told.append(f"{each.kid}: {', '.join(missing)}")
    return f"Nothing was changed. {'; '.join(told)}."


async def _refuse_used(repository: Repository, kids: Collection[str]) -> None:
    used = {kid: count for kid in kids if (count := await repository.count_owners(kid))}
    if used:
        counted = ", ".join(f"{kid} wraps stored keys (owners: {n})" for kid, n in used.items())
        raise KeyInUse(f"{counted}. Run 'aiconfig rotate' first.", kids=[*used])

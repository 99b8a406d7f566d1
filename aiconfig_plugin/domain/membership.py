"""One process as a member of its fleet: its heartbeat, and what it may do between two of them."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from aiconfig_plugin.domain.fleet import CUT_OFF, NONE, FleetKeys, Kids, Member, needed_of
from aiconfig_plugin.domain.ports import Gateways, TurnableKeys
from aiconfig_plugin.errors import ConfigurationError, StorageUnavailable

REJOIN_TIMEOUT = 3.0
"""Seconds for which a write waits until its process, which was cut off, counts again."""

logger = logging.getLogger("aiconfig_plugin")


class Membership:
    """Announces what this process holds, and lets it write with the key that the fleet has chosen.

    ``timer`` gives seconds that never go backwards.
    """

    def __init__(
        self,
        gateways: Gateways,
        keyring: TurnableKeys,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateways = gateways
        self._keyring = keyring
        self._timer = timer
        self._id = secrets.token_urlsafe(12)
        self._member = Member(NONE)
        self._keys = FleetKeys()
        self._heard = -math.inf
        self._lock = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self._writing = _WritesUnderWay(keyring.primaries)

    @property
    def is_ready(self) -> bool:
        """Tell whether it holds every key that it must; an outage of the store changes nothing."""
        return not self._member.missing

    async def beat(self) -> None:
        """Announce, then ask. Raises :class:`~aiconfig_plugin.errors.StorageUnavailable`."""
        async with self._lock:
            await self._beat(self._keyring.kids)

    async def leave(self) -> None:
        """Take the announcement back, where the store can be reached."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        with suppress(StorageUnavailable):
            await self._gateways.leave(self._id)
        self._member, self._heard = Member(NONE), -math.inf

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Keep the key of a write that is under way among those that this process uses.

        Raises :class:`~aiconfig_plugin.errors.StorageUnavailable` where this process is cut off
        from its fleet, or waits for a key.
        """
        if not self._is_counted or self._member.phase == "outside":
            await self._rejoin()
        if not self._member.may_serve:
            raise StorageUnavailable(
                "This gateway waits for a key of its keyring.", outcome="nothing-changed"
            )
        with self._writing.one():
            yield

    async def adopt(self, kids: Kids, replace: Callable[[], None]) -> None:
        """Call ``replace``, which puts a keyring of these ``kids`` in place of the present one.

        Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, and calls nothing, where the
        fleet needs a key that would be dropped.
        """
        async with self._lock:
            held = self._keyring.kids
            dropped = held - kids
            if dropped and self._member.phase != "outside":
                # First without them, so that nobody counts on them when they are gone.
                await self._beat(held & kids)
                if needed := needed_of(dropped, self._keys):
                    await self._beat(held)
                    raise ConfigurationError(
                        f"it lacks {', '.join(sorted(needed))}, which the gateways of this "
                        "database need; is this an older file?"
                    )
            replace()
            self._follow(self._keys)

    @property
    def _is_counted(self) -> bool:
        return self._timer() - self._heard < CUT_OFF

    async def _beat(self, kids: Kids) -> None:
        """Announce these keys, of those that are held, then ask."""
        asked = self._timer()
        was_there = await self._gateways.announce(self._id, kids, self._writing.kids())
        if not was_there or not self._is_counted:
            self._member = self._member.cut_off()
        announced = self._member.announced()
        keys = await self._gateways.keys()
        held = Member(self._keyring.kids, announced.phase).informed(keys)
        if held.missing != self._member.missing:
            _log(held.missing)
        self._member, self._heard = held, asked
        self._follow(keys)

    def _follow(self, keys: FleetKeys) -> None:
        self._keys = keys
        self._keyring.use(keys.primaries)
        self._writing.switch(self._keyring.primaries)

    async def _rejoin(self) -> None:
        """Announce and ask at once, together with whoever else has to."""
        if self._beating is None:
            self._beating = asyncio.create_task(self.beat())
            self._beating.add_done_callback(self._end_beat)
        try:
            await asyncio.wait_for(asyncio.shield(self._beating), REJOIN_TIMEOUT)
        except (StorageUnavailable, asyncio.TimeoutError) as err:
            raise StorageUnavailable(
                "This gateway cannot ask the database which key it may write with.",
                outcome="nothing-changed",
            ) from err

    def _end_beat(self, task: asyncio.Task[None]) -> None:
        self._beating = None
        if not task.cancelled():
            task.exception()  # Whoever waited has it; nobody may have.


class _WritesUnderWay:
    """Which keys the writes under way may use: the primaries since the oldest of them began."""

    def __init__(self, primaries: Kids) -> None:
        self._periods = [_Period(primaries)]

    @contextmanager
    def one(self) -> Iterator[None]:
        period = self._periods[-1]
        period.writes += 1
        try:
            yield
        finally:
            period.writes -= 1
            while len(self._periods) > 1 and not self._periods[0].writes:
                del self._periods[0]

    def switch(self, primaries: Kids) -> None:
        last = self._periods[-1]
        if primaries != last.primaries:
            self._periods = [*(self._periods if self._are_any else ()), _Period(primaries)]

    def kids(self) -> Kids:
        return NONE.union(*(period.primaries for period in self._periods))

    @property
    def _are_any(self) -> bool:
        return any(period.writes for period in self._periods)


@dataclass
class _Period:
    primaries: Kids
    writes: int = 0


async def use_primaries(gateways: Gateways, keyring: TurnableKeys) -> None:
    """Let a command write with the keys that its fleet writes with.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` where the keyring lacks a key that
    every process must hold.
    """
    keys = await gateways.keys()
    if missing := keys.required - keyring.kids:
        raise ConfigurationError(
            f"The keyring lacks {', '.join(sorted(missing))}, which the gateways of this database "
            "need."
        )
    keyring.use(keys.primaries)


def _log(missing: Kids) -> None:
    if missing:
        logger.error(
            "The keyring lacks %s, which the gateways of this database need: this gateway is not "
            "ready and refuses writes. Give it the present keyring.",
            ", ".join(sorted(missing)),
        )
    else:
        logger.warning("The keyring has every key that the gateways of this database need.")

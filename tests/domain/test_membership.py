"""One process as a member of its fleet: in memory, with a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

import pytest

from aiconfig_plugin.domain import FleetKeys, Kids, Membership, use_primaries
from aiconfig_plugin.domain.fleet import CUT_OFF, LIVE
from aiconfig_plugin.errors import ConfigurationError, StorageUnavailable
from aiconfig_plugin.testing import InMemoryGateways
from tests.support.builders import logged

OLD, NEW = "old", "new"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Keyring:
    """Storage keys; the first is the one that its file marks."""

    def __init__(self, *kids: str) -> None:
        self.kids: Kids = frozenset(kids)
        self._marked = kids[0]
        self._chosen: Kids = frozenset()

    @property
    def primaries(self) -> Kids:
        return self._chosen & self.kids or frozenset({self._marked})

    def use(self, primaries: Collection[str]) -> None:
        self._chosen = frozenset(primaries)


class Gateways(InMemoryGateways):
    """As its base; it can be out of reach, and tells in which order it was asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(timer=clock)
        self.is_away = False
        self.asked: list[str] = []

    async def announce(self, id: str, kids: Kids, uses: Kids) -> bool:
        self._ask("announce")
        return await super().announce(id, kids, uses)

    async def keys(self) -> FleetKeys:
        self._ask("keys")
        return await super().keys()

    def _ask(self, what: str) -> None:
        if self.is_away:
            raise StorageUnavailable("The database cannot be reached.")
        self.asked.append(what)


class House:
    """A store and the clock of everybody."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.gateways = Gateways(self.clock)

    async def member(self, keyring: Keyring) -> Membership:
        made = Membership(self.gateways, keyring, timer=self.clock)
        await made.beat()
        return made

    async def change(self, **changed: object) -> None:
        before = await self.gateways.keys()
        after = replace(before, version=before.version + 1, **changed)  # type: ignore[arg-type]
        assert await self.gateways.change_keys(before, after)

    async def uses(self) -> list[Kids]:
        return [gateway.uses for gateway in await self.gateways.live()]


@pytest.fixture
def house() -> House:
    return House()


async def activated(house: House) -> None:
    await house.change(required=frozenset({OLD, NEW}), storage=NEW)


async def writes(member: Membership) -> bool:
    try:
        async with member.writing():
            return True
    except StorageUnavailable as err:
        assert err.outcome == "nothing-changed"
        return False


async def test_it_announces_and_then_asks(house: House) -> None:
    await house.member(Keyring(OLD))
    assert house.gateways.asked == ["announce", "keys"]


async def test_without_an_activation_the_mark_of_the_keyring_counts(house: House) -> None:
    keyring = Keyring(OLD, NEW)
    member = await house.member(keyring)
    assert keyring.primaries == {OLD} and member.is_ready and await writes(member)


async def test_the_primary_of_the_fleet_is_used_from_the_next_heartbeat(house: House) -> None:
    keyring = Keyring(OLD, NEW)
    member = await house.member(keyring)
    await activated(house)
    await member.beat()
    assert keyring.primaries == {NEW}
    await member.beat()
    assert await house.uses() == [{NEW}]


async def test_a_process_with_last_week_s_file_is_not_ready_and_writes_nothing(
    house: House,
) -> None:
    await activated(house)
    with logged("aiconfig_plugin") as lines:
        member = await house.member(Keyring(OLD))
        await member.beat()
        assert not member.is_ready and not await writes(member)
    assert len(lines) == 1 and f"The keyring lacks {NEW}" in lines[0]


async def test_it_becomes_ready_when_it_gets_the_key(house: House) -> None:
    await activated(house)
    keyring = Keyring(OLD)
    member = await house.member(keyring)
    both = Keyring(OLD, NEW)

    def put() -> None:
        keyring.kids = both.kids

    await member.adopt(both.kids, put)
    await member.beat()
    assert member.is_ready and await writes(member) and keyring.primaries == {NEW}


async def test_a_process_that_is_in_stays_ready_while_an_activation_waits_for_it(
    house: House,
) -> None:
    member = await house.member(Keyring(OLD))
    await house.change(pending=frozenset({NEW}))
    await member.beat()
    assert member.is_ready and await writes(member)
    joining = await house.member(Keyring(OLD))
    assert not joining.is_ready


async def test_an_outage_of_the_store_does_not_end_its_readiness(house: House) -> None:
    member = await house.member(Keyring(OLD))
    house.gateways.is_away = True
    house.clock.now += 3600
    with pytest.raises(StorageUnavailable):
        await member.beat()
    assert member.is_ready


async def test_cut_off_it_announces_and_asks_before_it_writes(house: House) -> None:
    keyring = Keyring(OLD, NEW)
    member = await house.member(keyring)
    await activated(house)
    house.clock.now += CUT_OFF - 0.1
    house.gateways.asked.clear()
    assert await writes(member) and house.gateways.asked == []
    house.clock.now += 0.1
    assert await writes(member) and house.gateways.asked == ["announce", "keys"]
    assert keyring.primaries == {NEW}


async def test_cut_off_it_does_not_write_while_it_cannot_ask(house: House) -> None:
    member = await house.member(Keyring(OLD))
    house.clock.now += CUT_OFF
    house.gateways.is_away = True
    assert not await writes(member)
    house.gateways.is_away = False
    assert await writes(member)


async def test_many_writes_of_a_process_that_was_cut_off_ask_once(house: House) -> None:
    member = await house.member(Keyring(OLD))
    house.clock.now += CUT_OFF
    house.gateways.asked.clear()
    assert all(await asyncio.gather(*(writes(member) for _ in range(20))))
    assert house.gateways.asked == ["announce", "keys"]


@pytest.mark.parametrize("gap", [CUT_OFF, LIVE + 1])
async def test_one_that_was_cut_off_needs_what_is_pending(house: House, gap: float) -> None:
    member = await house.member(Keyring(OLD))
    await house.change(pending=frozenset({NEW}))
    house.clock.now += gap
    assert not await writes(member) and not member.is_ready


async def test_one_whose_announcement_was_removed_needs_what_is_pending(house: House) -> None:
    member = await house.member(Keyring(OLD))
    await house.change(pending=frozenset({NEW}))
    [announced] = await house.gateways.live()
    await house.gateways.leave(announced.id)
    await member.beat()
    assert not member.is_ready


async def test_a_key_that_a_write_under_way_may_use_is_announced_until_it_ends(
    house: House,
) -> None:
    keyring = Keyring(OLD, NEW)
    member = await house.member(keyring)
    async with member.writing():
        await activated(house)
        await member.beat()
        async with member.writing():
            await member.beat()
            assert await house.uses() == [{OLD, NEW}]
    await member.beat()
    assert await house.uses() == [{NEW}]


async def test_a_write_that_fails_is_under_way_no_more(house: House) -> None:
    keyring = Keyring(OLD, NEW)
    member = await house.member(keyring)
    with pytest.raises(ZeroDivisionError):
        async with member.writing():
            raise ZeroDivisionError
    await activated(house)
    await member.beat()
    await member.beat()
    assert await house.uses() == [{NEW}]


@pytest.mark.parametrize("state", ["required", "pending"])
async def test_a_file_that_lacks_what_the_fleet_needs_is_refused(house: House, state: str) -> None:
    member = await house.member(Keyring(OLD, NEW))
    await house.change(**{state: frozenset({NEW})})
    with pytest.raises(ConfigurationError, match=f"lacks {NEW}"):
        await member.adopt(frozenset({OLD}), lambda: pytest.fail("it was put in place"))
    assert [gateway.kids for gateway in await house.gateways.live()] == [{OLD, NEW}]


async def test_before_a_key_is_dropped_nobody_counts_on_it_any_more(house: House) -> None:
    keyring = Keyring(OLD, NEW)
    member = await house.member(keyring)
    seen: list[Kids] = []

    def drop() -> None:
        seen.extend(told.kids for told, _ in house.gateways._announced.values())
        keyring.kids = frozenset({OLD})

    await member.adopt(frozenset({OLD}), drop)
    assert seen == [{OLD}]


async def test_a_process_that_ends_is_counted_no_more(house: House) -> None:
    member = await house.member(Keyring(OLD))
    await member.leave()
    assert await house.gateways.live() == []


async def test_it_leaves_without_an_error_where_the_store_is_away(house: House) -> None:
    class Away(InMemoryGateways):
        async def leave(self, id: str) -> None:
            raise StorageUnavailable("The database cannot be reached.")

    await Membership(Away(), Keyring(OLD)).leave()


async def test_a_command_writes_with_the_key_of_the_fleet_or_not_at_all(house: House) -> None:
    await activated(house)
    keyring = Keyring(OLD, NEW)
    await use_primaries(house.gateways, keyring)
    assert keyring.primaries == {NEW}
    with pytest.raises(ConfigurationError, match=f"lacks {NEW}"):
        await use_primaries(house.gateways, Keyring(OLD))

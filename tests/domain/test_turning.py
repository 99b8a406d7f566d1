"""What an operator does to the keys of a fleet, in memory: no waiting, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aiconfig_plugin.domain import (
    AIConfig,
    FleetKeys,
    Kids,
    ModelEntry,
    Owner,
    Progress,
    StoredKey,
    Waiting,
    activate,
    await_writers,
    retire,
)
from aiconfig_plugin.errors import (
    ConfigurationError,
    KeyInUse,
    KeyNotDistributed,
    StorageUnavailable,
)
from aiconfig_plugin.testing import InMemoryGateways, InMemoryRepository

OLD, NEW = "old", "new"
BOTH: Kids = frozenset({OLD, NEW})
OWNER = Owner("https://issuer.example", "alice")


class Time:
    """Passes when somebody sleeps; ``then`` happens at the first sleep."""

    def __init__(self, *then: Callable[[], Any]) -> None:
        self.now = 0.0
        self._then = list(then)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._then:
            await self._then.pop(0)()

    def waiting(self, timeout: float = 10.0) -> Waiting:
        return Waiting(timeout, self.sleep, lambda: self.now)


class Operator:
    def __init__(self, gateways: InMemoryGateways) -> None:
        self._gateways = gateways
        self.told: list[str] = []

    def report(self, progress: Sequence[Progress]) -> None:
        self.told += [f"{each.kid} [{each.holding}/{each.total}]" for each in progress]

    async def activate(self, time: Time, kid: str = NEW, *, expect: int = 0) -> None:
        await activate(
            self._gateways,
            storage=kid,
            sealing=None,
            expect=expect,
            waiting=time.waiting(),
            report=self.report,
        )


@pytest.fixture
def gateways() -> InMemoryGateways:
    return InMemoryGateways()


@pytest.fixture
def operator(gateways: InMemoryGateways) -> Operator:
    return Operator(gateways)


def announcing(gateways: InMemoryGateways, id: str, kids: Kids, uses: str) -> Callable[[], Any]:
    return lambda: gateways.announce(id, kids, frozenset({uses}))


async def test_a_key_that_every_live_process_holds_becomes_primary(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    for id in "abc":
        await gateways.announce(id, BOTH, frozenset({OLD}))
    await operator.activate(Time())
    assert operator.told == [f"{NEW} [3/3]"]
    keys = await gateways.keys()
    assert (keys.storage, keys.required, keys.pending) == (NEW, BOTH, set())


async def test_it_waits_for_who_lacks_the_key(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    await gateways.announce("a", BOTH, frozenset({OLD}))
    await gateways.announce("b", frozenset({OLD}), frozenset({OLD}))
    await operator.activate(Time(announcing(gateways, "b", BOTH, OLD)))
    assert operator.told == [f"{NEW} [1/2]", f"{NEW} [2/2]"]


async def test_while_it_waits_who_joins_is_told_and_nobody_writes_with_the_key(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    seen: list[FleetKeys] = []

    async def look() -> None:
        seen.append(await gateways.keys())
        await gateways.announce("a", BOTH, frozenset({OLD}))

    await gateways.announce("a", frozenset({OLD}), frozenset({OLD}))
    await operator.activate(Time(look))
    assert (seen[0].pending, seen[0].storage) == ({NEW}, None)


async def test_it_names_who_is_missing_and_changes_nothing_when_it_gives_up(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    await gateways.announce("a", frozenset({OLD}), frozenset({OLD}))
    [missing] = await gateways.live()
    before = await gateways.keys()
    with pytest.raises(KeyNotDistributed) as given_up:
        await operator.activate(Time())
    assert f"{NEW}: {missing} does not hold it" in given_up.value.detail
    assert missing.host in str(missing) and str(missing.process) in str(missing)
    after = await gateways.keys()
    assert (after.pending, after.required, after.storage) == (set(), before.required, None)


async def test_it_waits_for_as_many_as_are_expected(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    await gateways.announce("a", BOTH, frozenset({OLD}))
    with pytest.raises(KeyNotDistributed, match="1 more were expected"):
        await operator.activate(Time(), expect=2)
    await operator.activate(Time(announcing(gateways, "b", BOTH, OLD)), expect=2)
    assert operator.told[-2:] == [f"{NEW} [1/2]", f"{NEW} [2/2]"]


async def test_two_operators_at_once_end_with_the_key_of_the_last(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    three = frozenset({OLD, NEW, "newer"})
    await gateways.announce("a", frozenset({OLD, "newer"}), frozenset({OLD}))

    async def other() -> None:
        await Operator(gateways).activate(Time(), "newer")
        await gateways.announce("a", three, frozenset({"newer"}))

    await operator.activate(Time(other))
    keys = await gateways.keys()
    assert (keys.storage, keys.pending) == (NEW, set())
    assert keys.required == three


async def test_one_operator_who_gives_up_does_not_stop_another_with_the_same_key(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    await gateways.announce("a", frozenset({OLD}), frozenset({OLD}))

    async def give_up() -> None:
        with pytest.raises(KeyNotDistributed):
            await Operator(gateways).activate(Time())
        assert (await gateways.keys()).pending == set()
        await gateways.announce("a", BOTH, frozenset({OLD}))

    await operator.activate(Time(give_up))
    assert (await gateways.keys()).storage == NEW


async def test_what_changed_while_it_looked_is_looked_at_again(
    operator: Operator, gateways: InMemoryGateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A withdrawal in between would let a process join that does not hold the key."""
    await gateways.announce("a", BOTH, frozenset({OLD}))
    live, looked = gateways.live, []

    async def interfering() -> Any:
        found = await live()
        if not looked:
            before = await gateways.keys()
            after = FleetKeys(before.version + 1)
            assert await gateways.change_keys(before, after)
            await gateways.announce("b", frozenset({OLD}), frozenset({OLD}))
        looked.append(found)
        return found

    monkeypatch.setattr(gateways, "live", interfering)
    await operator.activate(Time(announcing(gateways, "b", BOTH, OLD)))
    assert operator.told == [f"{NEW} [1/1]", f"{NEW} [1/2]", f"{NEW} [2/2]"]


async def test_an_outage_in_the_middle_is_waited_for(
    operator: Operator, gateways: InMemoryGateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateways.announce("a", BOTH, frozenset({OLD}))
    change, tried = gateways.change_keys, []

    async def failing(before: FleetKeys, after: FleetKeys) -> bool:
        """The switch arrives, its answer does not."""
        tried.append(after)
        changed = await change(before, after)
        if len(tried) == 2:
            raise StorageUnavailable("The connection to the database was lost.")
        return changed

    monkeypatch.setattr(gateways, "change_keys", failing)
    await operator.activate(Time())
    assert (await gateways.keys()).storage == NEW and len(tried) == 2


async def test_an_outage_that_lasts_ends_it(
    operator: Operator, gateways: InMemoryGateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> FleetKeys:
        raise StorageUnavailable("The database cannot be reached.")

    monkeypatch.setattr(gateways, "keys", away)
    with pytest.raises(StorageUnavailable):
        await operator.activate(Time())


async def test_a_retired_key_is_not_activated(
    gateways: InMemoryGateways, operator: Operator
) -> None:
    await gateways.change_keys(FleetKeys(), FleetKeys(1, retired=frozenset({OLD})))
    with pytest.raises(ConfigurationError, match="is retired"):
        await operator.activate(Time(), OLD)


async def repository_with(kid: str | None) -> InMemoryRepository:
    repository = InMemoryRepository()
    await repository.start()
    key = StoredKey(kid, "e.e.e.e.e") if kid else None
    entry = ModelEntry("OpenAI", "chat", "gpt-4", True, key)
    await repository.create(OWNER, AIConfig((entry,), "", "r1"))
    return repository


async def test_a_key_is_retired_when_nobody_uses_it(gateways: InMemoryGateways) -> None:
    await gateways.announce("a", BOTH, frozenset({OLD}))
    repository = await repository_with(NEW)
    time = Time(announcing(gateways, "a", BOTH, NEW))
    await retire(gateways, repository, [OLD], waiting=time.waiting())
    assert (await gateways.keys()).retired == {OLD}


async def test_a_key_that_a_live_process_writes_with_is_not_retired(
    gateways: InMemoryGateways,
) -> None:
    await gateways.announce("a", BOTH, frozenset({OLD}))
    [gateway] = await gateways.live()
    with pytest.raises(KeyInUse) as refused:
        await retire(gateways, await repository_with(NEW), [OLD], waiting=Time().waiting())
    assert str(gateway) in refused.value.detail and refused.value.kids == [OLD]
    assert await gateways.keys() == FleetKeys()


async def test_a_key_that_wraps_stored_keys_is_not_retired(gateways: InMemoryGateways) -> None:
    repository = await repository_with(OLD)
    with pytest.raises(KeyInUse) as refused:
        await retire(gateways, repository, [OLD, "other"], waiting=Time().waiting())
    assert f"{OLD} wraps stored keys (owners: 1)" in refused.value.detail
    assert "aiconfig rotate" in refused.value.detail and refused.value.kids == [OLD]
    assert await gateways.keys() == FleetKeys()


async def test_what_was_written_until_the_door_closed_opens_it_again(
    gateways: InMemoryGateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await repository_with(None)
    doors: list[Kids] = []

    async def close() -> None:
        doors.append((await gateways.keys()).retired)
        if len(doors) == 1:
            entry = ModelEntry("OpenAI", "chat", "gpt-4", True, StoredKey(OLD, "e.e.e.e.e"))
            await repository.replace(OWNER, AIConfig((entry,), "", "r2"))

    monkeypatch.setattr(gateways, "refuse_retired", close)
    with pytest.raises(KeyInUse):
        await retire(gateways, repository, [OLD], waiting=Time().waiting())
    assert doors == [{OLD}, set()]


async def test_who_still_writes_with_a_key_is_told_after_a_while(
    gateways: InMemoryGateways,
) -> None:
    await gateways.announce("a", BOTH, frozenset({OLD}))
    [gateway] = await await_writers(gateways, {OLD}, waiting=Time().waiting())
    assert gateway.id == "a"
    assert await await_writers(gateways, {NEW}, waiting=Time().waiting()) == []

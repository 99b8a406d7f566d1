"""The pure part of turning the keys of a fleet: what holds for all, and what one process may do."""

from __future__ import annotations

import pytest

from aiconfig_plugin.domain.fleet import FleetKeys, Kids, Member
from aiconfig_plugin.errors import ConfigurationError, KeyInUse
from tests.domain.fleet_model import Fault, Model

OLD, NEW = "2026-01", "2026-11"


def kids(*names: str) -> Kids:
    return frozenset(names)


def activated() -> FleetKeys:
    return FleetKeys().requiring([NEW]).activated(storage=NEW, sealing=None, kept=[OLD])


def test_no_interleaving_of_two_bad_days_lets_a_process_serve_without_a_key_in_use() -> None:
    assert Model(faults=2).counter_example() is None


def test_no_interleaving_of_a_retirement_leaves_a_stored_key_that_nobody_can_read() -> None:
    assert Model(retires=True, faults=1).counter_example() is None


@pytest.mark.parametrize(
    ("broken", "wrong"),
    [
        ("a process asks, then announces", "a process that serves cannot read a stored key"),
        ("an activation looks, then requires", "a process that serves cannot read a stored key"),
        ("a process that was cut off goes on", "a process that serves cannot read a stored key"),
        ("a file is taken at its word", "a process that serves cannot read a stored key"),
        ("no fence", "a stored key that nobody can read"),
        ("no second count", "a stored key that nobody can read"),
    ],
)
def test_the_search_finds_what_happens_without_one_of_the_rules(broken: Fault, wrong: str) -> None:
    steps = Model(broken, retires="stored" in wrong).counter_example()
    assert steps is not None and steps[-1] == wrong


def test_a_process_announces_its_keys_before_it_asks() -> None:
    with pytest.raises(ValueError, match="before it reads"):
        Member(kids(OLD)).informed(FleetKeys())


def test_a_process_that_joins_needs_what_is_being_activated() -> None:
    keys = FleetKeys().requiring([NEW])
    joining = Member(kids(OLD)).announced().informed(keys)
    assert not joining.may_serve and joining.missing == {NEW}
    assert Member(kids(OLD, NEW)).announced().informed(keys).may_serve


def test_a_process_that_is_in_goes_on_while_a_key_is_being_activated() -> None:
    serving = Member(kids(OLD)).announced().informed(FleetKeys())
    keys = FleetKeys().requiring([NEW])
    assert serving.announced().informed(keys).may_serve
    assert not serving.announced().informed(activated()).may_serve


def test_a_process_that_was_cut_off_has_to_join_anew() -> None:
    serving = Member(kids(OLD)).announced().informed(FleetKeys())
    assert not serving.cut_off().may_serve
    with pytest.raises(ValueError):
        serving.cut_off().informed(FleetKeys())


def test_a_process_that_waited_serves_when_it_has_its_keys() -> None:
    waiting = Member(kids(OLD)).announced().informed(activated())
    assert waiting.missing == {NEW}
    again = Member(kids(OLD, NEW), waiting.phase).announced().informed(activated())
    assert again.may_serve and again.missing == frozenset()


def test_an_activation_that_is_given_up_leaves_nothing_behind() -> None:
    keys = activated()
    assert keys.requiring(["2027-01"]).withdrawing(["2027-01"]) == keys
    assert keys.requiring([NEW]).withdrawing([NEW]) == keys


def test_only_what_was_required_becomes_primary() -> None:
    with pytest.raises(ValueError):
        FleetKeys().activated(storage=NEW, sealing=None)


def test_an_activation_keeps_the_primary_of_the_other_kind() -> None:
    keys = FleetKeys().requiring(["s1"]).activated(storage=None, sealing="s1")
    keys = keys.requiring([NEW]).activated(storage=NEW, sealing=None)
    assert keys.primaries == {NEW, "s1"} == keys.required


def test_a_retired_key_is_never_activated_again() -> None:
    keys = activated().retiring([OLD])
    assert keys.required == {NEW} and keys.retired == {OLD}
    with pytest.raises(ConfigurationError, match=f"{OLD} is retired"):
        keys.requiring([OLD])


@pytest.mark.parametrize("kid", [NEW, "2027-01"])
def test_a_primary_and_a_key_that_becomes_one_are_not_retired(kid: str) -> None:
    with pytest.raises(KeyInUse, match=kid):
        activated().requiring(["2027-01"]).retiring([kid])


def test_a_retirement_that_found_stored_keys_is_taken_back() -> None:
    keys = activated()
    assert keys.retiring([OLD]).reopened([OLD]) == keys
    assert keys.reopened([OLD]) == keys

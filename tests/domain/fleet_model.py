"""Every interleaving of two processes and an operator who turns a key, after ``domain/fleet.py``.

A world is a value, and each step of anybody leads to another one. A process may crash, be paused
(it takes no step while the others do), be cut off, and get an older file, between any two steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from aiconfig_plugin.domain.fleet import FleetKeys, Kids, Member, needed_of

OLD, NEW = "old", "new"
NONE: Kids = frozenset()
BEFORE, BOTH, AFTER = frozenset({OLD}), frozenset({OLD, NEW}), frozenset({NEW})

Fault: TypeAlias = Literal[
    "a process asks, then announces",
    "an activation looks, then requires",
    "a process that was cut off goes on",
    "a file is taken at its word",
    "no fence",
    "no second count",
]


class Process(NamedTuple):
    """What one process knows, and what the store has of it."""

    member: Member = Member(BEFORE, "serving")
    primary: str = OLD
    announced: Kids | None = BEFORE
    """The keys that its announcement has, while it counts as live."""
    uses: Kids = BEFORE
    """The keys that its announcement says it writes with."""
    step: int = 0
    """Of the two steps of a heartbeat."""
    told: Kids | None = None
    """What it says that it holds, where that is less than it does: an older file has come."""
    write: str | None = None
    """The key of a write that has passed every check and has not arrived."""
    runs: bool = True

    @property
    def serves(self) -> bool:
        return self.runs and self.member.may_serve


class World(NamedTuple):
    processes: tuple[Process, Process] = (Process(), Process())
    keys: FleetKeys = FleetKeys()
    stored: Kids = BEFORE
    fence: Kids = NONE
    files: tuple[Kids, ...] = (BEFORE, BOTH)
    """What the keyring's file has held: a process may get any of them."""
    activation: tuple[str, FleetKeys | None] = ("begin", None)
    retirement: str = "begin"
    tries: int = 2
    faults: int = 2
    """How many crashes, cuts and older files there may still be."""

    def wrong(self) -> str | None:
        """Say what must never be, or return None."""
        if OLD in self.stored and BEFORE not in self.files and BOTH not in self.files:
            return "a stored key that nobody can read"
        for process in self.processes:
            if process.serves and not self.stored <= process.member.held:
                return "a process that serves cannot read a stored key"
        return None


Step: TypeAlias = tuple[str, World]


@dataclass(frozen=True)
class Model:
    """The steps; ``broken`` names one rule that is left out."""

    broken: Fault | None = None
    retires: bool = False
    faults: int = 2

    def counter_example(self) -> list[str] | None:
        """Return the steps to a world that is wrong, the fewest, or None."""
        start = World(faults=self.faults, tries=1 if self.retires else 2)
        came_from: dict[World, tuple[World, str] | None] = {start: None}
        layer = [start]
        while layer:
            following = []
            for world in layer:
                for name, after in self.steps(world):
                    after = _canonical(after)
                    if after in came_from:
                        continue
                    came_from[after] = world, name
                    if wrong := after.wrong():
                        return [*_path(came_from, after), wrong]
                    following.append(after)
            layer = following
        return None

    def steps(self, world: World) -> Iterator[Step]:
        for number, process in enumerate(world.processes):
            for name, after, shared in self._of_process(process, world):
                pair = list(world.processes)
                pair[number] = after
                yield f"{number}: {name}", shared._replace(processes=(pair[0], pair[1]))
        yield from self._of_activation(world)
        if world.keys.storage == NEW:
            if OLD in world.stored:
                yield "rotate", world._replace(stored=(world.stored - BEFORE) | AFTER)
            if self.retires:
                yield from self._of_retirement(world)

    # A process

    def _of_process(self, process: Process, world: World) -> Iterator[tuple[str, Process, World]]:
        if process.runs:
            yield from self._of_heartbeat(process, world)
            if process.serves and process.write is None:
                yield "begin a write", process._replace(write=process.primary), world
        if process.write is not None:
            landed = world
            if process.write not in world.fence:
                landed = world._replace(stored=world.stored | {process.write})
            yield "finish a write", process._replace(write=None), landed
        if world.faults:
            yield from self._of_bad_days(process, world._replace(faults=world.faults - 1))
        if not process.runs:
            if process.announced is not None:
                yield "lapse", process._replace(announced=None, uses=NONE), world
            for file in world.files:
                primary = OLD if OLD in file else NEW
                fresh = Process(Member(file), primary, process.announced, process.uses)
                yield "start", fresh._replace(write=process.write), world

    def _of_heartbeat(self, process: Process, world: World) -> Iterator[tuple[str, Process, World]]:
        order = [self._announce, self._ask]
        if self.broken == "a process asks, then announces":
            order.reverse()
        step = order[process.step]
        yield step.__name__[1:], step(process, world)._replace(step=1 - process.step), world
        for file in world.files:
            gained = file - process.member.held
            if gained and process.step == 0:
                member = replace(process.member, held=process.member.held | gained)
                yield "get a newer file", process._replace(member=member), world

    def _announce(self, process: Process, _world: World) -> Process:
        held = process.member.held if process.told is None else process.told
        uses = frozenset({process.primary} | ({process.write} if process.write else set()))
        member = process.member.announced()
        return process._replace(member=member, announced=held, uses=uses)

    def _ask(self, process: Process, world: World) -> Process:
        member = process.member
        if member.phase == "outside":  # only where the order is broken
            member = replace(member, phase="announced")
        if process.told is not None:
            dropped = member.held - process.told
            if not needed_of(dropped, world.keys) and process.primary in process.told:
                member = replace(member, held=process.told)
        member = member.informed(world.keys)
        primary = process.primary
        if world.keys.storage in member.held:
            primary = str(world.keys.storage)
        return process._replace(member=member, primary=primary, told=None)

    def _of_bad_days(self, process: Process, world: World) -> Iterator[tuple[str, Process, World]]:
        if not process.runs:
            return
        yield "crash", process._replace(runs=False, step=0, told=None), world
        cut = process.member
        if self.broken != "a process that was cut off goes on":
            cut = cut.cut_off()
        yield "cut off", process._replace(member=cut, announced=None, uses=NONE, step=0), world
        for file in world.files:
            if not process.member.held <= file and process.step == 0 and process.told is None:
                told = process.member.held & file
                if self.broken == "a file is taken at its word":
                    member = replace(process.member, held=file)
                    yield "get an older file", process._replace(member=member), world
                elif told:
                    yield "get an older file", process._replace(told=told), world

    # The operator

    def _of_activation(self, world: World) -> Iterator[Step]:
        at, seen = world.activation
        if at == "begin" and world.tries:
            if self.broken == "an activation looks, then requires":
                if _all_hold_new(world):
                    yield "look", world._replace(activation=("looked", None))
                return
            required = _next(world.keys, world.keys.requiring(AFTER))
            yield "require", world._replace(keys=required, activation=("look", required))
        elif at == "looked":
            required = _next(world.keys, world.keys.requiring(AFTER))
            yield "require", world._replace(keys=required, activation=("switch", required))
        elif at == "look":
            if _all_hold_new(world):
                yield "look", world._replace(activation=("switch", seen))
            withdrawn = _next(world.keys, world.keys.withdrawing(AFTER))
            yield (
                "give up",
                world._replace(keys=withdrawn, activation=("begin", None), tries=world.tries - 1),
            )
        elif at == "switch":
            if world.keys == seen:
                keys = world.keys.activated(storage=NEW, sealing=None, kept={OLD})
                keys = _next(world.keys, keys)
                yield "switch", world._replace(keys=keys, activation=("done", None))
            else:
                yield "again", world._replace(activation=("begin", None), tries=world.tries - 1)

    def _of_retirement(self, world: World) -> Iterator[Step]:
        at = world.retirement
        if at == "begin" and not any(OLD in process.uses for process in world.processes):
            yield "nobody writes with it", world._replace(retirement="count")
        elif at == "count" and OLD not in world.stored:
            yield "count", world._replace(retirement="close")
        elif at == "close":
            keys = _next(world.keys, world.keys.retiring(BEFORE))
            fence = NONE if self.broken == "no fence" else BEFORE
            after = "remove" if self.broken == "no second count" else "recount"
            yield "close the door", world._replace(keys=keys, fence=fence, retirement=after)
        elif at == "recount":
            if OLD in world.stored:
                keys = _next(world.keys, world.keys.reopened(BEFORE))
                yield "reopen", world._replace(keys=keys, fence=NONE, retirement="refused")
            else:
                yield "count again", world._replace(retirement="remove")
        elif at == "remove":
            yield "remove", world._replace(files=(AFTER,), retirement="done")


def _next(before: FleetKeys, after: FleetKeys) -> FleetKeys:
    return replace(after, version=before.version + 1) if after != before else after


def _all_hold_new(world: World) -> bool:
    return all(NEW in process.announced for process in world.processes if process.announced)


def _canonical(world: World) -> World:
    """The two processes are alike: which of them is first makes no difference."""
    first, second = world.processes
    return world if hash(first) <= hash(second) else world._replace(processes=(second, first))


def _path(came_from: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    steps = []
    while (found := came_from[world]) is not None:
        world, name = found
        steps.append(name)
    return steps[::-1]

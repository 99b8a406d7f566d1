"""A primary that was frozen and deposed goes on, and does not know it yet: it must not be believed.

The gateway that still asks it is one whose driver has not heard of the election. Another
gateway's writes are acknowledged by the new primary meanwhile.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from pymongo import AsyncMongoClient

from aiconfig_plugin.domain.model import AIConfig, ModelEntry, Owner
from aiconfig_plugin.errors import (
    ConfigExists,
    ConfigNotFound,
    RevisionMismatch,
    StorageUnavailable,
)
from aiconfig_plugin.store import MongoStores
from aiconfig_plugin.store.repository import MongoRepository
from tests.support.commands import CommandRecorder
from tests.support.replica_set import ReplicaSet

OWNER = Owner("https://issuer.example", "alice")
# It looks at the servers so seldom that it does not hear of the election by itself.
DEAF = "&heartbeatFrequencyMS=60000&serverMonitoringMode=poll"
Call: TypeAlias = Callable[[MongoRepository, Owner], Awaitable[Any]]


def config(revision: str) -> AIConfig:
    return AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True),), revision, revision)


async def prompt(repository: MongoRepository, owner: Owner) -> str:
    try:
        return (await repository.read(owner)).system_prompt
    except ConfigNotFound:
        return "none"


async def outcome(call: Awaitable[Any]) -> str:
    try:
        found = await call
    except (ConfigExists, ConfigNotFound, RevisionMismatch, StorageUnavailable) as err:
        return type(err).__name__
    return found if isinstance(found, str) else "done"


async def until_it_finds_the_new_primary(repository: MongoRepository) -> None:
    for _ in range(5):
        if await outcome(prompt(repository, OWNER)) != "StorageUnavailable":
            return
    raise AssertionError("the other gateway never found the new primary")


def create(revision: str) -> Call:
    return lambda repository, owner: repository.create(owner, config(revision))


def replace(revision: str, if_match: list[str] | None = None) -> Call:
    return lambda repository, owner: repository.replace(owner, config(revision), if_match=if_match)


def delete(if_match: list[str] | None = None) -> Call:
    return lambda repository, owner: repository.delete(owner, if_match=if_match)


class Case(NamedTuple):
    """What is there before, what happens at the new primary, what the old one is asked."""

    before: Call | None
    meanwhile: Call
    ask: Call
    right: str


CASES = {
    "read what was replaced": Case(create("old"), replace("new"), prompt, "new"),
    "read what was deleted": Case(create("old"), delete(), prompt, "none"),
    "create what was deleted": Case(create("old"), delete(), create("mine"), "done"),
    "replace what was created": Case(None, create("new"), replace("mine"), "done"),
    "replace by the new revision": Case(
        create("old"), replace("new"), replace("mine", ["new"]), "done"
    ),
    "replace by the old revision": Case(
        create("old"), replace("new"), replace("mine", ["old"]), "RevisionMismatch"
    ),
    "delete by the new revision": Case(create("old"), replace("new"), delete(["new"]), "done"),
}


async def ask_the_deposed(replica_set: ReplicaSet) -> dict[str, str]:
    name = f"stale_{secrets.token_hex(4)}"
    deaf = MongoStores.connect(replica_set.uri + DEAF, name).repository
    other = MongoStores.connect(replica_set.uri, name).repository
    owners = {case: Owner("https://issuer.example", case) for case in CASES}
    try:
        for repository in (other, deaf):
            await repository.start()
        for case, (before, *_) in CASES.items():
            if before is not None:
                await before(other, owners[case])
        with replica_set.frozen() as old:
            await asyncio.to_thread(replica_set.wait_for_another, old)
            await until_it_finds_the_new_primary(other)
            for case, (_, meanwhile, *_) in CASES.items():
                assert await outcome(meanwhile(other, owners[case])) == "done"
            asked = [
                asyncio.create_task(outcome(case.ask(deaf, owners[name])))
                for name, case in CASES.items()
            ]
            await asyncio.sleep(0.5)  # until all are on their way to the one that is frozen
        found = dict(zip(CASES, await asyncio.gather(*asked), strict=True))
        await asyncio.to_thread(replica_set.settle)
        return found
    finally:
        await deaf.close()
        await other.close()


def test_a_deposed_primary_is_not_believed(replica_set: ReplicaSet) -> None:
    found = asyncio.run(ask_the_deposed(replica_set))
    expected = {name: case.right for name, case in CASES.items()}
    unanswered = {name: said for name, said in found.items() if said == "StorageUnavailable"}
    assert found == {**expected, **unanswered}
    assert len(unanswered) < len(found)


def test_an_operator_may_have_faster_reads_for_an_older_answer(replica_set: ReplicaSet) -> None:
    async def run() -> list[str]:
        found = []
        for level, options in (("linearizable", ""), ("majority", "&readConcernLevel=majority")):
            commands = CommandRecorder()
            client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
                replica_set.uri + options, event_listeners=[commands]
            )
            repository = MongoStores(client[f"level_{level}"]).repository
            await repository.start()
            await prompt(repository, OWNER)
            await outcome(repository.delete(OWNER))
            found.append(
                ",".join(
                    command["readConcern"]["level"]
                    for command in commands.commands
                    if "find" in command
                )
            )
            await repository.close()
            await client.close()
        return found

    # The second one confirms the delete that found nothing.
    assert asyncio.run(run()) == ["linearizable,linearizable", "majority,linearizable"]

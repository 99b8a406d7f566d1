"""What ``check`` says when a database and a keyring of different backups come together."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from aiconfig_plugin.domain import AIConfig, Destination, ModelEntry, Owner
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.store import MongoStores
from tests.support.builders import drop, new_vault, turn
from tests.support.command_line import Run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"


def copy(keyring: Path, name: str) -> Path:
    made = keyring.with_name(name)
    made.touch(0o600)
    made.write_bytes(keyring.read_bytes())
    return made


async def store(uri: str, name: str, configs: dict[Owner, AIConfig]) -> None:
    stores = MongoStores.connect(uri, name)
    await stores.start()
    for owner, config in configs.items():
        await stores.repository.create(owner, config)
    await stores.close()


def of(keyring: Path, owner: Owner) -> AIConfig:
    """A configuration with one key, by the primary of that keyring."""
    key = new_vault(keyring).accept_submitted_key(owner, Destination("OpenAI"), "a ciphertext")
    return AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True, key),), "", "r1")


def with_the_names_of(keyring: Path, name: str) -> Path:
    """A keyring of the same names, and of other key material."""
    made = copy(keyring, name)
    document = json.loads(made.read_text())
    for key in document["keys"]:
        if key["kty"] == "oct":
            key["k"] = key["k"][::-1].replace("A", "B")[:42] + "A"
    made.write_text(json.dumps(document))
    return made


def test_check_says_of_each_pair_what_the_page_says(
    run: Run, mongod: Any, database_name: str, keyring: Path
) -> None:
    alice, bob = (Owner("https://issuer.example", name) for name in ("alice", "bob"))
    configs = {alice: of(keyring, alice)}
    older = copy(keyring, "older.json")
    turn(keyring)
    configs[bob] = of(keyring, bob)
    asyncio.run(store(mongod.uri, database_name, configs))
    newer = copy(keyring, "newer.json")
    turn(newer)
    retired = copy(newer, "retired.json")
    drop(retired, new_vault(older).primary)
    other = keyring.with_name("other.json")
    create_keyring(other)
    renamed = with_the_names_of(keyring, "renamed.json")

    table = re.findall(r"^\| [^|]+ \| `((?:OK|FAILED)[^|]*)` \|$", PAGE.read_text(), re.MULTILINE)
    pairs = [[keyring], [newer], [older, retired], [other], [renamed]]
    for told, files in zip(table, pairs, strict=True):
        for file in files:
            settings = {"mongodb_uri": mongod.uri, "mongodb_database": database_name}
            done = run("check", keyring=str(file), **settings)
            [said] = re.findall(r"^store +(.*)$", done.out, re.MULTILINE)
            pattern = re.escape(told).replace("KID", r"[\w-]+")
            assert re.fullmatch(pattern, said), (file.name, said)

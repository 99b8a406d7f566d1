"""What keys cost: opening sealed ones, unwrapping stored ones, and wrapping all of them anew.

Run it as ``python benchmarks/keys.py``; it starts a private MongoDB. Each figure is the best of a
few rounds on one core. A rotation is put beside a bare ``bulk_write`` of the same documents, in
pages of the same size, so that the share of the cryptography shows on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient, ReplaceOne, WriteConcern

from aiconfig_plugin import rotation
from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.mongod import Mongod
from aiconfig_plugin.documents import COLLECTION, to_document
from aiconfig_plugin.keyring import load_keyring
from aiconfig_plugin.keyring_file import add_keys, create_keyring, promote_keys
from aiconfig_plugin.model import AIConfig, ModelEntry, Owner
from aiconfig_plugin.repository import MongoRepository
from aiconfig_plugin.vault import Vault

ROUNDS = 5
KEYS_OF_AN_OWNER = 3
API_KEY = "sk-proj-" + "x" * 156  # As long as one of OpenAI's.
DATABASE = "aiconfig_benchmark"


def best(work: Callable[[], None], rounds: int = ROUNDS) -> float:
    """Return the seconds of the fastest round."""
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def measure_vault(vault: Vault, count: int) -> Mapping[str, float]:
    """Return keys per second for what a request and a call of the gateway cost."""
    owner = Owner("https://issuer.example", "alice")
    document = vault.recipient(owner)
    sealed = [seal(document, API_KEY) for _ in range(count)]
    stored = [vault.admit(owner, "OpenAI", key) for key in sealed]

    def admit() -> None:
        for key in sealed:
            vault.admit(owner, "OpenAI", key)

    def unseal() -> None:
        for key in stored:
            vault.open(owner, "OpenAI", key)

    def rewrap() -> None:
        for key in stored:
            vault.rewrap(owner, "OpenAI", key)

    return {
        "sealed keys opened and stored": count / best(admit),
        "stored keys unwrapped": count / best(unseal),
        "stored keys wrapped anew": count / best(rewrap),
    }


def configs(vault: Vault, owners: int) -> Sequence[tuple[Owner, AIConfig]]:
    made = []
    for number in range(owners):
        owner = Owner("https://issuer.example", f"user{number}")
        models = tuple(
            ModelEntry("OpenAI", "chat", f"m{n}", True, vault.admit(owner, "OpenAI", "ciphertext"))
            for n in range(KEYS_OF_AN_OWNER)
        )
        made.append((owner, AIConfig(models, "You are a helpful AI assistant.", f"r{number}")))
    return made


def bare_bulk_write(collection: Any, documents: Sequence[dict[str, Any]]) -> float:
    """Return the seconds in which the driver alone writes these documents."""
    begun = time.perf_counter()
    for start in range(0, len(documents), rotation.PAGE):
        page = documents[start : start + rotation.PAGE]
        writes = [ReplaceOne({"_id": document["_id"]}, document) for document in page]
        collection.bulk_write(writes, ordered=False)
    return time.perf_counter() - begun


async def rotate(uri: str, vault: Vault) -> float:
    """Return the seconds of one whole rotation."""
    repository = MongoRepository.connect(uri, DATABASE)
    await repository.start()
    try:
        begun = time.perf_counter()
        done = await rotation.rotate(repository, vault)
        seconds = time.perf_counter() - begun
    finally:
        await repository.close()
    if done.left:
        raise RuntimeError(f"some keys were left: {done.left}")
    return seconds


def measure_rotation(uri: str, keyring: Path, owners: int) -> Mapping[str, float]:
    """Return keys per second for a rotation and for the bare writes; several rounds in turn."""
    keys = owners * KEYS_OF_AN_OWNER
    rotations, writes = [], []
    with MongoClient[dict[str, Any]](uri) as client:
        database = client.get_database(DATABASE, write_concern=WriteConcern("majority"))
        collection = database[COLLECTION]
        for _ in range(3):
            documents = [
                to_document(owner, config)
                for owner, config in configs(Vault(load_keyring(keyring)), owners)
            ]
            collection.delete_many({})
            collection.insert_many(documents)
            add_keys(keyring)
            promote_keys(keyring)
            rotations.append(asyncio.run(rotate(uri, Vault(load_keyring(keyring)))))
            rotated = list(collection.find())
            # To write what is there already would cost nothing.
            collection.delete_many({})
            collection.insert_many(documents)
            writes.append(bare_bulk_write(collection, rotated))
    return {
        "rotation": keys / min(rotations),
        "bare bulk_write of the same documents": keys / min(writes),
        "ratio of the two": min(rotations) / min(writes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1000, help="keys in a round (%(default)s)")
    parser.add_argument("--owners", type=int, default=3000, help="for a rotation (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        keyring = directory / "keyring.json"
        create_keyring(keyring)
        figures = dict(measure_vault(Vault(load_keyring(keyring)), arguments.keys))
        with Mongod(directory / "mongod") as mongod:
            figures |= measure_rotation(mongod.uri, keyring, arguments.owners)
    for what, figure in figures.items():
        if what.startswith("ratio"):
            print(f"{what:<40} {figure:>10.2f}")
        else:
            print(f"{what:<40} {figure:>10,.0f} keys/s")


if __name__ == "__main__":
    main()

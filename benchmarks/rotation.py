"""A rotation beside a bare ``bulk_write`` of the same documents, in pages of the same size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import ReplaceOne, WriteConcern

from aiconfig_plugin.domain import rotation
from aiconfig_plugin.keys import Vault, add_keys, create_keyring, load_keyring, promote_keys
from aiconfig_plugin.store import MongoRepository
from benchmarks.dataset import SMALL, DataSet, people, refill
from benchmarks.scale import Scale
from benchmarks.stage import Stage

DATABASE = "rotation"
LARGER = 4
"""How many times as many owners the second rotation has."""


async def measure_rotation(stage: Stage, scale: Scale) -> dict[str, dict[str, list[float]]]:
    """Return keys per second of each round, for each number of owners."""
    keyring = stage.directory / "rotated.json"
    create_keyring(keyring)
    found = {}
    for owners in (scale.rotated_owners, LARGER * scale.rotated_owners):
        rounds = [await one_rotation(stage, keyring, owners) for _ in range(min(scale.rounds, 3))]
        found[str(owners)] = {
            "rotation": [one for one, _ in rounds],
            "bare bulk_write": [other for _, other in rounds],
        }
    return found


async def one_rotation(stage: Stage, keyring: Path, owners: int) -> tuple[float, float]:
    dataset = DataSet(keyring)
    documents = [dataset.ours(person) for person in people(owners)]
    collection = stage.collection(DATABASE).with_options(write_concern=WriteConcern("majority"))
    refill(collection, documents)
    add_keys(keyring)
    promote_keys(keyring)
    keys = owners * SMALL
    ours = keys / await rotate(stage.uri, Vault(load_keyring(keyring)))
    rotated = list(collection.find())
    refill(collection, documents)  # To write what is there already would cost nothing.
    return ours, keys / bulk_write(collection, rotated)


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


def bulk_write(collection: Any, documents: Sequence[dict[str, Any]]) -> float:
    """Return the seconds in which the driver alone writes these documents."""
    begun = time.perf_counter()
    for start in range(0, len(documents), rotation.PAGE):
        page = documents[start : start + rotation.PAGE]
        writes = [ReplaceOne({"_id": document["_id"]}, document) for document in page]
        collection.bulk_write(writes, ordered=False)
    return time.perf_counter() - begun

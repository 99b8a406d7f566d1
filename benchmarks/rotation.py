"""A rotation beside a bare ``bulk_write`` of the same documents, in pages of the same size."""

from __future__ import annotations

import asyncio
import shutil
import time

from pymongo import ReplaceOne, WriteConcern

from benchmarks.contenders.ours import make_plugin
from benchmarks.dataset import SMALL, Document
from benchmarks.environment import COLLECTION, Environment, change_keyring
from benchmarks.rounds import Results, in_turn, seconds

DATABASE = "rotation"
PAGE = 200
"""Documents in one bulk write: as many as a rotation takes."""


def measure_rotation(env: Environment) -> Results:
    """Return keys per second."""
    keyring = env.directory / "rotated.json"
    shutil.copy(env.keyring, keyring)
    for command in ("add", "promote"):
        change_keyring(command, keyring)
    settings = {**env.settings(DATABASE), "keyring": str(keyring)}
    collection = env.mongo[DATABASE].get_collection(
        COLLECTION, write_concern=WriteConcern("majority")
    )
    documents = [document for document in env.dataset.ours if len(document["models"]) == SMALL]
    keys = SMALL * len(documents)
    rotated: list[Document] = []

    def refill() -> None:
        collection.delete_many({})
        collection.insert_many(documents)

    def ours() -> dict[str, float]:
        refill()
        rate = keys / asyncio.run(rotate(settings, env.driver))
        rotated[:] = collection.find()
        return {"rate": rate}

    def bare() -> dict[str, float]:
        refill()  # To write what is there already would cost nothing.
        return {"rate": keys / seconds(bulk_write)}

    def bulk_write() -> None:
        for start in range(0, len(rotated), PAGE):
            page = rotated[start : start + PAGE]
            writes = [ReplaceOne({"_id": document["_id"]}, document) for document in page]
            collection.bulk_write(writes, ordered=False)

    return {"rotation": in_turn(env.scale.rounds, {"ours": ours, "bare": bare})}


async def rotate(settings: dict[str, object], driver: str) -> float:
    """Return the seconds of one whole rotation."""
    plugin = make_plugin(settings, driver)
    await plugin.start()
    try:
        begun = time.perf_counter()
        done = await plugin.rotate()
        elapsed = time.perf_counter() - begun
    finally:
        await plugin.close()
    if done.left:
        raise RuntimeError(f"some keys were left: {done.left}")
    return elapsed

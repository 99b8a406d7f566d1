"""What the cryptography of a request and of a call costs, on one core and with nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiconfig_plugin.client import seal
from benchmarks.dataset import API_KEY, DataSet, Person
from benchmarks.scale import Scale

PROVIDER = "OpenAI"


def measure_keys(dataset: DataSet, scale: Scale) -> dict[str, list[float]]:
    """Return keys per second, of each round."""
    vault = dataset.vault
    owner = Person("keys", 1).owner
    document = vault.recipient(owner)
    sealed = [seal(document, API_KEY, provider=PROVIDER) for _ in range(scale.owners)]
    stored = [vault.admit(owner, PROVIDER, key) for key in sealed]
    works: dict[str, Callable[[], object]] = {
        "sealed keys opened and stored": lambda: [
            vault.admit(owner, PROVIDER, key) for key in sealed
        ],
        "stored keys unwrapped": lambda: [vault.open(owner, PROVIDER, key) for key in stored],
        "stored keys wrapped anew": lambda: [vault.rewrap(owner, PROVIDER, key) for key in stored],
    }
    return {
        name: [len(sealed) / seconds(work) for _ in range(scale.rounds)]
        for name, work in works.items()
    }


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun

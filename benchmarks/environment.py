"""What surrounds the contenders: a store, an introspection endpoint, a keyring, the data set."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from pymongo import MongoClient

from benchmarks.dataset import DataSet, Document
from benchmarks.rounds import Scale
from benchmarks.servers import STORES, Server, started

ISSUER = "https://issuer.example"
CREDENTIALS = {"client_id": "gateway", "client_secret": "benchmark"}
COLLECTION = "ai_model_configs"
"""Where the plugin keeps its documents."""


@dataclass(frozen=True)
class Contender:
    """A server over a collection of its own."""

    name: str
    server: Server
    collection: Any
    documents: Sequence[Document]

    def refill(self) -> None:
        self.collection.delete_many({})
        self.collection.insert_many(self.documents)


@dataclass(frozen=True)
class Environment:
    scale: Scale
    driver: str
    directory: Path
    keyring: Path
    dataset: DataSet
    authorization: Server
    uri: str
    mongo: MongoClient[Document]

    def settings(self, database: str) -> dict[str, Any]:
        return {
            "mongodb_uri": self.uri,
            "mongodb_database": database,
            "keyring": str(self.keyring),
            "issuer": ISSUER,
            "introspection_endpoint": f"{self.authorization.url}/introspect",
            "introspection_ttl": 3600,
            **CREDENTIALS,
        }

    @contextmanager
    def ours(
        self, name: str = "ours", *, fill: bool = True, settings: Any = (), **options: Any
    ) -> Iterator[Contender]:
        """Run the plugin, with these settings besides, over a database that is dropped at the end.

        It starts over an empty one, so it reads none of the documents before they are asked for.
        """
        database = "".join(filter(str.isalnum, name))
        options = {"driver": self.driver, **options}
        options["settings"] = {**self.settings(database), **dict(settings)}
        try:
            with started("ours", **options) as server:
                collection = self.mongo[database][COLLECTION]
                contender = Contender(name, server, collection, self.dataset.ours)
                if fill:
                    contender.refill()
                yield contender
        finally:
            self.mongo.drop_database(database)

    @contextmanager
    def bare(self, name: str = "bare", *, fixed: bool = False) -> Iterator[Contender]:
        where = {"mongodb_uri": self.uri, "database": "bare"}
        with started("bare", fixed=fixed, driver=self.driver, **where) as server:
            yield self._flat(name, server, "bare", self.dataset.flat())

    @contextmanager
    def fastapi(self) -> Iterator[Contender]:
        key = Fernet.generate_key()
        endpoint = f"{self.authorization.url}/introspect"
        where = {"mongodb_uri": self.uri, "database": "fastapi", "endpoint": endpoint}
        with started("fastapi_build", fernet_key=key.decode(), **where, **CREDENTIALS) as server:
            documents = self.dataset.flat(Fernet(key).encrypt)
            yield self._flat("FastAPI", server, "fastapi", documents)

    def _flat(
        self, name: str, server: Server, database: str, documents: Sequence[Document]
    ) -> Contender:
        contender = Contender(name, server, self.mongo[database]["configs"], documents)
        contender.refill()
        return contender


@contextmanager
def environments(scale: Scale, driver: str, stores: Sequence[str]) -> Iterator[Any]:
    """Yield a context manager for each store; all share the keyring and the documents."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keyring = directory / "keyring.json"
        change_keyring("create", keyring)
        dataset = DataSet(scale)
        authorization = stack.enter_context(started("authorization"))

        @contextmanager
        def environment(store: str) -> Iterator[Environment]:
            with STORES[store](directory) as uri, MongoClient[Document](uri) as mongo:
                env = Environment(
                    scale, driver, directory, keyring, dataset, authorization, uri, mongo
                )
                if not dataset.ours:
                    with env.ours("dataset", fill=False) as contender:
                        dataset.create(contender.server, contender.collection)
                yield env

        yield [(store, environment(store)) for store in stores]


def change_keyring(command: str, keyring: Path) -> None:
    run = [sys.executable, "-m", "aiconfig_plugin", "keyring", command, str(keyring)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)

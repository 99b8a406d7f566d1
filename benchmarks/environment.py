"""What surrounds the contenders: a store, an introspection endpoint, a keyring, the data set."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from benchmarks.dataset import PROVIDERS, DataSet, Document
from benchmarks.rounds import Scale
from benchmarks.servers import STORES, Server, client, started

ISSUER = "https://issuer.example"
COLLECTION = "ai_model_configs"  # where the plugin keeps its documents
FASTAPI = "FastAPI"


@dataclass(frozen=True)
class Contender:
    name: str
    server: Server
    collection: Any
    documents: list[Document]

    def refill(self) -> None:
        self.collection.delete_many({})
        self.collection.insert_many(self.documents)


class Environment:
    def __init__(self, scale: Scale, driver: str, directory: Path, uri: str) -> None:
        self.scale, self.driver, self.directory, self.uri = scale, driver, directory, uri
        self.keyring = directory / "keyring.json"
        self.mongo: MongoClient[Document] = MongoClient(uri, w="majority")
        self.dataset = DataSet(scale)
        self.introspection = ""
        models = [{"model": f"model-{number}"} for number in range(2000 // len(PROVIDERS))]
        catalog = {"providers": {name: {"models": models} for name in PROVIDERS}}
        (directory / "catalog.json").write_text(json.dumps(catalog))

    def settings(self, database: str) -> dict[str, Any]:
        return {
            "mongodb_uri": self.uri,
            "mongodb_database": database,
            "mongodb_driver": self.driver,
            "keyring": str(self.keyring),
            "issuer": ISSUER,
            "introspection_endpoint": self.introspection,
            "introspection_ttl": 3600,
            "client_id": "gateway",
            "client_secret": "benchmark",
        }

    @contextmanager
    def ours(
        self, name: str = "ours", *, port: int = 0, watch: bool = False, **settings: Any
    ) -> Iterator[Contender]:
        """Run the plugin, with ``settings`` besides, over a database that is dropped at the end."""
        database = "".join(filter(str.isalnum, name))
        settings = {**self.settings(database), **settings}
        if "catalog" in settings:
            settings["catalog"] = str(self.directory / settings["catalog"])
        with started("ours", port=port, watch=watch, settings=settings) as server:
            collection = self.mongo[database][COLLECTION]
            yield Contender(name, server, collection, self.dataset.ours)
            self.mongo.drop_database(database)

    @contextmanager
    def other(self, kind: str) -> Iterator[Contender]:
        module = "fastapi_build" if kind == FASTAPI else "plain"
        with started(module, kind=kind, **self.settings("others")) as server:
            yield Contender(kind, server, self.mongo["others"][kind], self.dataset.flat())


@contextmanager
def open_environment(scale: Scale, driver: str, store: str) -> Iterator[Environment]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uri = stack.enter_context(STORES[store](directory))
        env = Environment(scale, driver, directory, uri)
        stack.enter_context(env.mongo)
        introspection = stack.enter_context(env.other("introspection"))
        env.introspection = f"{introspection.server.url}/introspect"
        change_keyring("create", env.keyring)
        with env.ours() as one, client(one.server) as send:
            env.dataset.create(send, one.collection)
        yield env


def change_keyring(command: str, keyring: Path) -> None:
    run = [sys.executable, "-m", "aiconfig_plugin", "keyring", command, str(keyring)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)

"""Everything that a run needs around the contenders: a store, an introspection endpoint, keys."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from pymongo import MongoClient

from aiconfig_plugin.demo.mongod import Mongod
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.store import COLLECTION
from benchmarks.dataset import ISSUER, DataSet, Person
from benchmarks.processes import Process, started

CREDENTIALS = {"client_id": "gateway", "client_secret": "benchmark"}


@dataclass(frozen=True)
class Contender:
    name: str
    process: Process
    collection: Any
    document: Callable[[Person], dict[str, Any]]
    """Makes the document of an owner in the shape that this contender stores."""


@dataclass(frozen=True)
class Stage:
    directory: Path
    uri: str
    mongo: MongoClient[dict[str, Any]]
    authorization: Process
    keyring: Path
    dataset: DataSet

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

    def ours(
        self, database: str, *, plain: bool = True, **options: Any
    ) -> AbstractContextManager[Process]:
        settings = self.settings(database)
        return started("ours", settings=settings, plain=plain, **options)

    def collection(self, database: str) -> Any:
        """Return where the plugin keeps its documents in this database."""
        return self.mongo[database][COLLECTION]

    @contextmanager
    def plugin(self, name: str, **options: Any) -> Iterator[Contender]:
        """Run the plugin over a database of its own, which is dropped afterwards."""
        database = name.replace(" ", "_").replace(",", "")
        try:
            with self.ours(database, **options) as process:
                yield Contender(name, process, self.collection(database), self.dataset.ours)
        finally:
            self.mongo.drop_database(database)

    @contextmanager
    def bare(self) -> Iterator[Contender]:
        where = {"mongodb_uri": self.uri, "mongodb_database": "bare", "collection": "configs"}
        with started("bare", **where) as process:
            # As long as what the plugin keeps, so that the store does the same work.
            yield Contender("bare", process, self.mongo["bare"]["configs"], self._like_ours)

    @contextmanager
    def fastapi(self) -> Iterator[Contender]:
        key = Fernet.generate_key()
        options = {
            "mongodb_uri": self.uri,
            "mongodb_database": "fastapi",
            "collection": "configs",
            "endpoint": f"{self.authorization.url}/introspect",
            "fernet_key": key.decode(),
            **CREDENTIALS,
        }
        encrypt = Fernet(key).encrypt
        with started("fastapi_build", **options) as process:
            yield Contender(
                "FastAPI",
                process,
                self.mongo["fastapi"]["configs"],
                lambda person: self.dataset.flat(person, encrypt),
            )

    def _like_ours(self, person: Person) -> dict[str, Any]:
        keys = [entry["key"]["jwe"] for entry in self.dataset.ours(person)["models"]]
        document = self.dataset.flat(person, lambda key: key)
        for entry, key in zip(document["models"], keys, strict=True):
            entry["apiKeyEncrypted"] = key
        return document


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Start a private standalone MongoDB and the introspection endpoint; end both afterwards."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mongod = stack.enter_context(Mongod(directory / "mongod"))
        mongo: MongoClient[dict[str, Any]] = stack.enter_context(MongoClient(mongod.uri))
        authorization = stack.enter_context(started("authorization"))
        keyring = directory / "keyring.json"
        create_keyring(keyring)
        yield Stage(directory, mongod.uri, mongo, authorization, keyring, DataSet(keyring))

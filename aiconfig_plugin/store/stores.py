"""All that a gateway keeps in MongoDB, over one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiconfig_plugin.settings import MongoDBDriver
from aiconfig_plugin.store.collections import CollectionSpec
from aiconfig_plugin.store.connection import Address, Connection
from aiconfig_plugin.store.documents import CONFIGS
from aiconfig_plugin.store.gateways import GATEWAYS, MongoGateways
from aiconfig_plugin.store.key_use import KEY_USE, MongoKeyUse
from aiconfig_plugin.store.logouts import LOGOUTS, MongoLogouts
from aiconfig_plugin.store.operation import TIMEOUT
from aiconfig_plugin.store.repository import MongoRepository

if TYPE_CHECKING:
    from aiconfig_plugin.store.connection import Database

COLLECTIONS: Final[tuple[CollectionSpec, ...]] = (CONFIGS, KEY_USE, GATEWAYS, LOGOUTS)


class MongoStores:
    """The :class:`~aiconfig_plugin.domain.ports.Stores` of one MongoDB database.

    ``database`` belongs to the host, is a Motor ``AsyncIOMotorDatabase`` or a PyMongo
    ``AsyncDatabase``, and is never closed here; :meth:`connect` makes a client of its own.
    ``timeout`` bounds each operation, in seconds.
    Raises TypeError for another kind of database.
    """

    def __init__(self, database: Database | Address, *, timeout: float = TIMEOUT) -> None:
        connection = Connection(database, COLLECTIONS, timeout)
        self._connection = connection
        self.repository = MongoRepository(connection)
        self.key_use = MongoKeyUse(connection)
        self.gateways = MongoGateways(connection)
        self.logouts = MongoLogouts(connection)

    @classmethod
    def connect(
        cls, uri: str, name: str, *, driver: MongoDBDriver = "motor", timeout: float = TIMEOUT
    ) -> MongoStores:
        """Use the database ``name`` behind ``uri``. No client is made before :meth:`start`."""
        return cls(Address(uri, name, driver), timeout=timeout)

    async def start(self) -> None:
        await self.repository.start()

    async def close(self) -> None:
        await self.repository.close()

    async def migrate(self) -> list[str]:
        """Start, and return what was changed in the database, a line for each.

        Raises as :meth:`start` does, and also where what is there may not be seen.
        """
        return await self._connection.open(inspect=True)

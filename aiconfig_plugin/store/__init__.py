"""Configurations in MongoDB. Knows Motor and PyMongo."""

from aiconfig_plugin.store.connection import Address
from aiconfig_plugin.store.documents import COLLECTION, owner_id, to_document
from aiconfig_plugin.store.stores import MongoStores

__all__ = [
    "COLLECTION",
    "Address",
    "MongoStores",
    "owner_id",
    "to_document",
]

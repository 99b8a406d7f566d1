"""Configurations in MongoDB. Knows Motor and PyMongo."""

from aiconfig_plugin.store.documents import COLLECTION, owner_id, to_document
from aiconfig_plugin.store.repository import MongoRepository

__all__ = [
    "COLLECTION",
    "MongoRepository",
    "owner_id",
    "to_document",
]

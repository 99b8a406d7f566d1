"""Reaching MongoDB: a client of our own, and which of the driver's errors are an outage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    InvalidName,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.uri_parser import split_options

from aiconfig_plugin.errors import AIConfigError, ConfigurationError, StorageUnavailable
from aiconfig_plugin.settings import variable

Database: TypeAlias = "AsyncIOMotorDatabase[dict[str, Any]] | AsyncDatabase[dict[str, Any]]"

TIMEOUT: Final = 8.0
"""Seconds for one operation; with an introspection before it, a request stays under 12."""
LIMIT: Final = 500
"""Operations at once, most of which only wait: a driver has some 100 connections."""

# Numbers from https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
DOCUMENT_VALIDATION_FAILURE: Final = 121
# Unauthorized, AuthenticationFailed.
_REFUSALS: Final = frozenset({13, 18})
_OUTAGES: Final = frozenset({
    *(6, 7, 89, 202, 9001),  # host unreachable or not found, network timeouts, socket
    *(24, 262, 11601),  # lock timeout, time limit, interrupted
    *(64, 79, 100),  # write concern failed, unknown, not satisfiable
    *(91, 189, 10107, 11600, 11602, 13435, 13436),  # shutting down, stepping down, not primary
    *(133, 134),  # no host fits the read preference; no majority snapshot yet
    *(355, 371, 14031),  # storage changes, writes blocked, disk full
})  # fmt: skip


@dataclass(frozen=True)
class Address:
    uri: str = field(repr=False)
    name: str

    def open(self, timeout: float) -> tuple[AsyncIOMotorClient[dict[str, Any]], Database]:
        half = round(timeout * 500)
        try:
            if not self.uri.startswith(("mongodb://", "mongodb+srv://")):
                raise InvalidURI("no scheme")
            _, _, options = self.uri.partition("?")
            if options:
                # The client only warns of an option that it drops, "tls=ture" among them.
                split_options(options)
            client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
                self.uri, serverSelectionTimeoutMS=half, connectTimeoutMS=half
            )
        except (PyMongoError, ValueError, TypeError, OSError):
            # Neither the message nor the cause is passed on: the URI may hold a password.
            raise wrong_uri() from None
        try:
            return client, client[self.name]
        except InvalidName as err:
            client.close()
            raise ConfigurationError(
                f"{variable('mongodb_database')} is not a name that MongoDB takes."
            ) from err


def wrong_uri() -> ConfigurationError:
    return ConfigurationError(
        f"{variable('mongodb_uri')} is not a MongoDB connection string that can be used: "
        "check its form, its options and the files and DNS names it refers to."
    )


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Bound what is awaited inside in time, and translate the driver's errors.

    An outage is what may heal while the request stays the same, or what only the operator can
    heal; anything else is a defect and stays what it is.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except (ConnectionFailure, WriteConcernError) as err:
        raise StorageUnavailable("The store gave no answer in time.") from err
    except BulkWriteError:
        # Its message quotes the documents. Each write of it may be asked for again.
        raise StorageUnavailable("The store did not take every write.") from None
    except OperationFailure as err:
        if err.code == DOCUMENT_VALIDATION_FAILURE:
            # The server's message quotes the value, which may be the key in plain text that the
            # validator is there to refuse; so it must not get into a traceback either.
            raise AIConfigError("The store's validator refused the document.") from None
        if err.code in _REFUSALS:
            raise StorageUnavailable("The store refuses this gateway.") from err
        if err.code in _OUTAGES or err.timeout or err.has_error_label("RetryableWriteError"):
            raise StorageUnavailable("The store gave no answer in time.") from err
        raise


class Gate:
    """Bounds operations in time, and all that run at once in number.

    Without the second a store that is stuck would fill the memory with requests that wait.
    """

    def __init__(self, timeout: float, limit: int) -> None:
        if timeout <= 0:
            raise ValueError("timeout must be a positive number of seconds")
        self._timeout = timeout
        self._limit = limit
        self._running = 0

    @contextmanager
    def operation(self) -> Iterator[None]:
        if self._running >= self._limit:
            raise StorageUnavailable("Too many requests wait for the store.", retry_after=1)
        self._running += 1
        try:
            with bounded(self._timeout):
                yield
        finally:
            self._running -= 1

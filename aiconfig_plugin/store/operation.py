"""One operation on MongoDB: its deadline, what its failure means, and how many run at once."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import pymongo
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from aiconfig_plugin.errors import AIConfigError, InternalError, Outcome, StorageUnavailable
from aiconfig_plugin.metrics import process_metrics

P = ParamSpec("P")
T = TypeVar("T")
_Method: TypeAlias = Callable[P, Coroutine[Any, Any, T]]

TIMEOUT: Final = 8.0
"""Seconds for one operation; with an introspection before it, a request stays under 12."""
SCAN_TIMEOUT: Final = 300.0
"""Seconds for what reads every document: a count by kid, or an index over a restored collection."""
MAX_WRITES: Final = 500
"""Writes at once, most of which only wait: a driver has some 100 connections."""
MAX_READS: Final = 4000
"""Reads at once; one that waits holds no body, so there may be more of them."""

DOCUMENT_VALIDATION_FAILURE: Final = 121

_NO_ANSWER: Final = "The database did not respond within {seconds:g} s."
_UNREACHABLE: Final = "The database cannot be reached."
_DISCONNECTED: Final = "The connection to the database was lost."
_NO_PRIMARY: Final = "The database has no primary at the moment."
_UNCONFIRMED: Final = "No majority of the database's members confirmed the write."
_READ_ONLY: Final = "The database accepts no writes at the moment."
_REJECTED: Final = "MongoDB rejected the credentials or permissions ({action})."

# Numbers from https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_OUTAGES: Final[Mapping[int, str]] = {
    **dict.fromkeys((6, 7), _UNREACHABLE),  # HostUnreachable, HostNotFound
    # UserNotFound, Unauthorized, AuthenticationFailed
    **dict.fromkeys((11, 13, 18), _REJECTED),
    # LockTimeout, MaxTimeMSExpired, NetworkTimeout, NetworkInterfaceExceededTimeLimit,
    # ExceededTimeLimit
    **dict.fromkeys((24, 50, 89, 202, 262), _NO_ANSWER),
    # WriteConcernFailed, UnknownReplWriteConcern, UnsatisfiableWriteConcern
    **dict.fromkeys((64, 79, 100), _UNCONFIRMED),
    # ShutdownInProgress, PrimarySteppedDown, NotWritablePrimary, InterruptedAtShutdown,
    # InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary,
    # FailedToSatisfyReadPreference, ReadConcernMajorityNotAvailableYet
    **dict.fromkeys((91, 189, 10107, 11600, 11602, 13435, 13436, 133, 134), _NO_PRIMARY),
    # LinearizableReadConcernError
    187: "No majority of the database's members confirmed the read.",
    # InterruptedDueToStorageChange, UserWritesBlocked, OutOfDiskSpace
    **dict.fromkeys((355, 371, 14031), _READ_ONLY),
    **dict.fromkeys((9001, 11601), _DISCONNECTED),  # SocketException, Interrupted
}
"""What may heal while the request stays the same, or what only the operator can heal, by MongoDB's
code; anything else is a defect."""

_COMMAND: Final = re.compile(r"command (?:\{ )?(\w+)")


@contextmanager
def store_operation(seconds: float, *, unanswered: Outcome | None = None) -> Iterator[None]:
    """Set a deadline for what is awaited inside, and translate the driver's errors.

    ``unanswered`` is the ``outcome`` of an error where a command was sent and its answer is
    missing: "unknown" for a write, None for a read, "nothing-changed" for a read after a write
    that changed nothing. Raises ``StorageUnavailable`` for an outage; a defect stays what it is.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except BulkWriteError:
        # Its message quotes the documents. Each write of it may be asked for again.
        raise StorageUnavailable("The database did not apply every write.") from None
    except (ConnectionFailure, OperationFailure) as err:
        if isinstance(err, OperationFailure) and err.code == DOCUMENT_VALIDATION_FAILURE:
            if _is_of_retired_key(err):
                raise StorageUnavailable(
                    "The key that this gateway writes with was retired meanwhile.",
                    retry_after=1,
                    outcome="nothing-changed",
                ) from None
            # The server's message quotes the value, which may be the key in plain text that the
            # validator is there to refuse; so it must not get into a traceback either.
            raise InternalError("The collection's validator refused the document.") from None
        detail = _describe(err)
        if detail is None:
            raise
        if unanswered and (isinstance(err, ServerSelectionTimeoutError) or detail is _REJECTED):
            # The driver raises the first of them only where no attempt before it was sent.
            unanswered = "nothing-changed"
        detail = detail.format(seconds=seconds, action=_action(err))
        raise StorageUnavailable(detail, outcome=unanswered) from err


def measured(operation: str) -> Callable[[_Method[P, T]], _Method[P, T]]:
    """Count the calls of a store's method as ``operation``, and how long they take.

    What the caller is to blame for, such as a conflict, is no failure.
    """

    def decorate(method: _Method[P, T]) -> _Method[P, T]:
        @functools.wraps(method)
        async def measuring(*args: P.args, **kwargs: P.kwargs) -> T:
            began, succeeded = time.perf_counter(), False
            try:
                result = await method(*args, **kwargs)
                succeeded = True
                return result
            except AIConfigError as err:
                succeeded = err.status < 500
                raise
            finally:
                seconds = time.perf_counter() - began
                process_metrics().store_operation(operation, seconds, succeeded=succeeded)

        return measuring

    return decorate


def _is_of_retired_key(err: OperationFailure) -> bool:
    """Tell whether nothing but the fence (:mod:`~aiconfig_plugin.store.gateways`) refuses it."""
    details = ((err.details or {}).get("errInfo") or {}).get("details") or {}
    failed = details.get("clausesNotSatisfied", ())
    return [clause.get("details", {}).get("operatorName") for clause in failed] == ["$nin"]


def _describe(err: ConnectionFailure | OperationFailure) -> str | None:
    """Return what an outage is, or None for a defect."""
    if isinstance(err, OperationFailure):
        if err.code is not None and err.code in _OUTAGES:
            return _OUTAGES[err.code]
        if isinstance(err, WriteConcernError):
            return _UNCONFIRMED
        return _NO_ANSWER if err.has_error_label("RetryableWriteError") else None
    if isinstance(err, ServerSelectionTimeoutError):
        return _UNREACHABLE
    return _NO_ANSWER if err.timeout else _DISCONNECTED


def _action(err: Exception) -> str:
    """Return the command that was rejected, out of the server's message."""
    found = _COMMAND.search(str(err))
    return found[1] if found else "authenticate"


class ConcurrencyLimit:
    """Refuses what would exceed a number of operations at once.

    Without it a database that is stuck would fill the memory with requests that wait.
    """

    def __init__(self, limit: int, *, refused: Outcome | None = None) -> None:
        self._limit = limit
        self._refused = refused
        self._running = 0

    def __enter__(self) -> None:
        if self._running >= self._limit:
            raise StorageUnavailable(
                "Too many requests are waiting for the database.",
                retry_after=1,
                outcome=self._refused,
            )
        self._running += 1

    def __exit__(self, *_raised: object) -> None:
        self._running -= 1

"""What a failure of MongoDB means, by what the driver raises; and how much may run at once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping

import pytest
from pymongo import _csot
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from aiconfig_plugin.errors import AIConfigError, Outcome, StorageUnavailable
from aiconfig_plugin.store.operation import ConcurrencyLimit, store_operation

NO_ANSWER = "The database did not respond within 8 s."
UNREACHABLE = "The database cannot be reached."
DISCONNECTED = "The connection to the database was lost."
NO_PRIMARY = "The database has no primary at the moment."
UNCONFIRMED = "No majority of the database's members confirmed the write."
UNPROVEN = "No majority of the database's members confirmed the read."
READ_ONLY = "The database accepts no writes at the moment."
CODES: Mapping[str, tuple[int, ...]] = {
    UNREACHABLE: (6, 7),
    NO_ANSWER: (24, 50, 89, 202, 262),
    UNCONFIRMED: (64, 79, 100),
    NO_PRIMARY: (91, 133, 134, 189, 10107, 11600, 11602, 13435, 13436),
    UNPROVEN: (187,),
    READ_ONLY: (355, 371, 14031),
    DISCONNECTED: (9001, 11601),
}
REJECTIONS = {
    OperationFailure("not authorized on db to execute command { findAndModify: 1 }", 13): (
        "findAndModify"
    ),
    OperationFailure("command insert requires authentication", 13): "insert",
    OperationFailure("Authentication failed.", 18): "authenticate",
    OperationFailure("Could not find user", 11): "authenticate",
}


def unavailable(error: Exception, unanswered: Outcome | None = None) -> StorageUnavailable:
    with pytest.raises(StorageUnavailable) as told, store_operation(8, unanswered=unanswered):
        raise error
    assert told.value.__cause__ is error
    return told.value


@pytest.mark.parametrize(
    ("code", "detail"), [(code, detail) for detail, codes in CODES.items() for code in codes]
)
def test_an_outage_is_told_by_its_code(code: int, detail: str) -> None:
    told = unavailable(OperationFailure("geheim", code), "unknown")
    assert (told.detail, told.outcome) == (detail, "unknown")


@pytest.mark.parametrize("error", REJECTIONS)
def test_a_rejection_names_the_action_and_has_changed_nothing(error: OperationFailure) -> None:
    told = unavailable(error, "unknown")
    action = REJECTIONS[error]
    assert told.detail == f"MongoDB rejected the credentials or permissions ({action})."
    assert told.outcome == "nothing-changed"
    assert unavailable(error).outcome is None


@pytest.mark.parametrize(
    ("error", "detail", "outcome"),
    [
        # The driver raises it only where no attempt was sent.
        (ServerSelectionTimeoutError("no server"), UNREACHABLE, "nothing-changed"),
        (NetworkTimeout("timed out"), NO_ANSWER, "unknown"),
        (AutoReconnect("closed"), DISCONNECTED, "unknown"),
        (NotPrimaryError("stepped down"), DISCONNECTED, "unknown"),
        (ConnectionFailure("refused"), DISCONNECTED, "unknown"),
        (WriteConcernError("some other", 1234), UNCONFIRMED, "unknown"),
    ],
)
def test_a_write_that_was_sent_and_not_answered_is_unknown(
    error: Exception, detail: str, outcome: Outcome
) -> None:
    told = unavailable(error, "unknown")
    assert (told.detail, told.outcome) == (detail, outcome)
    assert unavailable(error).outcome is None
    assert unavailable(error, "nothing-changed").outcome == "nothing-changed"


def test_what_the_server_calls_worth_a_retry_is_an_outage() -> None:
    error = OperationFailure("new in a later version", 99999)
    error._add_error_label("RetryableWriteError")
    assert unavailable(error).detail == NO_ANSWER


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("failed to parse", 9),
        OperationFailure("no code"),
        DuplicateKeyError("dup", 11000),
        ValueError("ours"),
    ],
)
def test_a_defect_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, store_operation(8, unanswered="unknown"):
        raise error
    assert raised.value is error


def test_what_quotes_a_document_is_not_passed_on() -> None:
    bulk = BulkWriteError({"writeErrors": [{"op": "geheim"}], "writeConcernErrors": []})
    with pytest.raises(StorageUnavailable) as told, store_operation(8):
        raise bulk
    with pytest.raises(AIConfigError) as refused, store_operation(8):
        raise OperationFailure("geheim", 121)
    assert refused.value.status == 500
    for error in (told.value, refused.value):
        assert "geheim" not in "".join(traceback.format_exception(error))


def test_a_nested_operation_does_not_extend_the_deadline() -> None:
    with store_operation(8):
        outer = _csot.get_deadline()
        with store_operation(600):
            assert _csot.get_deadline() == outer
        assert 7 < outer - time.monotonic() <= 8


def test_operations_beyond_the_limit_are_refused_until_one_has_ended() -> None:
    limit = ConcurrencyLimit(2, refused="nothing-changed")
    with limit:
        with limit, pytest.raises(StorageUnavailable) as refused, limit:
            raise AssertionError("one too many")
        with pytest.raises(ValueError), limit:
            raise ValueError
        with limit:
            pass
    assert (refused.value.retry_after, refused.value.outcome) == (1, "nothing-changed")

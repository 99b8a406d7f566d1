"""Parsing request bodies: JSON that fits its schema file, as values of the domain.

jsonschema-rs, which only this file knows, says that a body fits; what is wrong with one that does
not is for :mod:`~aiconfig_plugin.http.schema_check`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

from aiconfig_plugin.base_url import BaseURL
from aiconfig_plugin.domain import ABSENT, Identity, Submission, SubmittedEntry
from aiconfig_plugin.errors import SchemaViolation
from aiconfig_plugin.http.schema_check import check_schema, is_no_base_url, json_size, load_schema
from aiconfig_plugin.http.strict_json import read_json

MAX_OPTIONS_BYTES = 4096  # "x-maxBytes" in the schema


def parse_submission(raw: bytes | bytearray) -> Submission:
    """Parse and validate a request body.

    Raises :class:`~aiconfig_plugin.errors.MalformedJSON` as
    :func:`~aiconfig_plugin.http.strict_json.read_json`, and
    :class:`~aiconfig_plugin.errors.SchemaViolation` with the violations in document order.
    """
    document = read_json(raw)
    # jsonschema decides about whatever jsonschema-rs does not pass: all that could go wrong there
    # is to pass too much.
    if not _fast_validator()(document) or not all(map(_fits_further, document["models"])):
        check_schema(document, "config")
    return Submission(
        models=tuple(_submitted(entry) for entry in document["models"]),
        system_prompt=document["system_prompt"],
    )


def parse_verification(raw: bytes | bytearray) -> Identity:
    """Return which entry a verification is asked for; raises as :func:`parse_submission`."""
    document = read_json(raw)
    check_schema(document, "verification")
    return document["provider"], document["type"], document["model"], document.get("label")


def compile_schemas() -> None:
    """Do what the first body would have to wait for, with the event loop."""
    with contextlib.suppress(SchemaViolation):
        _fast_validator()
        check_schema({"models": [{}]}, "config")


def _submitted(entry: Mapping[str, Any]) -> SubmittedEntry:
    origin = BaseURL.parse(entry["baseUrl"]).origin if "baseUrl" in entry else None
    submitted = entry.get("apiKeyEncrypted", ABSENT)
    return SubmittedEntry.of(entry, origin, api_key_encrypted=submitted)


def _fits_further(entry: Mapping[str, Any]) -> bool:
    """Check what the fast validator has no keyword for."""
    return not (
        ("baseUrl" in entry and is_no_base_url(entry["baseUrl"]))
        or ("options" in entry and json_size(entry["options"]) > MAX_OPTIONS_BYTES)
    )


@functools.cache
def _fast_validator() -> Any:
    """Return jsonschema-rs's check of a document; where there is no wheel nothing passes."""
    try:
        from jsonschema_rs import Draft202012Validator as FastValidator

        schema = load_schema("config") | {"$defs": {"entry": load_schema("entry")}}
        # Releases that lack "offline" are too old: some of them take 1e400 for null.
        return FastValidator(schema, offline=True).is_valid
    except (ImportError, TypeError):
        return lambda _document: False

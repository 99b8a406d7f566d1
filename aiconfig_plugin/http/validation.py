"""Validating request bodies against the schema files.

The only file that knows jsonschema and jsonschema-rs. The fast one only says that a body fits;
every detail here is made from the schema alone, for their messages repeat what was submitted.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from aiconfig_plugin.base_url import BaseURL
from aiconfig_plugin.domain import ABSENT, Submission, SubmittedEntry
from aiconfig_plugin.errors import MAX_VIOLATIONS, SchemaViolation, Violation
from aiconfig_plugin.http.strict_json import read_json

MAX_OPTIONS_BYTES = 4096  # "x-maxBytes" in the schema


def load_schema(name: str) -> dict[str, Any]:
    """Return the schema file ``name``, for example ``config``."""
    file = resources.files("aiconfig_plugin.schemas") / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


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
        _check_schema(document)
    return Submission(
        models=tuple(_submitted(entry) for entry in document["models"]),
        system_prompt=document["system_prompt"],
    )


def compile_schemas() -> None:
    """Do what the first body would have to wait for, with the event loop."""
    with contextlib.suppress(SchemaViolation):
        _fast_validator()
        _check_schema({"models": [{}]})


def _submitted(entry: Mapping[str, Any]) -> SubmittedEntry:
    return SubmittedEntry(
        provider=entry["provider"],
        type=entry["type"],
        model=entry["model"],
        is_paid=entry["isPaid"],
        api_key_encrypted=entry.get("apiKeyEncrypted", ABSENT),
        label=entry.get("label"),
        enabled=entry.get("enabled"),
        base_url=entry.get("baseUrl"),
        origin=BaseURL.parse(entry["baseUrl"]).origin if "baseUrl" in entry else None,
        options=entry.get("options"),
    )


def _fits_further(entry: Mapping[str, Any]) -> bool:
    """Check what the fast validator has no keyword for."""
    return not (
        ("baseUrl" in entry and _is_no_base_url(entry["baseUrl"]))
        or ("options" in entry and _size(entry["options"]) > MAX_OPTIONS_BYTES)
    )


def _is_no_base_url(text: str) -> bool:
    try:
        BaseURL.parse(text)
    except ValueError:
        return True
    return False


def _size(options: Any) -> int:
    return len(json.dumps(options, ensure_ascii=False, separators=(",", ":")).encode())


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


def _check_schema(document: Any) -> None:
    errors = list(_validator().iter_errors(document))
    if errors:
        errors.sort(key=_Places(document).of)
        raise SchemaViolation(
            "The body violates its schema; see errors.",
            [_violation(error) for error in errors[:MAX_VIOLATIONS]],
        )


@functools.cache
def _validator() -> Any:
    schemas = [load_schema(name) for name in ("config", "entry")]
    for schema in schemas:
        # At a "$ref" jsonschema would follow "$schema" back to its own keywords, away from ours.
        del schema["$schema"]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], DRAFT202012.create_resource(schema)) for schema in schemas
    )
    keywords = {
        **{name: _keyword(violated) for name, violated in _VIOLATED.items()},
        "required": _required,
        "items": _items,
        "patternProperties": _pattern_properties,
    }
    return validators.extend(Draft202012Validator, keywords)(schemas[0], registry=registry)


@functools.cache
def _ecma_262(pattern: str) -> re.Pattern[str]:
    """Compile a JSON Schema pattern, whose ``$`` is the very end; Python's may precede an LF."""
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


# jsonschema's own keywords write what was submitted into their messages, all of it.
_VIOLATED: Mapping[str, Callable[[Any, Any, Any, Any], bool]] = {
    "type": lambda validator, types, instance, _schema: (
        not any(
            validator.is_type(instance, name)
            for name in ([types] if isinstance(types, str) else types)
        )
    ),
    "minLength": lambda _v, limit, instance, _s: (
        isinstance(instance, str) and len(instance) < limit
    ),
    "maxLength": lambda _v, limit, instance, _s: (
        isinstance(instance, str) and len(instance) > limit
    ),
    "maxItems": lambda _v, limit, instance, _s: (
        isinstance(instance, list) and len(instance) > limit
    ),
    "pattern": lambda _v, pattern, instance, _s: (
        isinstance(instance, str) and not _ecma_262(pattern).search(instance)
    ),
    "maxProperties": lambda _v, limit, instance, _s: (
        isinstance(instance, dict) and len(instance) > limit
    ),
    "minimum": lambda validator, limit, instance, _s: (
        validator.is_type(instance, "number") and instance < limit
    ),
    "maximum": lambda validator, limit, instance, _s: (
        validator.is_type(instance, "number") and instance > limit
    ),
    "additionalProperties": lambda _v, _allowed, instance, schema: (
        isinstance(instance, dict)
        and not all(
            name in schema.get("properties", ())
            or any(_ecma_262(p).search(name) for p in schema.get("patternProperties", ()))
            for name in instance
        )
    ),
    "format": lambda _v, name, instance, _s: (
        name == "base-url" and isinstance(instance, str) and _is_no_base_url(instance)
    ),
    "x-maxBytes": lambda _v, limit, instance, _s: (
        isinstance(instance, dict) and _size(instance) > limit
    ),
}


def _keyword(violated: Callable[[Any, Any, Any, Any], bool]) -> Any:
    def keyword(*given: Any) -> Iterator[ValidationError]:
        if violated(*given):
            yield ValidationError("")

    return keyword


def _required(
    validator: Any, required: list[str], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for name in required:
            if name not in instance:
                yield ValidationError(f"The member {name} is missing.")


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    # A list that is too long is one violation, however long it is.
    if validator.is_type(instance, "array") and len(instance) <= schema["maxItems"]:
        yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    # An object with too many members is one violation, however many they are.
    if validator.is_type(instance, "object") and len(instance) <= schema["maxProperties"]:
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _ecma_262(pattern).search(name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


class _Places:
    """Where in a document an error is, as something that sorts in document order."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._order: dict[int, dict[str, int]] = {}

    def of(self, error: ValidationError) -> tuple[int, ...]:
        node, place = self._document, []
        for step in error.absolute_path:
            place.append(self._number(node, step))
            node = node[step]
        return tuple(place)

    def _number(self, node: Any, step: Any) -> int:
        if isinstance(step, int):
            return step
        if id(node) not in self._order:
            self._order[id(node)] = {name: number for number, name in enumerate(node)}
        return self._order[id(node)][step]


def _violation(error: ValidationError) -> Violation:
    # Only members whose names the schema knows or describes are descended into: no step needs
    # the escapes of RFC 6901.
    pointer = "".join(f"/{step}" for step in error.absolute_path)
    return Violation(pointer=pointer, code=str(error.validator), detail=_detail(error))


def _detail(error: ValidationError) -> str:
    limit: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "type":
            return f"Must be {limit if isinstance(limit, str) else ' or '.join(limit)}."
        case "additionalProperties" if "x-detail" in schema:
            return str(schema["x-detail"])
        case "additionalProperties":
            return f"Only these members are allowed: {', '.join(schema['properties'])}."
        case "minLength":
            return "Must not be empty." if limit == 1 else f"Must have at least {limit} characters."
        case "maxLength":
            return f"Must have at most {limit} characters."
        case "maxItems":
            return f"Must have at most {limit} entries."
        case "maxProperties":
            return f"Must have at most {limit} members."
        case "minimum" | "maximum":
            return f"Must be a number from {schema['minimum']} to {schema['maximum']}."
        case "x-maxBytes":
            return f"Must have at most {limit} bytes as JSON."
        case "format":
            return (
                "Must be an absolute http or https URL without user info, query or fragment, whose "
                "host is a name or an address in its usual spelling."
            )
        case "pattern":
            return str(schema.get("x-detail", f"Must match {limit}"))
        case _:
            return str(error.message)  # "required": written above, from the schema.

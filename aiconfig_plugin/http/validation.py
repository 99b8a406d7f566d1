"""Request bodies: JSON that can be read safely, then the schema files, compiled once.

The only file that knows jsonschema, and jsonschema-rs, which says sooner that a body fits where
the extra ``speed`` is installed. Their messages quote what was submitted, so none of them is passed
on: every detail here is made from the schema alone.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from aiconfig_plugin.domain import ABSENT, Submission, SubmittedEntry
from aiconfig_plugin.errors import MalformedJSON, SchemaViolation, Violation

MAX_DEPTH = 32
MAX_VIOLATIONS = 50


def load_schema(name: str) -> dict[str, Any]:
    """Return the schema file ``name``, for example ``config``."""
    file = resources.files("aiconfig_plugin.schemas") / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def parse_submission(raw: bytes) -> Submission:
    """Return what a request body says.

    Raises :class:`~aiconfig_plugin.errors.MalformedJSON` for bytes that are not JSON of the safe
    kind (RFC 7493: UTF-8, no member twice, no lone surrogates; nested 32 deep at most), and
    :class:`~aiconfig_plugin.errors.SchemaViolation` with the violations in document order.
    """
    document = read_json(raw)
    # Whatever jsonschema-rs does not pass, jsonschema decides: all that could go wrong there is to
    # pass too much.
    if not _passes()(document):
        _check_schema(document)
    return Submission(
        models=tuple(_submitted(entry) for entry in document["models"]),
        system_prompt=document["system_prompt"],
    )


def read_json(raw: bytes) -> Any:
    """Parse JSON that means the same to every reader, or raise ``MalformedJSON``."""
    try:
        text = raw.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
        # Only an escape can bring in a lone surrogate, which UTF-8 cannot hold. That there is no
        # escape at all is found out much sooner than that there is none of this kind.
        if "\\" in text and "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as err:
        place = f"line {err.lineno}, column {err.colno}"
        raise MalformedJSON(f"The body is not JSON: {err.msg} at {place}.") from None
    except UnicodeError:
        raise MalformedJSON("The body is not well-formed UTF-8.") from None
    except RecursionError:
        raise MalformedJSON(f"The body is nested more than {MAX_DEPTH} deep.") from None
    except ValueError:
        raise MalformedJSON("The body holds a number that is too long.") from None
    if isinstance(document, (dict, list)):
        _check_depth(document)
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJSON("An object in the body has the same member twice.")
    return members


def _no_constant(_name: str) -> None:
    raise MalformedJSON("NaN and Infinity are not JSON.")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        children = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not children:
            return
        level = children
    raise MalformedJSON(f"The body is nested more than {MAX_DEPTH} deep.")


def _submitted(entry: Mapping[str, Any]) -> SubmittedEntry:
    return SubmittedEntry(
        provider=entry["provider"],
        type=entry["type"],
        model=entry["model"],
        is_paid=entry["isPaid"],
        api_key_encrypted=entry.get("apiKeyEncrypted", ABSENT),
    )


@functools.cache
def _passes() -> Any:
    """Return jsonschema-rs's check of a document; where it is not installed nothing passes."""
    try:
        from jsonschema_rs import Draft202012Validator as FastValidator

        schema = load_schema("config") | {"$defs": {"entry": load_schema("entry")}}
        # Releases that lack "offline" are too old: some of them take 1e400 for null.
        return FastValidator(schema, offline=True).is_valid
    except (ImportError, TypeError):
        return lambda _document: False


def _check_schema(document: Any) -> None:
    violations = sorted(_validator().iter_errors(document), key=functools.partial(_place, document))
    if violations:
        raise SchemaViolation(
            "The body does not fit its schema; 'errors' says where.",
            [_violation(error) for error in violations[:MAX_VIOLATIONS]],
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
    keywords = {"required": _required, "pattern": _pattern, "items": _items}
    return validators.extend(Draft202012Validator, keywords)(schemas[0], registry=registry)


def _required(
    validator: Any, required: list[str], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for name in required:
            if name not in instance:
                yield ValidationError(f"The member {name} is missing.")


def _pattern(
    validator: Any, pattern: str, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _ecma_262(pattern).search(instance):
        yield ValidationError("")


@functools.cache
def _ecma_262(pattern: str) -> re.Pattern[str]:
    """Compile a JSON Schema pattern, whose ``$`` is the very end; Python's may precede an LF."""
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    # A list that is too long is one violation: going through it would hold the loop for seconds.
    if validator.is_type(instance, "array") and len(instance) <= schema["maxItems"]:
        yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)


def _place(document: Any, error: ValidationError) -> tuple[int, ...]:
    """Return where in the document an error is, as something that sorts in document order."""
    place = []
    for step in error.absolute_path:
        place.append(step if isinstance(step, int) else list(document).index(step))
        document = document[step]
    return tuple(place)


def _violation(error: ValidationError) -> Violation:
    # Only members that the schema names are descended into: no step needs RFC 6901's escapes.
    pointer = "".join(f"/{step}" for step in error.absolute_path)
    return Violation(pointer=pointer, code=str(error.validator), detail=_detail(error))


def _detail(error: ValidationError) -> str:
    limit: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "type":
            return f"Must be {limit if isinstance(limit, str) else ' or '.join(limit)}."
        case "additionalProperties":
            return f"Only these members are allowed: {', '.join(schema['properties'])}."
        case "minLength":
            return f"Must have at least {limit} characters."
        case "maxLength":
            return f"Must have at most {limit} characters."
        case "minItems":
            return f"Must have at least {limit} entries."
        case "maxItems":
            return f"Must have at most {limit} entries."
        case "pattern":
            return str(schema.get("x-detail", f"Must match {limit}"))
        case _:
            return str(error.message)  # "required": written above, from the schema.

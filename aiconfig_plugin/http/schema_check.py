"""What of a document violates its JSON Schema, told without repeating what was submitted.

Every detail here is made from the schema alone: the messages of jsonschema, which only this file
knows, quote the document.
"""

from __future__ import annotations

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
from aiconfig_plugin.errors import MAX_VIOLATIONS, SchemaViolation, Violation


def load_schema(name: str) -> dict[str, Any]:
    """Return the schema file ``name``, for example ``config``."""
    file = resources.files("aiconfig_plugin.schemas") / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def check_schema(document: Any, name: str) -> None:
    """Raise ``SchemaViolation``, with the violations in document order, for what does not fit."""
    errors = list(_validator(name).iter_errors(document))
    if errors:
        errors.sort(key=_Places(document).of)
        raise SchemaViolation(
            "The body violates its schema; see errors.",
            [_violation(error) for error in errors[:MAX_VIOLATIONS]],
        )


def is_no_base_url(text: str) -> bool:
    try:
        BaseURL.parse(text)
    except ValueError:
        return True
    return False


def json_size(value: Any) -> int:
    """Return the bytes of a value as compact JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@functools.cache
def _validator(name: str) -> Any:
    schemas = {each: load_schema(each) for each in dict.fromkeys((name, "entry"))}
    for schema in schemas.values():
        # At a "$ref" jsonschema would follow "$schema" back to its own keywords, away from ours.
        del schema["$schema"]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], DRAFT202012.create_resource(schema)) for schema in schemas.values()
    )
    keywords = {
        **{name: _keyword(violated) for name, violated in _VIOLATED.items()},
        "required": _required,
        "items": _items,
        "patternProperties": _pattern_properties,
    }
    return validators.extend(Draft202012Validator, keywords)(schemas[name], registry=registry)


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
        name == "base-url" and isinstance(instance, str) and is_no_base_url(instance)
    ),
    "x-maxBytes": lambda _v, limit, instance, _s: (
        isinstance(instance, dict) and json_size(instance) > limit
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

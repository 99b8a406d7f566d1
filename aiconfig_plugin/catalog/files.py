"""Read the catalogue and the shared keys, and check each of them whole.

A catalogue holds nothing secret, so an error may quote it; an error about shared keys names the
provider and never repeats a key.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from aiconfig_plugin.base_url import BaseURL
from aiconfig_plugin.domain import (
    MAX_API_KEY_BYTES,
    Catalog,
    OfferedModel,
    OfferedProvider,
    OperatorPrompt,
    SecretStr,
)
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.private_file import read_file

PathLike: TypeAlias = "str | os.PathLike[str]"

MAX_ERRORS = 20
"""Of one file that are told at once."""


def load_catalog(path: PathLike) -> Catalog:
    """Read a catalogue that fits ``schemas/catalog.schema.json``.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which names each place by a JSON
    Pointer (RFC 6901).
    """
    try:
        return parse_catalog(read_file(path))
    except ConfigurationError as err:
        raise ConfigurationError(f"{os.fspath(path)}: {err.detail}") from None


def parse_catalog(content: bytes) -> Catalog:
    """Return the catalogue that this is; raises as :func:`load_catalog`, without the file."""
    document = _parse(content)
    faults = [*_schema_faults(document)] or [*_duplicates(document)]
    if faults:
        more = f" (and {len(faults) - MAX_ERRORS} more)" if len(faults) > MAX_ERRORS else ""
        raise ConfigurationError("; ".join(faults[:MAX_ERRORS]) + more + ".")
    return _catalog(document)


def parse_shared_keys(content: bytes) -> Mapping[str, SecretStr]:
    """Return the operator's API keys by provider.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`.
    """
    document = _parse(content)
    if not isinstance(document, dict):
        raise ConfigurationError("must be a JSON object of an API key for each provider.")
    for provider, key in document.items():
        if not isinstance(key, str) or not 1 <= len(key.encode()) <= MAX_API_KEY_BYTES:
            raise ConfigurationError(
                f"{_step(provider)}: must be a string of 1 to {MAX_API_KEY_BYTES} bytes."
            )
    return {provider: SecretStr(key) for provider, key in document.items()}


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_members)
    except UnicodeDecodeError:
        raise ConfigurationError("must be JSON in UTF-8.") from None
    except json.JSONDecodeError as err:
        place = f"line {err.lineno}, column {err.colno}"
        raise ConfigurationError(f"must be JSON: {err.msg} at {place}.") from None
    except RecursionError:
        raise ConfigurationError("is nested too deep.") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ConfigurationError("must not name a member twice in one object.")
    return members


def _schema_faults(document: Any) -> Iterator[str]:
    checker = FormatChecker(formats=())
    checker.checks("base-url", raises=ValueError)(
        lambda value: not isinstance(value, str) or BaseURL.parse(value) is not None
    )
    validator = Draft202012Validator(_schema(), format_checker=checker)
    for error in sorted(validator.iter_errors(document), key=lambda error: error.json_path):
        yield f"{_pointer(error)}: {_detail(error)}"


@functools.cache
def _schema() -> Any:
    file = resources.files("aiconfig_plugin.schemas") / "catalog.schema.json"
    return json.loads(file.read_text(encoding="utf-8"))


def _pointer(error: ValidationError) -> str:
    return "".join(map(_step, error.absolute_path)) or "the document"


def _step(step: str | int) -> str:
    """Return one reference token of a JSON Pointer (RFC 6901 section 3)."""
    return "/" + str(step).replace("~", "~0").replace("/", "~1")


def _detail(error: ValidationError) -> str:
    return str(error.cause or error.message)


def _duplicates(document: Mapping[str, Any]) -> Iterator[str]:
    for name, provider in document.get("providers", {}).items():
        seen: dict[tuple[str, str | None], int] = {}
        for number, model in enumerate(provider.get("models", ())):
            first = seen.setdefault((model["model"], model.get("type")), number)
            if first != number:
                where = f"/providers{_step(name)}/models"
                yield f"{where}/{number}: the same model and type as {where}/{first}"


def _catalog(document: Mapping[str, Any]) -> Catalog:
    providers = document.get("providers", {})
    prompt = document.get("systemPrompt")
    return Catalog(
        [_provider(name, said) for name, said in providers.items()],
        # A list that is not empty is exclusive unless it says otherwise.
        other_providers=document.get("otherProviders", not providers),
        system_prompt=prompt and OperatorPrompt(**prompt),
    )


def _provider(name: str, said: Mapping[str, Any]) -> OfferedProvider:
    models = said.get("models", [])
    return OfferedProvider(
        name=name,
        models=tuple(
            OfferedModel(model["model"], model.get("type"), model.get("isPaid")) for model in models
        ),
        other_models=said.get("otherModels", not models),
        is_paid=said.get("isPaid"),
        base_url=said.get("baseUrl"),
        api=said.get("api"),
        shared_key=said.get("sharedKey", "never"),
    )

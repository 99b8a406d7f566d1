"""Turn a list of models that somebody keeps into a catalogue to edit.

``genai-prices`` (the extra ``catalog``) carries one, with releases every few days; models.dev
publishes one as a file, https://models.dev/api.json.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiconfig_plugin.catalog.files import PathLike
from aiconfig_plugin.errors import ConfigurationError

# What the name of a model says of its type; the first word found counts.
_TYPES = {
    "embed": "embedding",
    "rerank": "rerank",
    "moderation": "moderation",
    "whisper": "transcription",
    "transcribe": "transcription",
    "tts": "speech",
    "dall-e": "image",
    "image": "image",
}


class ListedModel(NamedTuple):
    """One model of a list, by the names that its provider and it are known under."""

    provider: str
    model: str
    is_paid: bool


def import_bundled(only: Collection[str] = ()) -> Mapping[str, Any]:
    """Return a catalogue of the list in ``genai-prices``; ``only`` names the providers to take.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` where it is not installed.
    """
    try:
        from genai_prices.data import providers
    except ImportError:
        raise ConfigurationError(
            "The list of models is not installed: pip install 'aiconfig-plugin[catalog]', "
            "or name a file."
        ) from None
    return _catalogue(
        (
            ListedModel(provider.name, model.id, _has_price(model.prices))
            for provider in providers
            for model in provider.models
            if not model.deprecated
        ),
        only,
    )


def import_file(path: PathLike, only: Collection[str] = ()) -> Mapping[str, Any]:
    """Return a catalogue of a file in the form of models.dev's ``api.json``.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` for a file of another form.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        models = [
            ListedModel(provider["name"], model["id"], any((model.get("cost") or {}).values()))
            for provider in document.values()
            for model in provider["models"].values()
        ]
    except OSError as err:
        raise ConfigurationError(f"{path}: {err.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError(f"{path}: must be a list as models.dev's api.json is.") from None
    return _catalogue(models, only)


def _catalogue(models: Iterable[ListedModel], only: Collection[str]) -> Mapping[str, Any]:
    providers: dict[str, Any] = {}
    for listed in models:
        if only and listed.provider not in only:
            continue
        said = {"model": listed.model, "type": _type(listed.model), "isPaid": listed.is_paid}
        provider = providers.setdefault(listed.provider, {"otherModels": False, "models": []})
        provider["models"].append(said)
    if missing := sorted(set(only) - providers.keys()):
        raise ConfigurationError(f"The list has no provider {missing[0]}.")
    return {"providers": providers, "otherProviders": False}


def _type(model: str) -> str:
    name = model.lower()
    return next((type for word, type in _TYPES.items() if word in name), "chat")


def _has_price(prices: Any) -> bool:
    """Tell whether anything is charged, now or at some time of the day."""
    variants = prices if isinstance(prices, list) else [prices]
    return any(
        price
        for variant in variants
        for price in vars(getattr(variant, "prices", variant)).values()
    )

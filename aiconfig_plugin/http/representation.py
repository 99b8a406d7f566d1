"""The JSON representation of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeAlias

from aiconfig_plugin.domain import (
    AIConfig,
    AIConfigService,
    Catalog,
    Decision,
    Identity,
    KeyUse,
    ModelEntry,
    OfferedProvider,
    Policy,
)

Include: TypeAlias = Mapping[str, Callable[[ModelEntry], Any]]
"""What is added to every entry, and where its value comes from."""

KeyUses: TypeAlias = Mapping[Identity, KeyUse]

INCLUDES: Mapping[str, Callable[[AIConfigService, KeyUses], Callable[[ModelEntry], Any]]] = {
    "apiKeyEncrypted": lambda _service, _uses: lambda entry: entry.key and entry.key.jwe,
    "keyState": lambda service, _uses: lambda entry: service.key_state(entry).value,
    "keyUse": lambda _service, uses: lambda entry: represent_use(uses.get(entry.identity)),
    "offered": lambda service, _uses: service.is_offered,
}
"""What ``?include=`` may ask for; the use of keys is read for ``keyUse`` alone."""


def represent(config: AIConfig, include: Include) -> dict[str, Any]:
    """Return the standard representation with what ``include`` adds."""
    return {
        "models": [represent_entry(entry, include) for entry in config.models],
        "system_prompt": config.system_prompt,
    }


def represent_entry(entry: ModelEntry, include: Include) -> dict[str, Any]:
    members = entry.members
    for name, value_of in include.items():
        members[name] = value_of(entry)
    return members


def represent_use(use: KeyUse | None) -> dict[str, str | None] | None:
    """Return what is known of the use of a key; None where none is stored."""
    if use is None:
        return None
    return {
        "lastUsedAt": _time(use.last_used_at),
        "lastResult": use.last_result,
        "lastResultAt": _time(use.last_result_at),
    }


def _time(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339 writes it in UTC."""
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" if moment else None


def represent_decision(decision: Decision, catalog: Catalog) -> dict[str, Any]:
    """Return which entry a call would use, and what became of each."""
    prompt = catalog.system_prompt
    return {
        "chosen": decision.position,
        "keySource": decision.key_source,
        "baseUrl": decision.base_url,
        "systemPromptMode": prompt.mode if prompt else None,
        "entries": [
            {"pointer": f"/models/{position}", "outcome": outcome}
            for position, outcome in enumerate(decision.outcomes)
        ],
    }


def represent_catalog(policy: Policy) -> dict[str, Any]:
    """Return what the operator offers, and nothing of a shared key but when it is used."""
    catalog = policy.catalog
    prompt = catalog.system_prompt
    return {
        "providers": [_represent_provider(provider) for provider in catalog.providers.values()],
        "otherProviders": catalog.other_providers,
        "baseUrls": list(policy.base_urls),
        "systemPrompt": prompt
        and {"mode": prompt.mode, **({} if prompt.hidden else {"text": prompt.text})},
    }


def _represent_provider(provider: OfferedProvider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "api": provider.api,
        "models": [
            _given({"model": offered.model, "type": offered.type, "isPaid": offered.is_paid})
            for offered in provider.models
        ],
        "otherModels": provider.other_models,
        **_given({"isPaid": provider.is_paid}),
        "sharedKey": provider.shared_key,
    }


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

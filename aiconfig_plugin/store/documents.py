"""How a configuration looks in MongoDB: the document, its validator, and how one replaces another.

``{_id, issuer, subject, models: [{provider, type, model, isPaid, key?: {kid, jwe}}],
system_prompt, revision}``, one for each owner.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from aiconfig_plugin.domain import AIConfig, Identity, ModelEntry, Owner, StoredKey

Document: TypeAlias = dict[str, Any]

COLLECTION: Final = "ai_model_configs"


def _object(required: Mapping[str, Any], **optional: Any) -> Document:
    return {
        "bsonType": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def _string(low: int = 0, high: int | None = None, **more: str) -> Document:
    bounds = {"minLength": low} if high is None else {"minLength": low, "maxLength": high}
    return {"bsonType": "string", **bounds, **more}


# RFC 7516 section 7.1: five parts, so no API key in plain text fits. MongoDB takes PCRE, whose
# "$" would let a line feed follow.
_JWE: Final = r"^" + r"\.".join([r"[A-Za-z0-9_-]+"] * 5) + r"\z"
_ENTRY: Final = _object(
    {
        "provider": _string(1, 64),
        "type": _string(1, 32, pattern=r"^[a-z][a-z0-9_-]*\z"),
        "model": _string(1, 200),
        "isPaid": {"bsonType": "bool"},
    },
    key=_object({"kid": _string(1), "jwe": _string(pattern=_JWE)}),
)
VALIDATOR: Final[Document] = {
    "$jsonSchema": _object(
        {
            "_id": _string(43, 43),
            "issuer": _string(),
            "subject": _string(),
            "models": {"bsonType": "array", "maxItems": 100, "items": _ENTRY},
            "system_prompt": _string(0, 32_768),
            "revision": _string(1),
        }
    )
}
COLLECTION_OPTIONS: Final[Document] = {
    "validator": VALIDATOR,
    "validationLevel": "strict",
    "validationAction": "error",
}


def owner_id(owner: Owner) -> str:
    return owner.digest(ascii_only=False)


def to_document(owner: Owner, config: AIConfig) -> Document:
    return {
        "_id": owner_id(owner),
        "issuer": owner.issuer,
        "subject": owner.subject,
        "models": [
            {
                "provider": entry.provider,
                "type": entry.type,
                "model": entry.model,
                "isPaid": entry.is_paid,
                **({"key": {"kid": entry.key.kid, "jwe": entry.key.jwe}} if entry.key else {}),
            }
            for entry in config.models
        ],
        "system_prompt": config.system_prompt,
        "revision": config.revision,
    }


def to_owner(document: Document) -> Owner:
    return Owner(document["issuer"], document["subject"])


def to_config(document: Document) -> AIConfig:
    return AIConfig(
        models=tuple(
            ModelEntry(
                provider=entry["provider"],
                type=entry["type"],
                model=entry["model"],
                is_paid=entry["isPaid"],
                key=StoredKey(**entry["key"]) if "key" in entry else None,
            )
            for entry in document["models"]
        ),
        system_prompt=document["system_prompt"],
        revision=document["revision"],
    )


def to_keys(document: Document) -> dict[Identity, StoredKey]:
    """Return the stored keys alone, by what no two entries share."""
    return {
        (entry["provider"], entry["type"], entry["model"]): StoredKey(**entry["key"])
        for entry in document["models"]
        if "key" in entry
    }


def keeping_keys(document: Document, keep: Collection[int]) -> Document:
    """Return the expression that makes ``document``, with the kept keys out of the old one.

    All that a user wrote is inside ``$literal``; elsewhere "$models" would be read as a field.
    """
    keeping = frozenset(keep)
    entries = [
        {"entry": entry, "keeps": position in keeping, "at": position}
        for position, entry in enumerate(document["models"])
    ]
    identity = ["$$each.entry.provider", "$$each.entry.type", "$$each.entry.model"]
    # Where nothing is found the index is -1: the last element, which holds no key.
    search = {"$indexOfArray": ["$$identities", identity]}
    same = {"$eq": [{"$arrayElemAt": ["$$identities", "$$each.at"]}, identity]}
    kept = {"$arrayElemAt": ["$$keys", {"$cond": [same, "$$each.at", search]}]}
    merged = {"$mergeObjects": ["$$each.entry", {"$cond": ["$$each.keeps", kept, {}]}]}
    models = {"$map": {"input": {"$literal": entries}, "as": "each", "in": merged}}
    identities = _each_model(["$$this.provider", "$$this.type", "$$this.model"])
    keys = {"$concatArrays": [_each_model({"key": "$$this.key"}), [{}]]}
    let = {"$let": {"vars": {"identities": identities, "keys": keys}, "in": models}}
    return {"$mergeObjects": [{"$literal": {**document, "models": []}}, {"models": let}]}


def _each_model(expression: Any) -> Document:
    return {"$map": {"input": "$models", "in": expression}}

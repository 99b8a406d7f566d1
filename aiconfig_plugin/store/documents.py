"""How a configuration looks in MongoDB: the document, its validator, and how one replaces another.

``{_id, issuer, subject, models: [{provider, type, model, isPaid, label?, enabled?, baseUrl?,
origin?, options?, key?: {kid, jwe}}], system_prompt, revision}``, one for each owner. ``origin``
lets the database compare what ``baseUrl`` leads to; it is never read back.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from aiconfig_plugin.base_url import BaseURL
from aiconfig_plugin.domain import (
    AIConfig,
    Identity,
    KeyWithOrigin,
    ModelEntry,
    Owner,
    StoredKey,
)
from aiconfig_plugin.store.collections import CollectionSpec, Document, Index, object_of, string_of

COLLECTION: Final = "ai_model_configs"

_IDENTITY: Final = ("provider", "type", "model", "label")


# RFC 7516 section 7.1: five parts, so no API key in plain text fits. MongoDB takes PCRE, whose
# "$" would let a line feed follow.
_JWE: Final = r"^" + r"\.".join([r"[A-Za-z0-9_-]+"] * 5) + r"\z"
_ENTRY: Final = object_of(
    {
        "provider": string_of(1, 64),
        "type": string_of(1, 32, pattern=r"^[a-z][a-z0-9_-]*\z"),
        "model": string_of(1, 200),
        "isPaid": {"bsonType": "bool"},
    },
    key=object_of({"kid": string_of(1), "jwe": string_of(pattern=_JWE)}),
    label=string_of(1, 80),
    enabled={"bsonType": "bool"},
    baseUrl=string_of(1, 512),
    origin=string_of(1, 512),
    options={
        "bsonType": "object",
        "maxProperties": 32,
        "additionalProperties": {
            "bsonType": ["string", "int", "long", "double", "bool"],
            "maxLength": 1024,
        },
    },
)
VALIDATOR: Final[Document] = {
    "$jsonSchema": object_of(
        {
            "_id": string_of(43, 43),
            "issuer": string_of(),
            "subject": string_of(),
            "models": {"bsonType": "array", "maxItems": 100, "items": _ENTRY},
            "system_prompt": string_of(0, 32_768),
            "revision": string_of(1),
        }
    )
}
FENCE: Final = "models.key.kid"
"""The member of the validator that refuses retired keys, where there are any."""
CONFIGS: Final = CollectionSpec(
    COLLECTION,
    VALIDATOR,
    # Finds what a key still wraps, in the order in which a rotation goes through it.
    indexes=(Index({"models.key.kid": 1, "_id": 1}),),
)


def owner_id(owner: Owner) -> str:
    return owner.digest(ascii_only=False)


def to_document(owner: Owner, config: AIConfig) -> Document:
    return {
        "_id": owner_id(owner),
        "issuer": owner.issuer,
        "subject": owner.subject,
        "models": [
            {
                **entry.members,
                **({"origin": entry.origin} if entry.origin else {}),
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
            ModelEntry.of(
                entry,
                origin=_origin(entry["baseUrl"]) if "baseUrl" in entry else None,
                key=StoredKey(**entry["key"]) if "key" in entry else None,
            )
            for entry in document["models"]
        ),
        system_prompt=document["system_prompt"],
        revision=document["revision"],
    )


def _origin(base_url: str) -> str:
    """Derive the origin anew, or a hand in the database could send a key elsewhere."""
    try:
        return BaseURL.parse(base_url).origin
    except ValueError:
        return base_url  # It is no origin of any key, and no base URL that is allowed.


def to_keys(document: Document) -> dict[Identity, KeyWithOrigin]:
    """Return the stored keys alone, by what no two entries share."""
    return {
        (entry["provider"], entry["type"], entry["model"], entry.get("label")): (
            StoredKey(**entry["key"]),
            entry.get("origin"),
        )
        for entry in document["models"]
        if "key" in entry
    }


def keeping_keys(document: Document, keep: Collection[int]) -> Document:
    """Return the expression that makes ``document``, with the kept keys out of the old one.

    Where a key to keep was stored for another origin it makes the old document: nothing changes.
    All that a user wrote is inside ``$literal``; elsewhere "$models" would be read as a field.
    """
    keeping = frozenset(keep)
    entries = [
        {"entry": entry, "keeps": position in keeping, "at": position}
        for position, entry in enumerate(document["models"])
    ]
    identity = [f"$$each.entry.{member}" for member in _IDENTITY]
    # Where nothing is found the index is -1: the last element, which holds no key.
    search = {"$indexOfArray": ["$$identities", identity]}
    same = {"$eq": [{"$arrayElemAt": ["$$identities", "$$each.at"]}, identity]}
    kept = {"$arrayElemAt": ["$$keys", {"$cond": [same, "$$each.at", search]}]}
    moved = {"$ne": ["$$found.origin", "$$each.entry.origin"]}
    merged = {
        "entry": {"$mergeObjects": ["$$each.entry", {"key": "$$found.key"}]},
        "moved": {"$and": [{"$gt": ["$$found.key", None]}, moved]},
    }
    each = _let({"found": {"$cond": ["$$each.keeps", kept, {}]}}, merged)
    models = {"$map": {"input": {"$literal": entries}, "as": "each", "in": each}}
    identities = _each_model([f"$$this.{member}" for member in _IDENTITY])
    keys = _each_model({"key": "$$this.key", "origin": "$$this.origin"})
    whole = {"$mergeObjects": [{"$literal": {**document, "models": []}}, {"models": "$$new.entry"}]}
    return _let(
        {"identities": identities, "keys": {"$concatArrays": [keys, [{}]]}},
        _let({"new": models}, {"$cond": [{"$in": [True, "$$new.moved"]}, "$$ROOT", whole]}),
    )


def _let(variables: Document, expression: Any) -> Document:
    return {"$let": {"vars": variables, "in": expression}}


def _each_model(expression: Any) -> Document:
    return {"$map": {"input": "$models", "in": expression}}

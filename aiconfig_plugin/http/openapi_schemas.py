"""The components of the OpenAPI document: what bodies look like."""

from __future__ import annotations

from typing import Any, get_args

from aiconfig_plugin.domain import EntryOutcome, KeyResult, VerificationResult
from aiconfig_plugin.errors import MAX_VIOLATIONS
from aiconfig_plugin.http.problems import PROBLEMS
from aiconfig_plugin.http.schema_check import load_schema

Document = dict[str, Any]


def schemas() -> Document:
    """Return the schemas by name. Each ``title`` is given once: generators name classes by it."""
    return {
        "Config": _component("config"),
        "Entry": _component("entry"),
        "StoredConfig": _stored_config(),
        "StoredEntry": _stored_entry(),
        "Recipient": _recipient(),
        "Catalog": _catalog(),
        "Resolution": _resolution(),
        "Verification": _component("verification"),
        "VerificationResult": _verification_result(),
        "OpenAPI": {"type": "object", "required": ["openapi", "info", "paths"]},
        "Problem": _problem(),
    }


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _component(name: str) -> Document:
    """Return a schema file as a component: its references point into this document."""
    schema = load_schema(name)
    del schema["$schema"], schema["$id"]
    if name == "config":
        schema["properties"]["models"]["items"] = _reference("Entry")
    return schema


def _stored_config() -> Document:
    """Return the schema of what is answered."""
    schema = _component("config") | {"title": "Stored AI model configuration"}
    schema["description"] = "The configuration as it is stored."
    schema["properties"]["models"]["items"] = _reference("StoredEntry")
    return schema


def _stored_entry() -> Document:
    """Return the schema of an entry that is answered: the request's, with what include adds."""
    entry = _component("entry") | {"title": "Stored model entry"}
    entry["properties"]["apiKeyEncrypted"] = {
        "description": "The stored key (a compact JWE), or null.",
        "type": ["string", "null"],
    }
    entry["properties"]["keyState"] = {"enum": ["set", "unset", "unreadable"]}
    entry["properties"]["keyUse"] = _key_use()
    entry["properties"]["offered"] = {"type": "boolean"}
    return entry


def _recipient() -> Document:
    member = {"type": "string"}
    names = ("kty", "crv", "x", "y", "kid", "use", "alg")
    key = {"type": "object", "properties": dict.fromkeys(names, member), "required": list(names)}
    return {
        "description": "A JWK Set (RFC 7517) with the key to seal to, and the apv (RFC 7518 "
        "section 4.6.1.3) that binds what is sealed to the caller.",
        "type": "object",
        "properties": {
            "keys": {"type": "array", "minItems": 1, "items": key},
            "apv": {"type": "string"},
        },
        "required": ["keys", "apv"],
        "additionalProperties": False,
    }


def _catalog() -> Document:
    """Return the schema of what the operator offers: the operator's own, less what is not shown."""
    schema = load_schema("catalog")
    members = schema["properties"]
    provider = schema["$defs"]["provider"]["properties"]
    provider["models"] = {"type": "array", "items": schema["$defs"]["model"]}
    del provider["baseUrl"]
    provider["name"] = {"type": "string"}
    provider["api"] = {"enum": [*provider["api"]["enum"], None]}
    prompt = members["systemPrompt"]
    del prompt["properties"]["hidden"]
    prompt |= {"type": ["object", "null"], "required": ["mode"]}
    return _closed(
        "What may be configured. Everything where no provider is listed.",
        providers={
            "type": "array",
            "items": {
                **_closed("A provider that is offered.", **provider),
                "required": ["name", "api", "models", "otherModels", "sharedKey"],
            },
        },
        otherProviders={"type": "boolean"},
        baseUrls={
            "description": "What a baseUrl may be: exact origins, and public for any https one.",
            "type": "array",
            "items": {"type": "string"},
        },
        systemPrompt=prompt,
    )


def _resolution() -> Document:
    outcome = {"pointer": {"type": "string"}, "outcome": {"enum": list(get_args(EntryOutcome))}}
    return _closed(
        "Which entry a call would use, and what became of each.",
        chosen={"type": ["integer", "null"], "minimum": 0},
        keySource={"enum": ["user", "shared", None]},
        baseUrl={"type": ["string", "null"]},
        systemPromptMode={"enum": ["before", "default", "only", None]},
        entries={"type": "array", "items": _closed("One entry, in order.", **outcome)},
    )


def _verification_result() -> Document:
    return _closed(
        "What came of asking the provider.",
        result={"enum": list(get_args(VerificationResult))},
        detail={"description": "The same in words, for people.", "type": "string"},
    )


def _key_use() -> Document:
    """Return the schema of what is known of the key that is stored now."""
    time = {"type": ["string", "null"], "format": "date-time"}
    members = _closed(
        "When the key was last used, and what the provider last said of it.",
        lastUsedAt=time,
        lastResult={"enum": [*get_args(KeyResult), None]},
        lastResultAt=time,
    )
    return {**members, "type": ["object", "null"]}


def _closed(description: str, **members: Any) -> Document:
    return {
        "description": description,
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _problem() -> Document:
    codes = sorted(code for group in PROBLEMS.values() for code in group)
    violation = {
        "type": "object",
        "properties": {
            "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) into the body."},
            "code": {"type": "string"},
            "detail": {"type": "string"},
        },
        "required": ["pointer", "code", "detail"],
        "additionalProperties": False,
    }
    return {
        "description": "What is wrong (RFC 9457).",
        "type": "object",
        "properties": {
            "type": {"enum": [f"urn:aiconfig:problem:{code}" for code in codes]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "outcome": {
                "description": "With status 503 of a write: whether it may have happened.",
                "enum": ["unknown", "nothing-changed"],
            },
            "errors": {"type": "array", "maxItems": MAX_VIOLATIONS, "items": violation},
        },
        "required": ["type", "title", "status"],
        "additionalProperties": False,
    }

"""The OpenAPI 3.1 document, built from the schema files that validate requests."""

from __future__ import annotations

import copy
import json
from importlib import metadata
from typing import Any

from aiconfig_plugin.http.validation import MAX_VIOLATIONS, load_schema
from aiconfig_plugin.settings import Settings

Document = dict[str, Any]

# The problem codes of each status, in the order of the statuses.
PROBLEMS: dict[int, tuple[str, ...]] = {
    400: ("malformed-json", "invalid-parameter"),
    401: ("invalid-token", "missing-token"),
    403: ("insufficient-scope", "user-required"),
    404: ("config-not-found",),
    405: ("method-not-allowed",),
    409: ("config-exists",),
    412: ("revision-mismatch",),
    413: ("body-too-large",),
    415: ("unsupported-media-type",),
    422: ("schema-violation", "duplicate-model", "key-not-encrypted", "key-not-accepted"),
    500: ("internal-error",),
    503: ("authorization-server-unavailable", "storage-unavailable"),
}
_EVERYWHERE = (401, 403, 413, 500, 503)
_WITH_BODY = (400, 415, 422)
# What a client may do with the revision that it was told.
_LINKS = {
    "read": {
        "operationId": "getAIModelConfig",
        "parameters": {"header.If-None-Match": "$response.header.ETag"},
    },
    "update": {
        "operationId": "updateAIModelConfig",
        "parameters": {"header.If-Match": "$response.header.ETag"},
    },
    "delete": {
        "operationId": "deleteAIModelConfig",
        "parameters": {"header.If-Match": "$response.header.ETag"},
    },
}


def openapi_json(settings: Settings) -> bytes:
    """Return the document as the JSON that is served."""
    return json.dumps(build_openapi(settings), ensure_ascii=False, indent=1).encode()


def build_openapi(settings: Settings) -> Document:
    """Return the document for the routes under ``settings.prefix``."""
    path = settings.prefix + "/{}/ai-model-config"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI model configuration",
            "version": metadata.version("aiconfig-plugin"),
            "description": "Each user's own AI models, API keys and system prompt.",
        },
        "paths": {
            path.format("create"): {"post": _create(settings)},
            path.format("get"): {"get": _read(settings), "head": _read(settings, head=True)},
            path.format("update"): {"put": _update(settings)},
            path.format("delete"): {"delete": _delete(settings)},
            path.format("get") + "/encryption-key": {
                "get": _encryption_key(settings),
                "head": _encryption_key(settings, head=True),
            },
            path.format("get") + "/openapi.json": {"get": _openapi(), "head": _openapi(head=True)},
        },
        "components": {
            "schemas": {
                "Config": _component("config"),
                "Entry": _component("entry"),
                "StoredConfig": _stored_config(),
                "Recipient": _recipient(),
                "OpenAPI": {"type": "object", "required": ["openapi", "info", "paths"]},
                "Problem": _problem(),
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An OAuth 2.0 access token (RFC 6750).",
                }
            },
        },
    }


def _create(settings: Settings) -> Document:
    location = {"description": "Where to read it.", "schema": {"type": "string"}}
    return {
        "operationId": "createAIModelConfig",
        "summary": "Store the caller's first configuration",
        "security": _security(settings.write_scope),
        "requestBody": _request_body(),
        "responses": {
            "201": _stored("It is stored.", Location=location),
            **_problems(*_WITH_BODY, 409),
        },
    }


def _read(settings: Settings, *, head: bool = False) -> Document:
    found = _stored("The caller's configuration.", head=head)
    include = {
        "name": "include",
        "in": "query",
        "description": "What to add to every entry: the stored key or null, and whether it is set.",
        "style": "form",
        "explode": False,
        "schema": {
            "type": "array",
            "minItems": 1,
            "items": {"enum": ["apiKeyEncrypted", "keyState"]},
        },
    }
    return {
        "operationId": "headAIModelConfig" if head else "getAIModelConfig",
        "summary": "Read the caller's configuration",
        "security": _security(settings.read_scope),
        "parameters": [include, _header("If-None-Match", "The ETag that the caller has already.")],
        "responses": {
            "200": found,
            "304": {"description": "The caller has the current revision already."},
            **_problems(400, 404),
        },
    }


def _update(settings: Settings) -> Document:
    return {
        "operationId": "updateAIModelConfig",
        "summary": "Replace the caller's configuration",
        "description": "An entry without apiKeyEncrypted keeps the key that is stored for the same "
        "provider, type and model; null removes it.",
        "security": _security(settings.write_scope),
        "parameters": [_if_match()],
        "requestBody": _request_body(),
        "responses": {"200": _stored("It is replaced."), **_problems(*_WITH_BODY, 404, 412)},
    }


def _delete(settings: Settings) -> Document:
    return {
        "operationId": "deleteAIModelConfig",
        "summary": "Delete the caller's configuration",
        "security": _security(settings.write_scope),
        "parameters": [_if_match()],
        "responses": {"204": {"description": "It is gone."}, **_problems(404, 412)},
    }


def _encryption_key(settings: Settings, *, head: bool = False) -> Document:
    found = _answer("What seals an API key to this gateway for the caller.", "Recipient", head=head)
    return {
        "operationId": "headEncryptionKey" if head else "getEncryptionKey",
        "summary": "Read what a client needs to seal an API key",
        "security": _security(settings.read_scope),
        "responses": {"200": found, **_problems()},
    }


def _openapi(*, head: bool = False) -> Document:
    return {
        "operationId": "headOpenAPI" if head else "getOpenAPI",
        "summary": "Read this document",
        "security": [],
        "responses": {"200": _answer("This document.", "OpenAPI", head=head)},
    }


def _security(scope: str) -> list[Document]:
    return [{"bearer": [scope] if scope else []}]


def _header(name: str, description: str) -> Document:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _if_match() -> Document:
    return _header("If-Match", "Write only while one of these ETags is the current revision.")


def _request_body() -> Document:
    schema = {"$ref": "#/components/schemas/Config"}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _stored(description: str, *, head: bool = False, **headers: Document) -> Document:
    etag = {"description": "The revision.", "required": True, "schema": {"type": "string"}}
    answer = _answer(description, "StoredConfig", head=head)
    stored = {**answer, "headers": {"ETag": etag, **headers}}
    return stored if head else {**stored, "links": copy.deepcopy(_LINKS)}


def _answer(description: str, component: str, *, head: bool = False) -> Document:
    if head:
        return {"description": description}
    schema = {"$ref": f"#/components/schemas/{component}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problems(*statuses: int) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(status): {
            "description": " or ".join(PROBLEMS[status]),
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in sorted({*statuses, *_EVERYWHERE})
    }


def _component(name: str) -> Document:
    """Return a schema file as a component: its references point into this document."""
    schema = load_schema(name)
    del schema["$schema"], schema["$id"]
    if name == "config":
        schema["properties"]["models"]["items"] = {"$ref": "#/components/schemas/Entry"}
    return schema


def _stored_config() -> Document:
    """Return the schema of what is answered: the request's, with what ``include`` adds."""
    schema = _component("config")
    entry = copy.deepcopy(_component("entry"))
    entry["properties"]["apiKeyEncrypted"] = {
        "description": "The stored key (a compact JWE), or null.",
        "type": ["string", "null"],
    }
    entry["properties"]["keyState"] = {"enum": ["set", "unset", "unreadable"]}
    schema["description"] = "The configuration as it is stored."
    schema["properties"]["models"]["items"] = entry
    return schema


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
            "errors": {"type": "array", "maxItems": MAX_VIOLATIONS, "items": violation},
        },
        "required": ["type", "title", "status"],
        "additionalProperties": False,
    }

"""The OpenAPI 3.1 document, built from the schema files that validate requests."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any, get_args

from aiconfig_plugin.domain import EntryOutcome
from aiconfig_plugin.errors import MAX_VIOLATIONS
from aiconfig_plugin.http.operations import Access, Operation
from aiconfig_plugin.http.problems import PROBLEMS
from aiconfig_plugin.http.representation import INCLUDES
from aiconfig_plugin.http.routes import ROUTES
from aiconfig_plugin.http.validation import load_schema
from aiconfig_plugin.settings import Settings

Document = dict[str, Any]

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


_CONDITIONS = {
    "If-None-Match": "The ETag that the caller has already.",
    "If-Match": "Write only while one of these ETags is the current revision.",
}
_HEADERS: Document = {
    "ETag": {"description": "The revision.", "required": True, "schema": {"type": "string"}},
    "Location": {"description": "Where to read it.", "schema": {"type": "string"}},
}


def openapi_json(settings: Settings) -> bytes:
    """Return the document as the JSON that is served."""
    return json.dumps(build_openapi(settings), ensure_ascii=False, indent=1).encode()


def build_openapi(settings: Settings) -> Document:
    """Return the document for the routes under ``settings.prefix``."""
    scopes = {Access.READ: settings.read_scope, Access.WRITE: settings.write_scope}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI model configuration",
            "version": metadata.version("aiconfig-plugin"),
            "description": "Each user's own AI models, API keys and system prompt.",
        },
        "paths": {
            settings.prefix + route.path: {
                method.lower(): _operation(method, operation, scopes)
                for method, operation in route.methods.items()
            }
            for route in ROUTES
        },
        "components": {
            "schemas": {
                "Config": _component("config"),
                "Entry": _component("entry"),
                "StoredConfig": _stored_config(),
                "Recipient": _recipient(),
                "Catalog": _catalog(),
                "Resolution": _resolution(),
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


def _operation(method: str, operation: Operation, scopes: Mapping[Access, str]) -> Document:
    head = method == "HEAD"
    scope = scopes.get(operation.access)
    document: Document = {
        "operationId": operation.id.replace("get", "head", 1) if head else operation.id,
        "summary": operation.summary,
        "security": [] if scope is None else [{"bearer": [scope] if scope else []}],
        "responses": {
            **_successes(operation, head=head),
            **({} if scope is None else _problems(operation)),
        },
    }
    if operation.description:
        document["description"] = operation.description
    if operation.parameters:
        document["parameters"] = [_parameter(name) for name in operation.parameters]
    if operation.reads_body:
        document["requestBody"] = {"required": True, **_content("application/json", "Config")}
    return document


def _successes(operation: Operation, *, head: bool) -> Document:
    answer: Document = {"description": operation.answer}
    if operation.schema and not head:
        answer |= _content("application/json", operation.schema)
    if operation.headers:
        answer["headers"] = {name: copy.deepcopy(_HEADERS[name]) for name in operation.headers}
        if not head:
            answer["links"] = copy.deepcopy(_LINKS)
    answers = {str(operation.status): answer}
    if "If-None-Match" in operation.parameters:
        answers["304"] = {"description": "The caller has the current revision already."}
    return answers


def _problems(operation: Operation) -> Document:
    with_body = _WITH_BODY if operation.reads_body else ()
    return {
        str(status): {
            "description": " or ".join(PROBLEMS[status]),
            **_content("application/problem+json", "Problem"),
        }
        for status in sorted({*operation.problems, *_EVERYWHERE, *with_body})
    }


def _content(media_type: str, component: str) -> Document:
    schema = {"$ref": f"#/components/schemas/{component}"}
    return {"content": {media_type: {"schema": schema}}}


def _parameter(name: str) -> Document:
    if name == "include":
        return {
            "name": name,
            "in": "query",
            "description": "What to add to every entry: the stored key or null, its state, and "
            "whether the operator offers the model.",
            "style": "form",
            "explode": False,
            "schema": {"type": "array", "minItems": 1, "items": {"enum": list(INCLUDES)}},
        }
    if name not in _CONDITIONS:
        return {
            "name": name,
            "in": "query",
            "description": f"What the {name} of an entry must be.",
            "schema": {"type": "string"},
        }
    return {
        "name": name,
        "in": "header",
        "description": _CONDITIONS[name],
        "schema": {"type": "string"},
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
    entry["properties"]["offered"] = {"type": "boolean"}
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

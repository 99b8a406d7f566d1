"""The OpenAPI 3.1 document, built from the schema files that validate requests."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from importlib import metadata

from aiconfig_plugin.http.openapi_schemas import Document, schemas
from aiconfig_plugin.http.operations import Access, Operation
from aiconfig_plugin.http.problems import PROBLEMS
from aiconfig_plugin.http.representation import INCLUDES
from aiconfig_plugin.http.routes import OPENAPI_PATH, ROUTES
from aiconfig_plugin.settings import Settings

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
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {"url": _root_from(settings.prefix), "description": "Where this document is served."}
        ],
        "paths": {
            settings.prefix + route.path: {
                method.lower(): _operation(method, operation, scopes)
                for method, operation in route.methods.items()
            }
            for route in ROUTES
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An OAuth 2.0 access token (RFC 6750).",
                }
            },
        },
    }


def _root_from(prefix: str) -> str:
    """Return the reference from this document to where the paths begin.

    Relative, so that it holds behind a host or a proxy that adds a path in front or strips one.
    """
    folders = (prefix + OPENAPI_PATH).count("/") - 1
    return "/".join([".."] * folders)


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
        document["requestBody"] = {"required": True, **_content("application/json", operation.body)}
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
            "description": "What to add to every entry: the stored key or null, its state, what "
            "is known of its use, and whether the operator offers the model.",
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

"""The OpenAPI document: well formed, about the routes that there are, and true of the bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from aiconfig_plugin.http import PROBLEMS, ROUTES, Access
from aiconfig_plugin.http.openapi import build_openapi, openapi_json
from aiconfig_plugin.settings import Settings

SETTINGS = Settings(prefix="/x/v2", read_scope="see", write_scope="do")
DOCUMENT = build_openapi(SETTINGS)

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
OPERATIONS: dict[tuple[str, str], dict[str, Any]] = {
    (path, method): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
SERVED = {
    (SETTINGS.prefix + route.path, method.lower()): operation.access
    for route in ROUTES
    for method, operation in route.methods.items()
}


def nodes(node: Any, pointer: str = "#") -> Iterator[tuple[str, Any]]:
    """Every object of the document with its place."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    if isinstance(node, dict):
        yield pointer, node
    for name, child in children:
        if isinstance(child, (dict, list)):
            step = str(name).replace("~", "~0").replace("/", "~1")
            yield from nodes(child, f"{pointer}/{step}")


def validator(component: str) -> Draft202012Validator:
    """A validator for one component, with the references of the document."""
    resource = DRAFT202012.create_resource(DOCUMENT)
    registry: Registry[Any] = Registry().with_resource("urn:document", resource)
    schema = {"$ref": f"urn:document#/components/schemas/{component}"}
    return Draft202012Validator(schema, registry=registry)


# The shape (OpenAPI 3.1.0 section 4.8)


def test_it_is_what_is_served_as_json() -> None:
    assert json.loads(openapi_json(SETTINGS)) == DOCUMENT


def test_it_says_what_it_is() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["title"] and DOCUMENT["info"]["version"]
    assert set(DOCUMENT) == {"openapi", "info", "servers", "paths", "components"}


def test_it_names_its_licence() -> None:
    assert DOCUMENT["info"]["license"] == {"name": "MIT", "identifier": "MIT"}


@pytest.mark.parametrize("prefix", ["", "/api/v1", "/a/b/c"])
@pytest.mark.parametrize("before", ["", "/user/alice"])
def test_the_server_is_found_from_where_the_document_is(before: str, prefix: str) -> None:
    document = build_openapi(Settings(prefix=prefix))
    [server] = document["servers"]
    place = f"https://gateway.example{before}{prefix}/get/ai-model-config/openapi.json"
    root = urljoin(place, server["url"]).rstrip("/")
    assert root == f"https://gateway.example{before}"
    assert place.removeprefix(root) in document["paths"]


def test_no_two_schemas_share_a_title() -> None:
    titles = [node["title"] for _, node in nodes(DOCUMENT["components"]) if "title" in node]
    titles = [title for title in titles if isinstance(title, str)]
    assert titles and len(set(titles)) == len(titles)


def test_paths_begin_with_the_prefix_and_hold_methods() -> None:
    for path, item in DOCUMENT["paths"].items():
        assert path.startswith("/x/v2/")
        assert set(item) <= METHODS
    at_the_root = build_openapi(Settings(prefix=""))["paths"]
    assert {SETTINGS.prefix + path for path in at_the_root} == set(DOCUMENT["paths"])


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for _, node in nodes(DOCUMENT) if "$ref" in node]
    assert references
    places = {pointer for pointer, _ in nodes(DOCUMENT)}
    assert set(references) <= places


def test_every_component_is_used() -> None:
    references = {node["$ref"] for _, node in nodes(DOCUMENT) if "$ref" in node}
    schemes = {name for o in OPERATIONS.values() for entry in o["security"] for name in entry}
    components = DOCUMENT["components"]
    assert references == {f"#/components/schemas/{name}" for name in components["schemas"]}
    assert schemes == set(components["securitySchemes"])


def test_every_schema_is_one() -> None:
    schemas = list(DOCUMENT["components"]["schemas"].values())
    schemas += [node["schema"] for _, node in nodes(DOCUMENT["paths"]) if "schema" in node]
    assert len(schemas) > 10
    for schema in schemas:
        Draft202012Validator.check_schema(schema)


def test_operation_ids_are_given_once() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)


def test_an_operation_has_what_an_operation_has() -> None:
    known = {"operationId", "summary", "description", "security", "parameters", "requestBody"}
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert set(operation) <= known | {"responses"}
        parameters = operation.get("parameters", [])
        assert len({(p["name"], p["in"]) for p in parameters}) == len(parameters)
        for parameter in parameters:
            assert parameter["in"] in ("query", "header")
            assert parameter["name"].lower() not in ("accept", "content-type", "authorization")
            assert parameter["description"] and "schema" in parameter
        for status, response in operation["responses"].items():
            assert status.isdecimal() and len(status) == 3
            assert response["description"]
            assert set(response) <= {"description", "headers", "content", "links"}


# The routes


def test_exactly_what_is_served_is_documented_with_its_scope() -> None:
    asked = {
        Access.PUBLIC: [],
        Access.READ: [{"bearer": ["see"]}],
        Access.WRITE: [{"bearer": ["do"]}],
    }
    documented = {key: operation["security"] for key, operation in OPERATIONS.items()}
    assert documented == {key: asked[access] for key, access in SERVED.items()}


def test_an_empty_scope_still_asks_for_a_token() -> None:
    paths = build_openapi(Settings(read_scope="", write_scope=""))["paths"]
    assert paths["/api/v1/get/ai-model-config"]["get"]["security"] == [{"bearer": []}]
    assert paths["/api/v1/create/ai-model-config"]["post"]["security"] == [{"bearer": []}]


def test_the_scheme_is_a_bearer_token() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


SUCCESSES = {"post": {"201"}, "get": {"200", "304"}, "put": {"200"}, "delete": {"204"}}
SUCCESSES["head"] = SUCCESSES["get"]


@pytest.mark.parametrize("method", SUCCESSES)
def test_each_way_of_success_is_documented(method: str) -> None:
    [operation] = [
        operation
        for (path, name), operation in OPERATIONS.items()
        if name == method and path.endswith("/ai-model-config") and "/verify/" not in path
    ]
    successes = {status for status in operation["responses"] if status < "400"}
    assert successes == SUCCESSES[method]
    for status in successes & {"200", "201"}:
        response = operation["responses"][status]
        assert "ETag" in response["headers"]
        assert ("Location" in response["headers"]) == (method == "post")
        assert ("content" in response) == (method != "head")


def test_a_body_and_its_problems_go_with_the_methods_that_have_one() -> None:
    for (_, method), operation in OPERATIONS.items():
        has_body = method in ("post", "put")
        assert ("requestBody" in operation) == has_body
        assert ({"415", "422"} <= set(operation["responses"])) == has_body
        if has_body:
            assert operation["requestBody"]["required"] is True
            assert list(operation["requestBody"]["content"]) == ["application/json"]


# The problems


def told() -> dict[str, set[int]]:
    """The codes that the responses describe, with their statuses."""
    codes: dict[str, set[int]] = {}
    for operation in OPERATIONS.values():
        for status, response in operation["responses"].items():
            if "application/problem+json" in response.get("content", {}):
                for code in response["description"].split(" or "):
                    codes.setdefault(code, set()).add(int(status))
    return codes


def typed() -> set[str]:
    """The codes that the schema of a problem admits."""
    types = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert len(set(types)) == len(types)
    return {name.removeprefix("urn:aiconfig:problem:") for name in types}


def test_the_schema_has_the_problems_that_a_client_may_get() -> None:
    assert typed() == {code for codes in PROBLEMS.values() for code in codes}


def test_every_problem_is_described_with_its_own_status() -> None:
    # 405 is about no operation: the methods that would answer it are not in the document.
    expected = {code: {status} for status in PROBLEMS for code in PROBLEMS[status] if status != 405}
    assert told() == expected


def test_every_failure_is_a_problem_and_a_token_may_be_refused_where_it_is_needed() -> None:
    for key, operation in OPERATIONS.items():
        failures = {status for status in operation["responses"] if status >= "400"}
        for status in failures:
            content = operation["responses"][status]["content"]
            assert list(content) == ["application/problem+json"]
        assert ({"401", "403", "500", "503"} <= failures) == (SERVED[key] is not Access.PUBLIC)


def test_the_schema_of_a_problem_fits_problems() -> None:
    problem: dict[str, Any] = {
        "type": "urn:aiconfig:problem:schema-violation",
        "title": "Schema violation",
        "status": 422,
        "detail": "The body violates its schema; see errors.",
        "errors": [{"pointer": "/models/0/isPaid", "code": "type", "detail": "Must be boolean."}],
    }
    fits = validator("Problem").is_valid
    assert fits(problem)
    assert fits({name: problem[name] for name in ("type", "title", "status")})
    assert not fits(problem | {"type": "urn:aiconfig:problem:other"})
    assert not fits(problem | {"errors": problem["errors"] * 51})
    assert not fits(problem | {"errors": [{"pointer": ""}]})
    assert not fits(problem | {"traceback": "…"})


# The bodies


VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bodies.json").read_text("utf-8"))
GOOD: Mapping[str, Any] = VECTORS["good"]


def small(vector: Mapping[str, Any]) -> Any:
    """The body of a vector, or None for one that is made of repetitions or is no JSON."""
    if vector.get("problem") == "malformed-json" or "$repeat" in json.dumps(vector):
        return None
    if "text" in vector:
        return json.loads(vector["text"])
    if "body" in vector:
        return vector["body"]
    entry = {**GOOD, **vector.get("entry", {})}
    left = {name: value for name, value in entry.items() if name not in vector.get("without", [])}
    return {"models": [left], "system_prompt": ""}


def test_the_schema_of_a_request_says_what_the_server_does() -> None:
    config = validator("Config")
    seen = {True: 0, False: 0}
    for vector in VECTORS["vectors"]:
        body = small(vector)
        if body is None or '\\n"' in json.dumps(body):  # Python's "$" may precede a line feed.
            continue
        fits = "problem" not in vector
        assert config.is_valid(body) == fits, vector["name"]
        seen[fits] += 1
    assert seen[True] > 10 and seen[False] > 100


def test_the_schema_of_an_answer_fits_every_representation() -> None:
    entry = {name: GOOD[name] for name in ("provider", "type", "model", "isPaid")}
    stored = validator("StoredConfig")
    for extra in (
        {},
        {"apiKeyEncrypted": None},
        {"apiKeyEncrypted": "e" * 44_000},  # A stored key may be longer than what was submitted.
        {"keyState": "set"},
        {"apiKeyEncrypted": "eyJ", "keyState": "unreadable"},
        {"keyUse": None},
        {"keyUse": dict.fromkeys(("lastUsedAt", "lastResult", "lastResultAt"))},
    ):
        assert stored.is_valid({"models": [entry | extra], "system_prompt": ""})
    assert not stored.is_valid({"models": [entry | {"keyState": "SET"}], "system_prompt": ""})
    assert not stored.is_valid({"models": [entry | {"apiKey": "x"}], "system_prompt": ""})


def test_making_it_changes_nothing_for_the_next() -> None:
    before = json.dumps(build_openapi(SETTINGS))
    build_openapi(SETTINGS)["components"]["schemas"]["Config"]["properties"].clear()
    assert json.dumps(build_openapi(SETTINGS)) == before

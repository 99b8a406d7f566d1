"""Without a token nothing opens, whatever routes there will ever be."""

from __future__ import annotations

from tornado.web import RequestHandler

from aiconfig_plugin.http.base import BaseHandler
from aiconfig_plugin.http.operations import Access, Operation, Route
from tests.support.gateway import OPENAPI_PATH, Gateway, body, problem

METHODS = (*RequestHandler.SUPPORTED_METHODS, "TRACE", "BREW")


async def test_without_a_token_only_the_openapi_document_and_the_browsers_files_answer(
    gateway: Gateway,
) -> None:
    open_to_all = set()
    for path in gateway.routes():
        for method in METHODS:
            for query in ("", "?include=apiKeyEncrypted", "?access_token=x"):
                sent = body() if method in ("POST", "PUT", "PATCH") else None
                answer = await gateway.call(method, path + query, sent)
                if answer.code not in (401, 405):
                    assert answer.code in (200, 307)  # A stylesheet leads to its present path.
                    open_to_all.add((method, path))
    files = [path for path in gateway.routes() if "/web/" in path]
    assert open_to_all == {(m, path) for m in ("GET", "HEAD") for path in (OPENAPI_PATH, *files)}


async def test_every_method_that_is_written_is_declared_and_every_declared_one_written(
    gateway: Gateway,
) -> None:
    for spec in gateway.plugin.handlers():
        written = {
            method
            for method in RequestHandler.SUPPORTED_METHODS
            if getattr(spec.handler_class, method.lower()) is not RequestHandler.patch
        }
        assert written == set(spec.kwargs["route"].methods), spec


async def test_a_method_whose_access_is_not_declared_is_refused(gateway: Gateway) -> None:
    reached = []

    class Forgotten(BaseHandler):
        def get(self) -> None:
            reached.append("get")

        put = post = get

    config = gateway.plugin.handlers()[0].kwargs["config"]
    none = Route("/forgotten", Forgotten, {}, label="/web")
    half = Route("/half", Forgotten, {"GET": Operation(Access.READ)}, label="/web")
    gateway.app.add_handlers(
        ".*", [(r.path, r.handler, {"config": config, "route": r}) for r in (none, half)]
    )
    for headers in ({}, gateway.auth()):
        for method in METHODS:
            answer = await gateway.call(method, "/forgotten", None, headers)
            assert answer.code == 405, method
        for method in ("PUT", "POST"):
            answer = await gateway.call(method, "/half", body(), headers)
            problem(answer, 405, "method-not-allowed")
            assert answer.headers["Allow"] == "GET, HEAD"
    problem(await gateway.call("GET", "/half"), 401, "missing-token")
    assert not reached
    assert (await gateway.call("GET", "/half", None, gateway.auth())).code == 200
    assert reached == ["get"]


async def test_a_path_that_is_only_like_a_route_is_not_one(gateway: Gateway) -> None:
    auth = gateway.auth()
    for path in gateway.routes():
        for other in (path + "/", path.upper(), path[len("/api/v1") :], "/x" + path, path + "x"):
            answer = await gateway.call("GET", other, None, auth)
            assert answer.code == 404, other
            assert "urn:aiconfig" not in answer.body.decode()

"""Tornado with as little as can be: the two limits, and the introspection endpoint of the others.

"bare" is the same routes with Motor and JSON alone: no authentication (the token's tail is taken
for the owner's name), no validation, no encryption, no revision.
"""

import asyncio
import json
from typing import Any

from pymongo import ReturnDocument
from tornado.web import Application, RequestHandler

from benchmarks.contenders.serving import open_database, options, serve
from benchmarks.dataset import READ, SMALL, UPDATE, to_json

MEMBERS = ("provider", "type", "model", "isPaid")
FIXED_BYTES = to_json(SMALL).encode()
EXPIRY = 4_000_000_000  # later than any run


class BareHandler(RequestHandler):
    def initialize(self, collection: Any) -> None:
        self.collection = collection
        self.query = {"_id": self.request.headers["Authorization"].partition(".")[2]}

    async def get(self) -> None:
        self.answer(await self.collection.find_one(self.query))

    async def put(self) -> None:
        write = self.collection.find_one_and_update
        change = {"$set": json.loads(self.request.body)}
        self.answer(await write(self.query, change, return_document=ReturnDocument.AFTER))

    def answer(self, found: dict[str, Any]) -> None:
        models = [{name: entry[name] for name in MEMBERS} for entry in found["models"]]
        self.write({"models": models, "system_prompt": found["system_prompt"]})


class FixedHandler(RequestHandler):
    """Answers with the same bytes every time, and looks at nothing."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(FIXED_BYTES)


class IntrospectionHandler(RequestHandler):
    """Says (RFC 7662) that every token ``anything.subject`` is active, for that subject."""

    def post(self) -> None:
        scope, subject = "ai-config:read ai-config:write", self.get_body_argument("token")
        reply = {"active": True, "scope": scope, "client_id": "browser", "exp": EXPIRY}
        self.write({**reply, "sub": subject.partition(".")[2]})


async def main() -> None:
    given = options()
    bare = {"collection": open_database(given)["bare"]}
    routes: dict[str, list[Any]] = {
        "bare": [(READ, BareHandler, bare), (UPDATE, BareHandler, bare)],
        "fixed bytes": [(READ, FixedHandler)],
        "introspection": [("/introspect", IntrospectionHandler)],
    }
    await serve(Application(routes[given["kind"]]))


if __name__ == "__main__":
    asyncio.run(main())

"""The limits: the same routes with nothing but Tornado, Motor and JSON; and without Motor and JSON.

No authentication (the token's tail is taken for the owner's name), no validation, no encryption,
no revision. A 304 is Tornado's own: it makes the whole answer and hashes it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pymongo import ReturnDocument
from tornado.web import Application, RequestHandler

from benchmarks.contenders.serving import mongo_client, options, serve
from benchmarks.dataset import SMALL, to_json

MEMBERS = ("provider", "type", "model", "isPaid")
FIXED = to_json(SMALL).encode()


class ConfigHandler(RequestHandler):
    def initialize(self, collection: Any) -> None:
        self.collection = collection

    @property
    def by_owner(self) -> dict[str, str]:
        return {"_id": self.request.headers["Authorization"].partition(".")[2]}

    def answer(self, found: dict[str, Any]) -> None:
        models = [{name: entry[name] for name in MEMBERS} for entry in found["models"]]
        self.write({"models": models, "system_prompt": found["system_prompt"]})


class ReadHandler(ConfigHandler):
    async def get(self) -> None:
        self.answer(await self.collection.find_one(self.by_owner))


class UpdateHandler(ConfigHandler):
    async def put(self) -> None:
        found = await self.collection.find_one_and_update(
            self.by_owner,
            {"$set": json.loads(self.request.body)},
            return_document=ReturnDocument.AFTER,
        )
        self.answer(found)


class FixedHandler(RequestHandler):
    """Answers every owner with the same bytes, and looks at nothing."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(FIXED)


async def main() -> None:
    given = options()
    database = mongo_client(given["mongodb_uri"], given["driver"])[given["database"]]
    shared = {"collection": database["configs"]}
    read = (FixedHandler, {}) if given["fixed"] else (ReadHandler, shared)
    routes: list[Any] = [
        ("/api/v1/get/ai-model-config", *read),
        ("/api/v1/update/ai-model-config", UpdateHandler, shared),
    ]
    await serve(Application(routes))


if __name__ == "__main__":
    asyncio.run(main())

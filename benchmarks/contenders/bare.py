"""The limit: the same routes with nothing but Tornado, Motor and JSON.

No authentication (the token's tail is taken for the owner's name), no validation, no encryption,
no revision. A 304 is Tornado's own: it makes the whole answer and hashes it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ReturnDocument
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from benchmarks.contenders.serving import listen, options, ready


class ConfigHandler(RequestHandler):
    def initialize(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self.collection = collection

    @property
    def by_owner(self) -> dict[str, str]:
        return {"_id": self.request.headers["Authorization"].partition(".")[2]}

    def answer(self, found: dict[str, Any], *, keys: bool = False) -> None:
        models = [
            {name: entry[name] for name in ("provider", "type", "model", "isPaid")}
            for entry in found["models"]
        ]
        if keys:
            for model, entry in zip(models, found["models"], strict=True):
                model["apiKeyEncrypted"] = entry.get("apiKeyEncrypted")
                model["keyState"] = "set" if entry.get("apiKeyEncrypted") else "unset"
        self.write({"models": models, "system_prompt": found["system_prompt"]})


class ReadHandler(ConfigHandler):
    async def get(self) -> None:
        found = await self.collection.find_one(self.by_owner)
        assert found is not None
        self.answer(found, keys=bool(self.get_query_argument("include", "")))


class UpdateHandler(ConfigHandler):
    async def put(self) -> None:
        found = await self.collection.find_one_and_update(
            self.by_owner,
            {"$set": json.loads(self.request.body)},
            return_document=ReturnDocument.AFTER,
        )
        self.answer(found)


async def main() -> None:
    given = options()
    database = AsyncIOMotorClient(given["mongodb_uri"])[given["mongodb_database"]]
    shared = {"collection": database[given["collection"]]}
    app = Application(
        [
            ("/api/v1/get/ai-model-config", ReadHandler, shared),
            ("/api/v1/update/ai-model-config", UpdateHandler, shared),
        ]
    )
    listener = listen()
    HTTPServer(app).add_sockets([listener])
    ready(listener)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

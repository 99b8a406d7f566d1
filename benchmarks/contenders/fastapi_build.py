"""What one would write instead: FastAPI, Motor, Pydantic, Authlib's introspection and Fernet.

The same routes and answers, as good as a careful afternoon makes them. A sealed key is opaque
here: it is encrypted as it comes, where the plugin opens and verifies it first.
"""

# Annotations stay objects: FastAPI reads them, and one of them is a local name.
import secrets
from typing import Annotated, Any

import uvicorn
from authlib.integrations.httpx_client import AsyncOAuth2Client
from cachetools import TTLCache
from cryptography.fernet import Fernet
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from benchmarks.contenders.serving import BACKLOG, listen, options


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    provider: Annotated[str, Field(min_length=1, max_length=64)]
    type: Annotated[str, Field(max_length=32, pattern="^[a-z][a-z0-9_-]*$")]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    isPaid: StrictBool


class SubmittedEntry(Entry):
    apiKeyEncrypted: Annotated[str, Field(min_length=1, max_length=8192)] | None = None


class Submission(BaseModel):
    model_config = ConfigDict(extra="forbid")

    models: Annotated[list[SubmittedEntry], Field(min_length=1, max_length=100)]
    system_prompt: Annotated[str, Field(max_length=32_768)]


def identity(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["provider"], entry["type"], entry["model"]


def answer(response: Response, found: dict[str, Any]) -> dict[str, Any]:
    response.headers["ETag"] = f'"{found["revision"]}"'
    response.headers["Cache-Control"] = "private, no-cache"
    models = [{name: entry[name] for name in Entry.model_fields} for entry in found["models"]]
    return {"models": models, "system_prompt": found["system_prompt"]}


class Introspection:
    """Who a token stands for, remembered for an hour."""

    def __init__(self, endpoint: str, client_id: str, client_secret: str) -> None:
        self._endpoint = endpoint
        self._client = AsyncOAuth2Client(client_id=client_id, client_secret=client_secret)
        self._remembered: TTLCache[str, dict[str, Any]] = TTLCache(10_000, 3600)

    async def __call__(
        self, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
    ) -> str:
        token = credentials.credentials
        reply = self._remembered.get(token)
        if reply is None:
            response = await self._client.introspect_token(self._endpoint, token=token)
            reply = self._remembered[token] = response.json()
        if reply.get("active") is not True:
            raise HTTPException(401)
        return str(reply["sub"])


def make_app(given: dict[str, Any]) -> FastAPI:
    app = FastAPI()
    authenticate = Introspection(given["endpoint"], given["client_id"], given["client_secret"])
    fernet = Fernet(given["fernet_key"])
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(given["mongodb_uri"])
    collection = client[given["database"]]["configs"]

    @app.get("/api/v1/get/ai-model-config")
    async def read(
        request: Request, response: Response, subject: Annotated[str, Depends(authenticate)]
    ) -> Any:
        found = await collection.find_one({"_id": subject})
        if found is None:
            raise HTTPException(404)
        if request.headers.get("If-None-Match") == f'"{found["revision"]}"':
            return Response(status_code=304, headers={"ETag": f'"{found["revision"]}"'})
        return answer(response, found)

    @app.put("/api/v1/update/ai-model-config")
    async def update(
        submission: Submission, response: Response, subject: Annotated[str, Depends(authenticate)]
    ) -> Any:
        models = submission.model_dump(exclude_unset=True)["models"]
        if any("apiKeyEncrypted" not in entry for entry in models):
            before = await collection.find_one({"_id": subject})
            if before is None:
                raise HTTPException(404)
            kept = {identity(entry): entry.get("apiKeyEncrypted") for entry in before["models"]}
        for entry in models:
            if entry.get("apiKeyEncrypted"):
                sealed = entry["apiKeyEncrypted"].encode()
                entry["apiKeyEncrypted"] = fernet.encrypt(sealed).decode()
            elif "apiKeyEncrypted" not in entry:
                entry["apiKeyEncrypted"] = kept.get(identity(entry))
        after = {
            "models": models,
            "system_prompt": submission.system_prompt,
            "revision": secrets.token_urlsafe(16),
        }
        result = await collection.replace_one({"_id": subject}, after)
        if not result.matched_count:
            raise HTTPException(404)
        return answer(response, after)

    return app


def main() -> None:
    given = options()
    config = uvicorn.Config(
        make_app(given), access_log=False, log_level="warning", backlog=BACKLOG, lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listen()])


if __name__ == "__main__":
    main()

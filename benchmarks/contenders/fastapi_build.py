"""What one would write instead: FastAPI, Motor, Pydantic, Authlib's introspection and Fernet.

The same routes and answers, as good as a careful afternoon makes them. A sealed key is opaque
here: it is encrypted as it comes, where the plugin opens and verifies it first.
"""

import secrets
from operator import itemgetter
from typing import Annotated, Any

import uvicorn
from authlib.integrations.httpx_client import AsyncOAuth2Client
from cachetools import TTLCache
from cryptography.fernet import Fernet
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field, StrictBool

from benchmarks.contenders.serving import BACKLOG, listen, open_database, options
from benchmarks.dataset import READ, UPDATE

MEMBERS = ("provider", "type", "model", "isPaid")
identity = itemgetter("provider", "type", "model")


class Entry(BaseModel, extra="forbid"):
    provider: Annotated[str, Field(min_length=1, max_length=64)]
    type: Annotated[str, Field(max_length=32, pattern="^[a-z][a-z0-9_-]*$")]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    isPaid: StrictBool
    apiKeyEncrypted: Annotated[str, Field(min_length=1, max_length=8192)] | None = None


class Submission(BaseModel, extra="forbid"):
    models: Annotated[list[Entry], Field(max_length=100)]
    system_prompt: Annotated[str, Field(max_length=32_768)]


given = options()
app = FastAPI()
fernet = Fernet(Fernet.generate_key())
collection = open_database(given)["FastAPI"]
client = AsyncOAuth2Client(given["client_id"], given["client_secret"])
remembered: TTLCache[str, dict[str, Any]] = TTLCache(10_000, 3600)


async def subject(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    token = bearer.credentials
    reply = remembered.get(token)
    if reply is None:
        response = await client.introspect_token(given["introspection_endpoint"], token=token)
        reply = remembered[token] = response.json()
    if reply.get("active") is not True:
        raise HTTPException(401)
    return str(reply["sub"])


Owner = Annotated[str, Depends(subject)]


def answer(response: Response, found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{found["revision"]}"'
    response.headers["Cache-Control"] = "private, no-cache"
    models = [{name: entry[name] for name in MEMBERS} for entry in found["models"]]
    return {"models": models, "system_prompt": found["system_prompt"]}


@app.get(READ)
async def read(response: Response, owner: Owner) -> Any:
    return answer(response, await collection.find_one({"_id": owner}))


@app.put(UPDATE)
async def update(submission: Submission, response: Response, owner: Owner) -> Any:
    after = submission.model_dump(exclude_unset=True)
    after["revision"] = secrets.token_urlsafe(16)
    kept: dict[tuple[str, ...], str | None] = {}
    if any("apiKeyEncrypted" not in entry for entry in after["models"]):
        before = await collection.find_one({"_id": owner}) or {"models": ()}
        kept = {identity(entry): entry.get("apiKeyEncrypted") for entry in before["models"]}
    for entry in after["models"]:
        if "apiKeyEncrypted" not in entry:
            entry["apiKeyEncrypted"] = kept.get(identity(entry))
        elif entry["apiKeyEncrypted"]:
            encrypted = fernet.encrypt(entry["apiKeyEncrypted"].encode())
            entry["apiKeyEncrypted"] = encrypted.decode()
    result = await collection.replace_one({"_id": owner}, after)
    return answer(response, after if result.matched_count else None)


config = uvicorn.Config(app, access_log=False, log_level="warning", backlog=BACKLOG)
uvicorn.Server(config).run(sockets=[listen()])

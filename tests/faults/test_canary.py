"""One marked API key goes in. Afterwards it is looked for wherever it must not be."""

from __future__ import annotations

import asyncio
import base64
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from pymongo import MongoClient

from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.mongod import Mongod
from tests.support.issuer import Issuer
from tests.support.served import Served

CANARY = "canary-Zq7vRb2tXw9kLm4pYd6hNc8g"
OPAQUE = "opaque-Hj3sVf5uTe1oQa0iKr7zWx2b"
MARK = "prompt-Bn6mGd4yUc8lPe1xJt9fSw3a"
"""In the prompt, which is kept as it is: to find it proves that the search finds anything."""

# A host that runs in debug mode and logs all that any library has to say.
HOST = """
import asyncio, logging, signal, sys
logging.basicConfig(level=logging.DEBUG)
from tornado.web import Application
from aiconfig_plugin import AIConfigPlugin, Settings

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = Application(debug=True, serve_traceback=True, autoreload=True)
    plugin = AIConfigPlugin(Settings.from_env())
    plugin.mount(app)
    await plugin.start()
    server = app.listen(int(sys.argv[1]), "127.0.0.1")
    print("aiconfig listens", flush=True)
    await stop.wait()
    server.stop()
    await plugin.close()

asyncio.run(main())
"""


def forms(secret: str) -> list[bytes]:
    """The secret, also as it would stand within Base64, whatever comes before it."""
    found = [secret.encode(), secret.encode("utf-16-le")]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode())
        inner = encoded[-(-before * 8 // 6) + 1 : -4]
        found += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return found


def holds(content: bytes, *secrets: str) -> bool:
    return any(form in content for secret in secrets for form in forms(secret))


@asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[tuple[Mongod, Served, httpx2.AsyncClient]]:
    """A store of its own that compresses nothing, so that what is in its files can be found."""
    plain = ["--wiredTigerCollectionBlockCompressor", "none", "--wiredTigerJournalCompressor",
             "none", "--setParameter", "enableTestCommands=1"]  # fmt: skip
    issuer = Issuer(["alice"])
    issuer.start()
    store = Mongod(tmp_path / "store", arguments=plain)
    try:
        await asyncio.to_thread(store.start)
        gateway = Served(store.uri, "canary", tmp_path, issuer.url)
        gateway._command = [sys.executable, "-c", HOST, str(gateway.port)]
        async with gateway, httpx2.AsyncClient(headers=issuer.auth("alice"), timeout=30) as http:
            yield store, gateway, http
    finally:
        await issuer.stop()
        await asyncio.to_thread(store.stop)


def body(sealed: str, **more: Any) -> dict[str, Any]:
    def entry(provider: str, key: str) -> dict[str, Any]:
        return {
            **{"provider": provider, "type": "chat", "model": "m", "isPaid": True},
            "apiKeyEncrypted": key,
        }

    return {"models": [entry("One", sealed), entry("Two", OPAQUE)], "system_prompt": MARK, **more}


async def use(store: Mongod, gateway: Served, http: httpx2.AsyncClient) -> tuple[list[Any], str]:
    """Send the marked keys in every way that works, fails, and fails unexpectedly."""
    read = gateway.url + "/get/ai-model-config"
    create = gateway.url + "/create/ai-model-config"
    update = gateway.url + "/update/ai-model-config"
    sealed = seal((await http.get(read + "/encryption-key")).json(), CANARY)
    answers = [
        await http.post(create, json=body(sealed)),
        await http.post(create, json=body(sealed)),
        await http.put(update, json=body(sealed)),
        await http.put(update, json=body(sealed, extra=CANARY)),
        await http.put(update, json=body(sealed[:-3] + "AAA")),
        await http.put(update, json=body("sk-" + CANARY.replace("-", ""))),
        await http.put(update, content=CANARY, headers={"Content-Type": "application/json"}),
        await http.put(update, json=body(sealed), headers={"If-Match": '"other"'}),
        await http.get(read + "?include=apiKeyEncrypted,keyState"),
        await http.get(gateway.url + "/metrics"),
        await http.get(gateway.url.replace("/api/v1", "/metrics")),
    ]
    statuses = [201, 409, 200, 422, 422, 422, 400, 412, 200]
    assert [answer.status_code for answer in answers[:9]] == statuses
    with MongoClient[dict[str, Any]](store.uri) as client:
        data = {"failCommands": ["findAndModify", "insert"], "errorCode": 9}
        fail = {"configureFailPoint": "failCommand"}
        client.admin.command({**fail, "mode": "alwaysOn", "data": data})
        answers += [await http.put(update, json=body(sealed))]
        answers += [await http.post(create, json=body(sealed))]
        client.admin.command({**fail, "mode": "off"})
    assert [answer.status_code for answer in answers[-2:]] == [500, 500]
    # The others are routes of the host, if any: it shows tracebacks, as it was told to.
    ours = answers[:9] + answers[-2:]
    assert all("Traceback" not in answer.text for answer in ours)
    return answers, sealed


def test_the_marked_key_is_in_no_answer_no_log_and_no_file_of_the_store(tmp_path: Path) -> None:
    async def run() -> tuple[list[Any], str, bytes]:
        async with house(tmp_path) as (store, gateway, http):
            answers, sealed = await use(store, gateway, http)
        return answers, sealed, gateway.log.read_bytes()

    answers, sealed, log = asyncio.run(run())
    for answer in answers:
        assert not holds(answer.content + str(answer.headers).encode(), CANARY, OPAQUE)
        assert sealed.encode() not in answer.content
    # The log has the tracebacks, the audit trail and what the drivers say of each command.
    assert b"Traceback" in log and b"aiconfig_plugin.audit" in log and b"findAndModify" in log
    # pymongo's own DEBUG records hold whole documents, so the prompt, but never a key.
    assert not holds(log, CANARY, OPAQUE)
    assert sealed.encode() not in log
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    found = {path.name for path in files if MARK.encode() in path.read_bytes()}
    assert found, "the search finds nothing at all"
    for path in files:
        assert not holds(path.read_bytes(), CANARY, OPAQUE), path


def test_what_an_idle_gateway_still_holds_in_memory_is_stated(tmp_path: Path) -> None:
    """Python cannot wipe a string: that nothing is left is not promised, so only its bound is."""

    async def run() -> tuple[int, int]:
        async with house(tmp_path) as (_, gateway, http):
            read = gateway.url + "/get/ai-model-config"
            sealed = seal((await http.get(read + "/encryption-key")).json(), CANARY)
            create = gateway.url + "/create/ai-model-config"
            assert (await http.post(create, json=body(sealed))).status_code == 201
            for _ in range(200):
                await http.get(read)
            await asyncio.sleep(1)
            memory = memory_of(gateway.pid)
            return memory.count(MARK.encode()), memory.count(CANARY.encode())

    marks, left = asyncio.run(run())
    print(f"in the memory of the idle gateway: {left} copies of the key, {marks} of the prompt")
    assert marks > 0, "the search finds nothing at all"
    assert left <= 16


def memory_of(pid: int) -> bytes:
    """Return what is mapped for writing."""
    found = []
    maps = Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            try:
                memory.seek(int(begin, 16))
                found.append(memory.read(int(end, 16) - int(begin, 16)))
            except (OSError, ValueError, OverflowError):
                continue
    return b"".join(found)

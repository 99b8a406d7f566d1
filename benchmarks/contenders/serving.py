"""What every contender's process does the same way."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application

BACKLOG = 2048


def options() -> dict[str, Any]:
    """Return what the run asks of this process, and log as quietly as every other contender."""
    logging.basicConfig(level=logging.WARNING)
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def listen(port: int = 0) -> socket.socket:
    """Listen on the loopback interface, and tell the run where; processes may share one port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    return listener


async def serve(app: Application, port: int = 0) -> None:
    HTTPServer(app).add_sockets([listen(port)])
    await asyncio.Event().wait()


def mongo_client(uri: str, driver: str) -> Any:
    if driver == "pymongo":
        from pymongo import AsyncMongoClient

        return AsyncMongoClient(uri)
    from motor.motor_asyncio import AsyncIOMotorClient

    return AsyncIOMotorClient(uri)

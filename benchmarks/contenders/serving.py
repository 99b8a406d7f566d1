"""What every contender's process does the same way."""

import asyncio
import json
import logging
import socket
import sys
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from tornado.httpserver import HTTPServer
from tornado.web import Application

BACKLOG = 2048


def options() -> dict[str, Any]:
    """Return what the run asks of this process, and log as quietly as every other contender."""
    logging.basicConfig(level=logging.WARNING)
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def open_database(given: dict[str, Any]) -> Any:
    """Return the database that the settings of the plugin name."""
    pymongo = given["mongodb_driver"] == "pymongo"
    make = AsyncMongoClient[Any] if pymongo else AsyncIOMotorClient[Any]
    return make(given["mongodb_uri"])[given["mongodb_database"]]


def listen(port: int = 0) -> socket.socket:
    """Listen on the loopback interface, and tell the run where; processes may share one port."""
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG, reuse_port=bool(port))
    listener.setblocking(False)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    return listener


async def serve(app: Application, port: int = 0) -> None:
    HTTPServer(app).add_sockets([listen(port)])
    await asyncio.Event().wait()

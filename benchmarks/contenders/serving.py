"""What every contender's process does the same way; without libraries, as peers use it too."""

from __future__ import annotations

import json
import logging
import socket
import sys
from typing import Any

BACKLOG = 2048


def options() -> dict[str, Any]:
    """Return what the run asks of this process, and log as quietly as every other contender."""
    logging.basicConfig(level=logging.WARNING)
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def listen(port: int = 0) -> socket.socket:
    """Listen on the loopback interface; several processes may share one port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def ready(listener: socket.socket, **facts: Any) -> None:
    """Tell the run where this process listens."""
    say(port=listener.getsockname()[1], **facts)


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)

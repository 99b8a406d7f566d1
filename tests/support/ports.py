"""Two ports beside each other, as the demo takes them."""

from __future__ import annotations

import contextlib
import random
import socket

# Below those that systems give to clients, one of which is often beside a free one.
_CANDIDATES = range(20_000, 32_000, 2)


def two_free_ports() -> int:
    """Return a port that is free, as is the one above it."""
    while True:
        port = random.choice(_CANDIDATES)
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port

"""``aiconfig serve`` that notes what holds its event loop, in processor time of that thread.

python tests/fuzz/watched.py FILE [what follows "serve"]
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from aiconfig_plugin.cli import main

NOTED = 0.02
"""Seconds; what takes less is not noted."""


def watch(file: Path) -> None:
    """Let each callback of a loop that takes long append its time, and what it is."""
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        started = time.thread_time()
        run(handle)
        held = time.thread_time() - started
        if held > NOTED:
            with file.open("a") as notes:
                notes.write(f"{held:.4f} {handle!r}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # Its callbacks cannot be timed.
    watch(Path(sys.argv[1]))
    sys.exit(main(["serve", *sys.argv[2:]]))

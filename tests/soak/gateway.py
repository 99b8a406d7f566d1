"""``aiconfig serve`` whose loop keeps a file up to date on how many tasks it has.

python tests/soak/gateway.py FILE [what follows "serve"]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiconfig_plugin.cli import main

SECONDS = 1.0


class CountingLoops(asyncio.DefaultEventLoopPolicy):
    """Makes the loops that ``asyncio.run`` asks for."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        loop.call_later(SECONDS, self._count, loop)
        return loop

    def _count(self, loop: asyncio.AbstractEventLoop) -> None:
        self._file.write_text(str(len(asyncio.all_tasks(loop))))
        loop.call_later(SECONDS, self._count, loop)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(CountingLoops(Path(sys.argv[1])))
    sys.exit(main(["serve", *sys.argv[2:]]))

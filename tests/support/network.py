"""A network between processes that can be cut: a relay in front of each of their ports.

The relays run in a process of their own, so that a busy test does not slow the network down.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Network:
    """Relays to ``targets``, the ports of some servers, each from a port of its own."""

    def __init__(self, targets: Sequence[int]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, targets)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports: list[int] = self._read()

    def isolate(self, target: int, pids: Sequence[int]) -> None:
        """Cut one server off from the others, and leave all connected with their clients.

        ``pids`` are the processes of the servers. What is cut off hears nothing, as where packets
        are dropped, until :meth:`heal` ends its connections.
        """
        self._command({"isolated": target, "pids": list(pids)})

    def heal(self) -> None:
        self._command({"isolated": None, "pids": []})

    def stop(self) -> None:
        self._process.communicate(timeout=10)

    def _command(self, command: Any) -> None:
        assert self._process.stdin is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        assert self._read() == command

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class _Relays:
    def __init__(self, targets: Sequence[int]) -> None:
        self.targets = targets
        self.isolated: int | None = None
        self.pids: Sequence[int] = ()
        self.sources: dict[int, int | None] = {}
        self.healed = asyncio.Event()

    async def run(self) -> None:
        ports = []
        for number in range(len(self.targets)):
            server = await asyncio.start_server(self._to(number), "127.0.0.1", 0)
            ports.append(server.sockets[0].getsockname()[1])
        print(json.dumps(ports), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            self.isolated, self.pids = command["isolated"], command["pids"]
            self.sources.clear()
            self.healed.set() if self.isolated is None else self.healed.clear()
            print(line, end="", flush=True)

    def _to(self, number: int) -> Any:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ends = (writer.get_extra_info("peername")[1], number)
            with contextlib.suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", self.targets[number])
                await asyncio.gather(
                    self._copy(reader, there[1], ends), self._copy(there[0], writer, ends)
                )
            writer.close()

        return relay

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[int, int]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.isolated is not None and self._is_cut(*ends):
                    await self.healed.wait()
                    break
                writer.write(data)
                await writer.drain()
        writer.close()

    def _is_cut(self, port: int, target: int) -> bool:
        if port not in self.sources:
            holders = (number for number, pid in enumerate(self.pids) if _holds(pid, port))
            self.sources[port] = next(holders, None)
        source = self.sources[port]
        return source is not None and self.isolated in (source, target)


def _holds(pid: int, port: int) -> bool:
    """Tell whether a process holds the end of a loopback connection with this port."""
    inodes = {
        f"socket:[{fields[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[1] == f"0100007F:{port:04X}"  # proc_net(5)
    }
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in inodes:
                    return True
    return False


if __name__ == "__main__":
    asyncio.run(_Relays([int(port) for port in sys.argv[1:]]).run())

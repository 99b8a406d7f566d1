"""Requests: one by one, and as load from wrk with one thread, so that the server is measured."""

import http.client
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.rounds import Figures
from benchmarks.servers import Server

SCRIPT = Path(__file__).with_name("requests.lua")
TIMEOUT = 30  # seconds after which a request has failed

Send = Callable[..., Any]


@contextmanager
def client(server: Server) -> Iterator[Send]:
    """Yield what sends a request over one connection and returns the JSON of the answer."""
    address = server.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(address, timeout=TIMEOUT)) as connection:

        def send(method: str, path: str, token: str, body: str = "") -> Any:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path} is answered {response.status}: {answer!r}")
            return json.loads(answer)

        yield send


def require_wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("The load comes from wrk: install it (apt-get install wrk).")
    return found


def write_requests(file: Path, requests: dict[str, str]) -> Path:
    """Write a request for each token, with its body."""
    file.write_text("".join(f"{token}\n{body}\n" for token, body in requests.items()), "utf-8")
    return file


def load(
    server: Server, method: str, path: str, requests: Path, connections: int, *, seconds: int
) -> Figures:
    """Send the requests of a file in turn, for ``seconds``, over so many connections."""
    command = [
        *(require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{TIMEOUT}s"),
        *("-s", str(SCRIPT), server.url, "--", method, path, str(requests)),
    ]
    before = server.processor_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    computed = server.processor_seconds() - before
    said = json.loads(done.stdout.splitlines()[-1])
    count = said.pop("requests")
    if said.pop("failed"):
        raise RuntimeError(f"{method} {path}: {done.stdout}")
    return {"rate": count / said.pop("seconds"), "processor": computed / max(count, 1), **said}

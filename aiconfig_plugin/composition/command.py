"""Read what a command prints, within a time and a size."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence

from aiconfig_plugin.errors import ConfigurationError

TIMEOUT = 10.0
"""Seconds for a command, from its start to its end."""
MAX_OUTPUT = 65_536  # bytes


def read_command(command: Sequence[str], *, timeout: float = TIMEOUT) -> bytes:
    """Run a command without a shell and return its standard output.

    What it says on standard error goes where this process's goes. Whatever it has started in its
    process group ends with it. Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which
    holds none of its arguments or output.
    """
    name, deadline = command[0], time.monotonic() + timeout
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
    except (OSError, ValueError) as err:  # ValueError: a null byte
        raise ConfigurationError(f"{name}: {getattr(err, 'strerror', None) or err}.") from None
    with process:
        try:
            output = _read(process, deadline)
            if len(output) > MAX_OUTPUT:
                raise ConfigurationError(f"{name} printed more than {MAX_OUTPUT} bytes.")
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise ConfigurationError(f"{name} did not end within {timeout:g} s.") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    if code:
        ended = f"exited with {code}" if code > 0 else f"was ended by signal {-code}"
        raise ConfigurationError(f"{name} {ended}.")
    return output


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Return what it prints until it closes its output, or has printed too much."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    readable = select.poll()
    readable.register(descriptor)
    output = b""
    while len(output) <= MAX_OUTPUT:
        milliseconds = 1000 * (deadline - time.monotonic())
        if milliseconds <= 0 or not readable.poll(milliseconds):
            raise TimeoutError
        chunk = os.read(descriptor, MAX_OUTPUT)
        if not chunk:
            break
        output += chunk
    return output

"""Several processes on one port, started, watched and ended by one that serves nothing."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

logger = logging.getLogger("aiconfig_plugin")

MAX_DELAY: Final = 30.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restart_delay(failures: int) -> float:
    """Return the seconds before a worker is started again, after so many failed starts in a row."""
    return min(2.0 ** (failures - 1), MAX_DELAY) if failures else 0.0


@dataclass(frozen=True)
class Worker:
    """What a worker process knows of the one that watches it."""

    parent_gone: int
    """A file descriptor that is at its end when the parent is gone, however it went."""
    _ready: int

    def announce(self) -> None:
        """Tell the parent that this worker serves."""
        os.write(self._ready, b".")


@dataclass
class _Child:
    number: int
    pid: int
    pipe: int
    is_ready: bool = False


class Supervisor:
    """Runs ``serve`` in ``count`` processes until SIGINT or SIGTERM; SIGHUP is passed on.

    ``serve`` returns an exit code. The first worker starts alone: what it makes in the database is
    there for the others, and what it cannot start with is said once and ends all. Afterwards a
    worker that ends is replaced. ``ready`` is called when all serve for the first time, and
    ``ended`` with the id of each process that has ended.

    The parent has neither a client nor an event loop, so it may fork at any time.
    """

    def __init__(
        self,
        count: int,
        serve: Callable[[Worker], int],
        *,
        ready: Callable[[], None],
        ended: Callable[[int], None],
    ) -> None:
        self._count = count
        self._serve = serve
        self._on_ready = ready
        self._on_end = ended
        self._children: dict[int, _Child] = {}
        self._failures = dict.fromkeys(range(1, count + 1), 0)
        self._due: dict[int, float] = {}
        self._numbers_ready: set[int] = set()
        self._stopping = False
        self._exit_code = 0

    def run(self) -> int:
        """Return the exit code when all workers have ended."""
        self._selector = selectors.DefaultSelector()
        self._lifeline, self._held = os.pipe()
        self._signals, woken = os.pipe()
        os.set_blocking(woken, False)
        before = {number: signal.signal(number, _ignore) for number in _SIGNALS}
        signal.set_wakeup_fd(woken)
        self._selector.register(self._signals, selectors.EVENT_READ, self._pass_on_signals)
        try:
            self._start(1)
            while self._children or self._due:
                for key, _ in self._selector.select(self._until_next_start()):
                    key.data()
                for number in [n for n, when in self._due.items() if when <= time.monotonic()]:
                    del self._due[number]
                    self._start(number)
            return self._exit_code
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            for each in (self._lifeline, self._held, self._signals, woken):
                os.close(each)

    def _until_next_start(self) -> float | None:
        return max(min(self._due.values()) - time.monotonic(), 0.0) if self._due else None

    def _pass_on_signals(self) -> None:
        for number in os.read(self._signals, 64):
            if number != signal.SIGHUP:
                self._stopping = True
                self._due.clear()
            for child in self._children.values():
                os.kill(child.pid, signal.SIGTERM if self._stopping else number)

    def _start(self, number: int) -> None:
        pipe, ready = os.pipe()
        sys.stdout.flush()
        # What arrives meanwhile is for the handlers of the one that it was sent to.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            os.close(pipe)
            self._become_worker(Worker(self._lifeline, ready))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(ready)
        child = self._children[number] = _Child(number, pid, pipe)
        self._selector.register(pipe, selectors.EVENT_READ, partial(self._hear, child))

    def _become_worker(self, worker: Worker) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._selector.close()
            for each in (self._held, self._signals, *(c.pipe for c in self._children.values())):
                os.close(each)
            code = self._serve(worker)
        except BaseException:
            logger.exception("A worker failed.")
        finally:
            sys.stdout.flush()
            os._exit(code)  # nothing of the parent's is unwound here

    def _hear(self, child: _Child) -> None:
        if not os.read(child.pipe, 1):
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            del self._children[child.number]
            self._ended(child, os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]))
            return
        child.is_ready = True
        self._failures[child.number] = 0
        if not self._numbers_ready and not self._stopping:
            for number in range(2, self._count + 1):
                self._start(number)
        if child.number not in self._numbers_ready:
            self._numbers_ready.add(child.number)
            if len(self._numbers_ready) == self._count:
                self._on_ready()

    def _ended(self, child: _Child, code: int) -> None:
        self._on_end(child.pid)
        if self._stopping:
            return
        if not self._numbers_ready:
            self._exit_code = code if code > 0 else 1
            return
        if not child.is_ready:
            self._failures[child.number] += 1
        delay = restart_delay(self._failures[child.number])
        self._due[child.number] = time.monotonic() + delay
        logger.warning(
            "Worker %d (process %d) %s; another one starts%s.",
            child.number,
            child.pid,
            f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}",
            f" in {delay:g} s" if delay else "",
        )


def _ignore(_number: int, _frame: object) -> None:
    """The pipe of the signals says all; without a handler there would be nothing in it."""

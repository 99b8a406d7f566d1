"""Who has logged out, for tokens that nobody can be asked about."""

from __future__ import annotations

import math
from collections import OrderedDict

from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.errors import InvalidToken

SIZE = 100_000
"""Log-outs that are remembered one by one."""


class LogOuts:
    """Refuses the tokens that were issued before their subject logged out.

    Memory is bounded, and safe when it is full: what was issued before the oldest log-out that
    had to be dropped is refused, whoever's it is. Times are in seconds since the epoch.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._ended: OrderedDict[str | bytes, float] = OrderedDict()
        self._floor = -math.inf

    def add(self, ended: str | bytes, at: float) -> None:
        """Note that a subject, or the token with a digest, was logged out at ``at``."""
        self._ended[ended] = max(at, self._ended.get(ended, at))
        self._ended.move_to_end(ended)
        while len(self._ended) > self._size:
            _, dropped = self._ended.popitem(last=False)
            self._floor = max(self._floor, dropped)

    def check(self, key: bytes, active: ActiveToken) -> None:
        """Raise ``InvalidToken`` for a token, with the digest ``key``, that a log-out has ended.

        One that does not say when it was issued counts as issued before.
        """
        names = [name for name in (active.principal.subject, active.sub) if name is not None]
        at = max([self._floor, *(self._ended.get(name, -math.inf) for name in names)])
        issued_at = -math.inf if active.issued_at is None else active.issued_at
        if key in self._ended or (at > -math.inf and issued_at < at):
            raise InvalidToken("The user has logged out.", reason="logged-out")

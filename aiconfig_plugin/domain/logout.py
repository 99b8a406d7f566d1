"""Log-outs that reach every process: each asks the store once a second what there is of them.

By the store's clock, as those of the processes may differ. A log-out that was written first may be
seen after one that was written later, so each question goes back some seconds behind the last.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable

from aiconfig_plugin.domain.ports import Logout, Logouts

POLL = 1.0
"""Seconds between two questions."""
OVERLAP = 10.0
"""Seconds that a write may take to be seen: longer than any write may last (8)."""
BELIEVED = 5.0
"""Seconds without an answer after which nothing that is remembered of a token counts."""
KEPT = 86_400.0
"""Seconds for which the store keeps a log-out: as long as access tokens may live."""


def token_digest(token: str) -> str:
    """Return what stands for a token in the store, which has none."""
    return hashlib.sha256(token.encode()).hexdigest()


class LogoutFeed:
    """Hands each log-out to ``apply`` once; None stands for all, where some may be missing.

    The first answer has those of the last ``back`` seconds. ``timer`` gives seconds that never go
    backwards.
    """

    def __init__(
        self,
        logouts: Logouts,
        apply: Callable[[Logout | None], None],
        *,
        back: float = 0.0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logouts = logouts
        self._apply = apply
        self._back = back
        self._timer = timer
        self._heard: float | None = None
        self._known: frozenset[str] = frozenset()

    @property
    def age(self) -> float:
        """Seconds since the store was asked for the last answer that came."""
        return math.inf if self._heard is None else self._timer() - self._heard

    @property
    def is_believed(self) -> bool:
        """Tell whether what is remembered of a token may still be believed."""
        return self.age < BELIEVED

    async def poll(self) -> None:
        """Ask once. Raises :class:`~aiconfig_plugin.errors.StorageUnavailable`."""
        asked = self._timer()
        silence = self._back if self._heard is None else asked - self._heard
        if silence + OVERLAP > KEPT:
            self._apply(None)
        found = await self._logouts.recent(silence + OVERLAP)
        for logout in found:
            if logout.id not in self._known:
                self._apply(logout)
        self._known = frozenset(logout.id for logout in found)
        self._heard = asked

"""What is remembered of tokens, and for how long. Errors are never remembered as answers."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from cachetools import LRUCache, TLRUCache, TTLCache

from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.access.single_flight import SingleFlight
from aiconfig_plugin.errors import AuthorizationServerUnavailable, InvalidToken, Rejection
from aiconfig_plugin.metrics import process_metrics

INACTIVE_TTL = 2.0
"""Seconds for which "not active" is remembered, at the most."""
MAX_PENDING = 4000
"""Checks that run or wait for their turn; one more is refused, so memory stays bounded."""


class TokenCheck(Protocol):
    """Says what a token is worth: one adapter for each kind of token."""

    async def start(self) -> None:
        """Open what it needs; an authorization server that is not there does not stop it."""

    async def close(self) -> None:
        """Close it again."""

    async def probe(self) -> str:
        """Try whether tokens can be checked, and say so; raises as :meth:`check`, and
        ``ConfigurationError`` for what only an operator can mend."""

    async def check(self, token: str, *, known: bool) -> ActiveToken:
        """Return what is asserted of the token, by every rule but those of time and possession.

        ``known`` says that it was active here before. Raises ``InvalidToken``, or
        ``AuthorizationServerUnavailable`` where nothing can be said.
        """


class TokenCache:
    """Answers about tokens, keyed by their SHA-256.

    ``size`` bounds each kind of answer; ``ttl`` is in seconds, 0 remembers nothing; ``timer``
    gives seconds that never go backwards. Nothing that is remembered counts while ``is_believed``
    says no. Whoever asks about a token that is being asked about already waits for the same answer.
    """

    def __init__(
        self,
        size: int,
        ttl: float,
        timer: Callable[[], float],
        max_pending: int = MAX_PENDING,
        is_believed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_believed = is_believed
        self._ttl = ttl
        self._max_pending = max_pending
        self._metrics = process_metrics()
        self._active: TLRUCache[bytes, ActiveToken] = TLRUCache(
            size, ttu=lambda _key, _value, now: now + ttl, timer=timer
        )
        # Apart, so that made-up tokens never push out those of users.
        self._inactive: TTLCache[bytes, tuple[str, Rejection]] = TTLCache(
            size, min(ttl, INACTIVE_TTL), timer=timer
        )
        self._known: LRUCache[bytes, bool] = LRUCache(size)
        self._calls: SingleFlight[bytes, ActiveToken] = SingleFlight()

    async def get(self, token: str, check: Callable[[bool], Awaitable[ActiveToken]]) -> ActiveToken:
        """Return the answer about ``token``; ``check`` asks, told whether the token is known.

        Raises what ``check`` raises, and ``AuthorizationServerUnavailable`` where too many wait.
        """
        key = digest(token)
        if self._is_believed():
            active = self._active.get(key)
            if active is not None:
                self._metrics.lookup("hit")
                return active
            if (refusal := self._inactive.get(key)) is not None:
                self._metrics.lookup("hit")
                raise InvalidToken(refusal[0], reason=refusal[1])
        if key in self._calls:
            self._metrics.lookup("coalesced")
        else:
            self._metrics.lookup("miss")
            # Half of the room is for tokens that were active before.
            room = self._max_pending if key in self._known else (self._max_pending + 1) // 2
            if len(self._calls) >= room:
                raise AuthorizationServerUnavailable("Too many pending introspections.")
        return await self._calls.run(key, lambda: self._ask(key, check))

    def forget(self, *, key: bytes | None = None, subject: str | None = None) -> None:
        """Drop what is remembered of one token, of one subject, or (without either) of all.

        An answer that is under way is not remembered when it arrives.
        """
        if key is not None:
            self._active.pop(key, None)
            self._inactive.pop(key, None)
            self._calls.forget(key)
            return
        self._calls.forget()
        if subject is None:
            self._inactive.clear()
        for each, active in list(self._active.items()):
            if subject is None or active.is_of(subject):
                self._active.pop(each, None)

    async def close(self) -> None:
        """Forget everything, and end what is under way."""
        self.forget()
        await self._calls.close()

    async def _ask(
        self, key: bytes, check: Callable[[bool], Awaitable[ActiveToken]]
    ) -> ActiveToken:
        try:
            active = await check(key in self._known)
        except InvalidToken as err:
            if self._may_remember(key):
                self._inactive[key] = err.detail, err.reason
            raise
        self._known[key] = True
        if self._may_remember(key):
            self._active[key] = active
        return active

    def _may_remember(self, key: bytes) -> bool:
        return self._ttl > 0 and self._calls.is_joinable(key)


def digest(token: str) -> bytes:
    """Return what stands for a token wherever one is remembered."""
    return hashlib.sha256(token.encode()).digest()

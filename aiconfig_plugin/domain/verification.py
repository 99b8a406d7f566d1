"""Asking a provider about a stored key, for its owner."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, cast

from aiconfig_plugin.domain.key_use import Verification, VerificationResult
from aiconfig_plugin.domain.model import Identity, Owner, ResolvedModel
from aiconfig_plugin.domain.ports import Verifier
from aiconfig_plugin.domain.service import AIConfigService
from aiconfig_plugin.errors import TooManyRequests

VERIFICATION_TIMEOUT: Final = 10.0
"""Seconds for one verification."""
MAX_PER_MINUTE: Final = 10
"""Verifications of one owner, in one process."""


HostVerify: TypeAlias = Callable[[ResolvedModel], Awaitable[str]]


class KeyVerification:
    """Verifies stored keys by ``verify``. ``clock`` returns seconds, and never goes back."""

    def __init__(
        self,
        service: AIConfigService,
        verify: Verifier,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._verify = verify
        self._limit = OwnerLimit(MAX_PER_MINUTE, 60.0, clock)

    async def verify(
        self, owner: Owner, identity: Identity, *, client_id: str | None = None
    ) -> Verification:
        """Return what the provider says of the key of the owner's entry ``identity``.

        What it says of the key itself is remembered as its last result. Raises ``ConfigNotFound``
        where there is no such entry, ``KeyUnreadable``, and ``TooManyRequests``.
        """
        chosen = await self._service.open(owner, identity, client_id=client_id)
        self._limit.take(owner)
        found = await self._verify(chosen)
        if found.key_result is not None:
            self._service.report(chosen, found.key_result)
        return found


class HostVerifier:
    """A :class:`~aiconfig_plugin.domain.ports.Verifier` by means of the host's own.

    ``verify`` returns a :data:`~aiconfig_plugin.domain.VerificationResult`, within ``timeout``
    seconds; what it raises is an error of the request.
    """

    def __init__(self, verify: HostVerify, *, timeout: float = VERIFICATION_TIMEOUT) -> None:
        self._verify = verify
        self._timeout = timeout

    async def __call__(self, chosen: ResolvedModel) -> Verification:
        try:
            result = await asyncio.wait_for(self._verify(chosen), self._timeout)
        except asyncio.TimeoutError:
            return Verification.of("unreachable")
        return Verification.of(cast(VerificationResult, result))


class OwnerLimit:
    """Lets each owner pass ``count`` times in any ``seconds``."""

    def __init__(self, count: int, seconds: float, clock: Callable[[], float]) -> None:
        self._count = count
        self._seconds = seconds
        self._clock = clock
        # In the order of their last pass, so that those whose time is over are in front.
        self._passes: dict[Owner, deque[float]] = {}

    def take(self, owner: Owner) -> None:
        """Raises ``TooManyRequests`` with the seconds to wait."""
        now = self._clock()
        while self._passes and self._last_pass() + self._seconds <= now:
            del self._passes[next(iter(self._passes))]
        passes = self._passes.get(owner, deque(maxlen=self._count))
        wait = passes[0] + self._seconds - now if len(passes) == self._count else 0
        if wait > 0:
            raise TooManyRequests(
                f"At most {self._count} in {self._seconds:g} seconds.", retry_after=math.ceil(wait)
            )
        self._passes.pop(owner, None)
        passes.append(now)
        self._passes[owner] = passes

    def _last_pass(self) -> float:
        """Return the time of the last pass of the first owner."""
        return next(iter(self._passes.values()))[-1]

"""What the handlers of one mounted plugin share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from tornado.web import RequestHandler

from aiconfig_plugin.domain import AIConfigService, KeyVerification, Principal
from aiconfig_plugin.http.body import BodyBudget
from aiconfig_plugin.http.challenge import BEARER, Schemes
from aiconfig_plugin.http.operations import Access

_PROCESS_BUDGET = BodyBudget()


@dataclass(frozen=True)
class HTTPConfig:
    """What every handler needs. There is one for each place where the plugin is mounted."""

    service: AIConfigService
    verification: KeyVerification
    ensure_started: Callable[[], Awaitable[None]]
    """Starts the plugin where nobody has, or raises ``StorageUnavailable``."""
    identify: Callable[[RequestHandler], Awaitable[Principal]]
    """Raises ``MissingToken``, ``InvalidToken``, an outage, or an ``HTTPError`` of the host."""
    prefix: str
    scopes: Mapping[Access, str]
    """The scope that each access asks for; empty asks for none."""
    cors_origins: Collection[str] = ()
    schemes: Schemes = BEARER
    """The authentication schemes, as challenges and the resource's metadata tell them."""
    bodies: BodyBudget = field(default=_PROCESS_BUDGET)
    """Shared by all plugins of the process."""
    parsing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One large body at a time: threads that parse would take turns with the event loop."""

"""Open the way to providers: clients for entries, and what verifies API keys."""

from __future__ import annotations

from collections.abc import Callable

import httpx2

from aiconfig_plugin.base_url import BaseURL, Origins
from aiconfig_plugin.domain import (
    AIConfigService,
    Catalog,
    HostVerifier,
    HostVerify,
    KeyVerification,
    ResolvedModel,
)
from aiconfig_plugin.errors import BaseURLRefused
from aiconfig_plugin.outbound import ProviderVerifier, origin_client
from aiconfig_plugin.settings import variable


def open_client(chosen: ResolvedModel, catalog: Catalog, origins: Origins) -> httpx2.AsyncClient:
    """Return a client for the calls of an entry, or raise ``BaseURLRefused``."""
    url = chosen.base_url
    if url is None:
        raise BaseURLRefused("Neither the entry nor the catalogue has a base URL.")
    if url == catalog.base_url(chosen.provider):
        return origin_client(BaseURL.parse(url), public_only=False)
    if not origins.allow(url):
        raise BaseURLRefused(f"The base URL of this entry is not in {variable('base_urls')}.")
    return origin_client(BaseURL.parse(url), public_only=not origins.is_exact(url))


def open_verification(
    service: AIConfigService,
    client: Callable[[ResolvedModel], httpx2.AsyncClient],
    verify: HostVerify | None,
) -> KeyVerification:
    """Return what verifies stored keys: by the host's own means, or by calls to providers."""
    if verify is not None:
        return KeyVerification(service, HostVerifier(verify))
    return KeyVerification(service, ProviderVerifier(client, service.api))

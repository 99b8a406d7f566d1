"""Calls to providers: which URLs, at which addresses. Knows idna, httpx2 and its httpcore2."""

from aiconfig_plugin.outbound.base_url import PUBLIC, BaseURL, Origins
from aiconfig_plugin.outbound.client import origin_client

__all__ = ["PUBLIC", "BaseURL", "Origins", "origin_client"]

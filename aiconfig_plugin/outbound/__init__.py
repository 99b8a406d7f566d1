"""Calls to providers: one origin, and only addresses that were checked. Knows httpcore2."""

from aiconfig_plugin.outbound.client import origin_client
from aiconfig_plugin.outbound.verification import ProviderVerifier

__all__ = ["ProviderVerifier", "origin_client"]

"""Calls to providers: one origin, and only addresses that were checked. Knows httpcore2."""

from aiconfig_plugin.outbound.client import origin_client

__all__ = ["origin_client"]

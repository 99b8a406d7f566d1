"""Errors as one line for a terminal."""

from __future__ import annotations

from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    StorageUnavailable,
)
from aiconfig_plugin.settings import variable


def describe(err: AIConfigError) -> str:
    """Return what is wrong; for a system that does not respond, with the settings to check."""
    match err:
        case StorageUnavailable():
            return f"{err.detail} Check {variable('mongodb_uri')} and the network."
        case AuthorizationServerUnavailable():
            issuer, endpoint = variable("issuer"), variable("introspection_endpoint")
            return f"{err.detail} Check {issuer}, {endpoint} and the network."
    return err.detail or err.title

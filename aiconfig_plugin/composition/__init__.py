"""Opens what the settings name, and reads its files again when they have changed."""

from aiconfig_plugin.composition.access import open_authenticator
from aiconfig_plugin.composition.fleet import as_member, checking, open_tokens
from aiconfig_plugin.composition.key_use import recording
from aiconfig_plugin.composition.opening import (
    open_policy,
    open_service,
    open_vault,
)
from aiconfig_plugin.composition.providers import open_client, open_verification
from aiconfig_plugin.composition.reloading import Reloader
from aiconfig_plugin.composition.routes import open_routes
from aiconfig_plugin.composition.stores import open_mongo_stores, open_stores
from aiconfig_plugin.composition.verifying import verify_stored_keys

__all__ = [
    "Reloader",
    "as_member",
    "checking",
    "open_authenticator",
    "open_client",
    "open_mongo_stores",
    "open_policy",
    "open_routes",
    "open_service",
    "open_stores",
    "open_tokens",
    "open_vault",
    "open_verification",
    "recording",
    "verify_stored_keys",
]

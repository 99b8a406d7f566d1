"""Opens what the settings name, and reads its files again when they have changed."""

from aiconfig_plugin.composition.opening import (
    open_policy,
    open_repository,
    open_service,
    open_vault,
)
from aiconfig_plugin.composition.reloading import Reloader

__all__ = ["Reloader", "open_policy", "open_repository", "open_service", "open_vault"]

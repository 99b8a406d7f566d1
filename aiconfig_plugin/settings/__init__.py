"""What an operator decides, declared once and checked at the start. Knows no library."""

from aiconfig_plugin.settings.declaration import is_exposed, variable
from aiconfig_plugin.settings.settings import DPoPMode, MongoDBDriver, Settings

__all__ = [
    "DPoPMode",
    "MongoDBDriver",
    "Settings",
    "is_exposed",
    "variable",
]

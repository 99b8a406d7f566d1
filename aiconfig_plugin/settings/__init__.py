"""What an operator decides, declared once and checked at the start. Knows no library."""

from aiconfig_plugin.settings.declaration import is_exposed, variable
from aiconfig_plugin.settings.settings import MongoDBDriver, Settings

__all__ = [
    "MongoDBDriver",
    "Settings",
    "is_exposed",
    "variable",
]

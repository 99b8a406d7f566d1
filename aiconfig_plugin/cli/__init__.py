"""The command line. Knows click, and alone knows the demo."""

from aiconfig_plugin.cli.commands import main

__all__ = [
    "main",
]

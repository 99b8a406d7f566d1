"""The command line. Knows argparse's completion (shtab), and alone knows the demo."""

from aiconfig_plugin.cli.commands import main

__all__ = [
    "main",
]

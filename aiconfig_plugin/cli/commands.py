"""The command line. Exit code 0 is success, 1 a failure, 2 a wrong argument or setting."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from aiconfig_plugin.cli.catalog import catalog_command
from aiconfig_plugin.cli.check import check_command
from aiconfig_plugin.cli.keys import keyring_command, rotate_command, seal_command
from aiconfig_plugin.cli.messages import exit_code
from aiconfig_plugin.cli.migrate import migrate_command
from aiconfig_plugin.cli.owners import owner_command
from aiconfig_plugin.cli.serve import port_option, run_until_stopped, serve_command
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.http import openapi_json
from aiconfig_plugin.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one line on standard error."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        return exit_code(lambda: command.main(argv, "aiconfig", standalone_mode=False))
    except click.ClickException as err:
        err.show()
        return err.exit_code
    except click.Abort:
        click.echo("aiconfig: Aborted.", err=True)
        return 1


@click.group(
    no_args_is_help=False,
    epilog="Settings are AICONFIG_... variables of the environment; check verifies them.",
)
@click.version_option(package_name="aiconfig-plugin", message="%(prog)s %(version)s")
def command() -> None:
    """User-owned AI model configuration for a Tornado gateway."""


for each in (
    serve_command,
    check_command,
    migrate_command,
    keyring_command,
    rotate_command,
    seal_command,
    catalog_command,
    owner_command,
):
    command.add_command(each)


@command.command("demo")
@port_option
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default="aiconfig-demo",
    show_default=True,
    metavar="DIR",
    help="Directory for its data.",
)
@click.option(
    "--tokens",
    type=click.Choice(["introspection", "jwt"]),
    default="introspection",
    show_default=True,
    help="How the gateway checks access tokens.",
)
def _demo(port: int, data: Path, tokens: Literal["introspection", "jwt"]) -> None:
    """Run a local demo.

    It has a database, an authorization server with two users, and a gateway with a web page.
    """
    try:
        from aiconfig_plugin.demo import run_demo
    except ImportError as err:
        raise ConfigurationError(
            f"The demo needs more packages: pip install 'aiconfig-plugin[demo]' ({err})."
        ) from err
    run_until_stopped(lambda stop: run_demo(port, data, tokens=tokens, stop=stop))
    # All is closed, and the process ends: one more Ctrl-C would only print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@command.command("openapi")
def _openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(openapi_json(Settings.from_env()))

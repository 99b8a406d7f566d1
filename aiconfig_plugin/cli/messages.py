"""Errors as one line for a terminal."""

from __future__ import annotations

from collections.abc import Callable

import click

from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    ConfigurationError,
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


def exit_code(run: Callable[[], int | None]) -> int:
    """Return the exit code of ``run``; an error is one line on standard error."""
    try:
        return run() or 0
    except AIConfigError as err:
        click.echo(f"aiconfig: {describe(err)}", err=True)
        return 2 if isinstance(err, ConfigurationError) else 1

"""Open what authenticates requests, with the credentials that the settings name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from aiconfig_plugin.access import (
    Credentials,
    TokenAuthenticator,
    credential_files,
    parse_certificates,
    parse_client_key,
    parse_client_secret,
)
from aiconfig_plugin.composition.opening import open_file
from aiconfig_plugin.composition.reloading import Reloader
from aiconfig_plugin.private_file import read_file, read_private_file
from aiconfig_plugin.settings import Settings

_PARSERS: Mapping[str, Callable[[bytes], Any]] = {
    "ca_file": parse_certificates,
    "client_key": parse_client_key,
    "client_secret_file": parse_client_secret,
}


def open_authenticator(
    settings: Settings, reloader: Reloader | None = None, **given: Any
) -> TokenAuthenticator:
    """Return the authenticator of the settings, for which ``reloader`` watches the files.

    ``given`` goes to its constructor. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError` for what is missing or cannot be used.
    """
    fields = credential_files(settings)
    sources = {
        field: open_file(
            name,
            getattr(settings, name),
            read_file if name == "ca_file" else read_private_file,
            _PARSERS[name],
        )
        for name, field in fields.items()
    }
    opened: dict[str, Any] = {"secret": settings.client_secret}
    opened |= {field: source.open() for field, source in sources.items()}
    authenticator = TokenAuthenticator(settings, Credentials(**opened), **given)
    if reloader is not None:
        for field, source in sources.items():
            reloader.watch(source, functools.partial(_use, authenticator, field))
    return authenticator


async def _use(authenticator: TokenAuthenticator, field: str, value: Any) -> None:
    await authenticator.use(**{field: value})

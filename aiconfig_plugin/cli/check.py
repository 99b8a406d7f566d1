"""The command that tries each part that a gateway needs."""

from __future__ import annotations

import asyncio
import secrets

import click

from aiconfig_plugin.access import IntrospectionAuthenticator
from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.cli.catalog import summary
from aiconfig_plugin.cli.messages import describe
from aiconfig_plugin.composition import open_policy, open_stores, open_vault
from aiconfig_plugin.domain import unreadable_keys, verify_keyring
from aiconfig_plugin.errors import (
    AIConfigError,
    ConfigurationError,
    InvalidToken,
    KeyUnreadable,
)
from aiconfig_plugin.settings import Settings, variable


@click.command("check")
def check_command() -> int:
    """Check settings, keyring, store and authorization server."""
    return asyncio.run(_run_check())


async def _run_check() -> int:
    try:
        settings = Settings.from_env()
    except ConfigurationError as err:
        _report("settings", f"FAILED: {err.detail}")
        return 1
    _report("settings", "OK")
    checks = {
        "keyring": _check_keyring,
        "store": _check_store,
        "authorization server": _check_authorization_server,
    }
    if settings.catalog or settings.shared_keys:
        checks["catalogue"] = _check_catalog
    failed = 0
    for name, check in checks.items():
        try:
            _report(name, await check(settings))
        except AIConfigError as err:
            failed = 1
            _report(name, f"FAILED: {describe(err)}")
    return failed


def _report(name: str, text: str) -> None:
    click.echo(f"{name:<20}  {text}")


async def _check_keyring(settings: Settings) -> str:
    open_vault(settings)
    return "OK"


async def _check_catalog(settings: Settings) -> str:
    policy = open_policy(settings, Origins(settings.base_urls))
    catalog, keys = policy.catalog, policy.shared_keys
    unused = sorted(name for name in keys if catalog.shared_key(name) == "never")
    if unused:
        raise ConfigurationError(
            f"{variable('shared_keys')} has a key for {', '.join(unused)}, whose sharedKey in "
            f"{variable('catalog')} is never."
        )
    return f"OK; {summary(catalog)}; shared keys: {', '.join(keys) or 'none'}"


async def _check_store(settings: Settings) -> str:
    repository = open_stores(settings).repository
    try:
        await repository.start()
        counts = await repository.count_by_kid()
        count = sum(counts.values())
        try:
            vault = open_vault(settings)
        except ConfigurationError:
            return f"reachable; {count} stored keys not verified"
        if unreadable := unreadable_keys(counts, vault):
            kids = ", ".join(f"{count} by {kid}" for kid, count in unreadable.items())
            raise KeyUnreadable(f"stored keys are wrapped by keys not on the keyring: {kids}.")
        await verify_keyring(repository, vault, counts)
    finally:
        await repository.close()
    return f"OK; the keyring fits its {count} stored keys"


async def _check_authorization_server(settings: Settings) -> str:
    introspection = IntrospectionAuthenticator(settings)
    try:
        await introspection.start()
        await introspection.authenticate(secrets.token_urlsafe())
    except InvalidToken:
        return "OK; it accepts this gateway's credentials"
    finally:
        await introspection.close()
    raise ConfigurationError("the endpoint accepted an invalid token.")

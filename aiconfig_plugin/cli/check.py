"""The command that tries each part that a gateway needs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TextIO

import click

from aiconfig_plugin.access import ActiveToken, MetadataUnavailable, TokenAuthenticator
from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.cli.catalog import summary
from aiconfig_plugin.cli.messages import describe
from aiconfig_plugin.composition import open_authenticator, open_policy, open_stores, open_vault
from aiconfig_plugin.domain import use_primaries, verify_keyring
from aiconfig_plugin.errors import (
    AIConfigError,
    ConfigurationError,
    KeyUnreadable,
    UserRequired,
)
from aiconfig_plugin.settings import Settings, variable


@click.command("check")
@click.option(
    "--token-file",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Also say what an access token is worth here; - is standard input.",
)
def check_command(token_file: TextIO | None) -> int:
    """Check settings, keyring, store and authorization server."""
    return asyncio.run(_run_check(token_file.read().strip() if token_file else None))


async def _run_check(token: str | None) -> int:
    try:
        settings = Settings.from_env()
    except ConfigurationError as err:
        _report("settings", f"FAILED: {err.detail}")
        return 1
    _report("settings", "OK")
    checks: dict[str, Callable[[Settings], Awaitable[str]]] = {
        "keyring": _check_keyring,
        "store": _check_store,
        "authorization server": _check_authorization_server,
    }
    if settings.catalog or settings.shared_keys:
        checks["catalogue"] = _check_catalog
    if token is not None:
        checks["token"] = functools.partial(_check_token, token)
    failed = 0
    for name, check in checks.items():
        try:
            _report(name, await check(settings))
        except AIConfigError as err:
            failed = 1
            told = f" {err.tried}" if isinstance(err, MetadataUnavailable) else ""
            _report(name, f"FAILED: {describe(err)}{told}")
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
    stores = open_stores(settings)
    repository = stores.repository
    try:
        await stores.start()
        stored = f"stored keys (owners: {await repository.count_owners()})"
        try:
            vault = open_vault(settings)
        except ConfigurationError:
            return f"reachable; {stored} not verified"
        kids = await repository.kids()
        if unreadable := [kid for kid in kids if not vault.has_key(kid)]:
            counts = {kid: await repository.count_owners(kid) for kid in unreadable}
            told = ", ".join(f"{kid} (owners: {count})" for kid, count in counts.items())
            raise KeyUnreadable(f"stored keys are wrapped by keys not on the keyring: {told}.")
        await use_primaries(stores.gateways, vault)
        await verify_keyring(repository, vault, kids)
    finally:
        await stores.close()
    return f"OK; the keyring fits the {stored}"


async def _check_authorization_server(settings: Settings) -> str:
    async with _authenticator(settings) as authenticator:
        return f"OK; {await authenticator.probe()}"


async def _check_token(token: str, settings: Settings) -> str:
    """Say who a token stands for, or raise the rule that refuses it."""
    async with _authenticator(settings) as authenticator:
        active = await authenticator.look_up(token)
    if active.principal.subject is None:
        raise UserRequired(f"It stands for no user ({variable('subject_claim')}).")
    return f"OK; {_told(active)}"


def _told(active: ActiveToken) -> str:
    principal = active.principal
    return "; ".join(
        [
            f"subject {principal.subject}",
            f"client {principal.client_id or 'not named'}",
            f"scopes {' '.join(sorted(principal.scopes)) or 'none'}",
            *(["bound to a key (DPoP)"] if active.bound_to else []),
        ]
    )


@asynccontextmanager
async def _authenticator(settings: Settings) -> AsyncIterator[TokenAuthenticator]:
    authenticator = open_authenticator(settings)
    try:
        await authenticator.start()
        yield authenticator
    finally:
        await authenticator.close()

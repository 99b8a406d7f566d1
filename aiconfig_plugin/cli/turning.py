"""The part of the command line that turns keys: by the file alone, or for all gateways at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click

from aiconfig_plugin.composition import open_stores, open_vault
from aiconfig_plugin.domain import (
    Progress,
    Stores,
    Waiting,
    activate,
    await_writers,
    record_audit,
    retire,
)
from aiconfig_plugin.errors import ConfigurationError, KeyInUse
from aiconfig_plugin.keys import Keyring, promote_keys, retirable, retire_keys
from aiconfig_plugin.settings import Settings

_SETTLING = 30.0
"""Seconds for which all gateways may take to write with another key."""

_file = click.argument("file", type=click.Path(path_type=Path))
_kid = click.argument("kid", required=False)


@click.command("activate")
@_kid
@click.option(
    "--expect",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Wait for at least N gateways.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up after that; then nothing has changed.",
)
def activate_command(kid: str | None, expect: int, timeout: float) -> None:
    """Make KID, or the newest key of each kind, primary in every gateway.

    Waits until every live gateway has it. AICONFIG_KEYRING names the keyring.
    """
    settings = Settings.from_env()
    keyring = open_vault(settings).keyring
    asyncio.run(_activate(settings, keyring, _chosen(keyring, kid), expect, timeout))


def _chosen(keyring: Keyring, kid: str | None) -> Sequence[str]:
    if kid is None:
        return [[*keyring.storage][-1], [*keyring.sealing][-1]]
    if kid not in keyring.kids:
        raise ConfigurationError(f"There is no key {kid} on the keyring.")
    return [kid]


async def _activate(
    settings: Settings, keyring: Keyring, kids: Sequence[str], expect: int, timeout: float
) -> None:
    storage = next((kid for kid in kids if kid in keyring.storage), None)
    sealing = next((kid for kid in kids if kid in keyring.sealing), None)
    superseded = {
        *(keyring.storage if storage else ()),
        *(keyring.sealing if sealing else ()),
    }.difference(kids)
    async with _opened(settings) as stores:
        await activate(
            stores.gateways,
            storage=storage,
            sealing=sealing,
            expect=expect,
            waiting=Waiting(timeout),
            report=_Report(),
        )
        click.echo(f"Activated {', '.join(kids)}. Next: 'aiconfig rotate'.")
        # A rotation that began before would leave what they still write.
        left = await await_writers(stores.gateways, superseded, waiting=Waiting(_SETTLING))
    for gateway in left:
        click.echo(f"Still writes with a key from before: {gateway}", err=True)


class _Report:
    """Prints how many gateways have a key, when it changes."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def __call__(self, progress: Sequence[Progress]) -> None:
        for each in progress:
            line = f"{each.kid} [{each.holding}/{each.total}]"
            if each.lacking:
                line += f"  waiting for {', '.join(map(str, each.lacking))}"
            if self._told.get(each.kid) != line:
                click.echo(line)
            self._told[each.kid] = line


@click.command("promote")
@_file
@_kid
def promote_command(file: Path, kid: str | None) -> None:
    """Mark KID, or the newest key of each kind, as primary in FILE.

    Refused where the gateways go by 'aiconfig keyring activate' instead.
    """
    settings = Settings.from_env()
    if settings.mongodb_uri and asyncio.run(_is_activated(settings)):
        raise ConfigurationError(
            "The database says which key is primary, and the mark in a file counts no more: run "
            f"'aiconfig keyring activate{f' {kid}' if kid else ''}'."
        )
    promoted = promote_keys(file, kid)
    click.echo(f"Promoted {', '.join(promoted)}. When every gateway has this keyring, rotate.")


async def _is_activated(settings: Settings) -> bool:
    async with _opened(settings) as stores:
        return bool((await stores.gateways.keys()).primaries)


@click.command("retire")
@_file
@_kid
def retire_command(file: Path, kid: str | None) -> None:
    """Remove KID, or all keys that are older than a primary.

    Refused while a stored key still uses one of them, or a gateway writes with it.
    """
    kids = asyncio.run(_retire(Settings.from_env(), file, kid))
    click.echo(f"Retired {', '.join(kids)}." if kids else "No keys to retire.")


async def _retire(settings: Settings, file: Path, kid: str | None) -> Sequence[str]:
    async with _opened(settings) as stores:
        primaries = (await stores.gateways.keys()).primaries
        kids = retirable(file, kid, primaries)
        if kids:
            try:
                await retire(stores.gateways, stores.repository, kids, waiting=Waiting(_SETTLING))
            except KeyInUse as err:
                record_audit("retire", None, changed=err.kids, refused=err)
                raise
            retire_keys(file, kids, primaries)
        return kids


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Stores]:
    stores = open_stores(settings)
    try:
        await stores.start()
        yield stores
    finally:
        await stores.close()

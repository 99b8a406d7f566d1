"""The command that brings the database up to date."""

from __future__ import annotations

import asyncio

import click

from aiconfig_plugin.composition import open_mongo_stores
from aiconfig_plugin.settings import Settings


@click.command("migrate")
def migrate_command() -> None:
    """Make collections, validators and indexes, or bring them up to date.

    The database's user needs the role dbAdmin on the database.
    """
    for change in asyncio.run(_migrate()) or ["nothing to change"]:
        click.echo(f"{change[0].upper()}{change[1:]}.")


async def _migrate() -> list[str]:
    stores = open_mongo_stores(Settings.from_env())
    try:
        return await stores.migrate()
    finally:
        await stores.close()

"""The part of the command line that is about one owner: requests about data, renamed users."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import click

from aiconfig_plugin.composition import open_stores, open_vault
from aiconfig_plugin.domain import (
    AIConfig,
    AIConfigService,
    KeyUseRecorder,
    KeyVault,
    ModelEntry,
    Owner,
    Stores,
    move,
    record_audit,
    use_primaries,
)
from aiconfig_plugin.errors import ConfigurationError, KeyUnreadable
from aiconfig_plugin.http import INCLUDES, represent
from aiconfig_plugin.settings import Settings, variable

_subject = click.argument("subject")
_issuer = click.option("--issuer", help="Another issuer than AICONFIG_ISSUER.")


@click.group("owner", no_args_is_help=False)
def owner_command() -> None:
    """Show, export, delete or move the data of one user.

    SUBJECT is the subject of the user's access tokens.
    """


@owner_command.command("show")
@_subject
@_issuer
def _show(subject: str, issuer: str | None) -> None:
    """Show what is stored, without keys and without the text of the prompt."""
    settings = Settings.from_env()
    owner = _owner(settings, subject, issuer)

    async def show() -> None:
        async with _opened(settings) as (stores, vault):
            for line in _describe(owner, await stores.repository.read(owner), vault):
                click.echo(line)

    asyncio.run(show())


def _describe(owner: Owner, config: AIConfig, vault: KeyVault) -> Iterator[str]:
    yield f"issuer         {owner.issuer}"
    yield f"subject        {owner.subject}"
    yield f"revision       {config.revision}"
    yield f"system prompt  {len(config.system_prompt)} characters"
    for position, entry in enumerate(config.models):
        yield f"{f'/models/{position}':<13}  {_describe_entry(entry, vault)}"


def _describe_entry(entry: ModelEntry, vault: KeyVault) -> str:
    parts = [
        f"{entry.provider} {entry.model} ({entry.type})",
        "paid" if entry.is_paid else "free",
        f"key {vault.state(entry.key).value}",
        *(f"{name} {json.dumps(value)}" for name, value in entry.optional_members.items()),
    ]
    return ", ".join(parts)


@owner_command.command("export")
@_subject
@_issuer
def _export(subject: str, issuer: str | None) -> None:
    """Print all that is stored as JSON, API keys as ciphertext."""
    settings = Settings.from_env()
    owner = _owner(settings, subject, issuer)

    async def export() -> None:
        async with _opened(settings) as (stores, vault):
            config = await stores.repository.read(owner)
            key_use = KeyUseRecorder(stores.key_use)
            service = AIConfigService(stores.repository, vault, None, key_use)
            uses = await service.key_use(owner, config)
        record_audit("read-keys", owner, config.revision)
        names = ("apiKeyEncrypted", "keyState", "keyUse")
        include = {name: INCLUDES[name](service, uses) for name in names}
        whose = {"issuer": owner.issuer, "subject": owner.subject, "revision": config.revision}
        click.echo(json.dumps({**whose, **represent(config, include)}, indent=2))

    asyncio.run(export())


@owner_command.command("delete")
@_subject
@_issuer
@click.option("--yes", is_flag=True, help="Do not ask.")
def _delete(subject: str, issuer: str | None, yes: bool) -> None:
    """Delete all that is stored."""
    settings = Settings.from_env()
    owner = _owner(settings, subject, issuer)
    if not yes:
        click.confirm(f"Delete all data of {owner.subject} ({owner.issuer})?", abort=True, err=True)

    async def delete() -> None:
        async with _opened(settings) as (stores, vault):
            key_use = KeyUseRecorder(stores.key_use)
            await AIConfigService(stores.repository, vault, None, key_use).delete(owner)
            await key_use.flush()
        click.echo(f"Deleted the configuration of {owner.subject}.")

    asyncio.run(delete())


@owner_command.command("move")
@_subject
@click.argument("new_subject")
@_issuer
@click.option("--to-issuer", help="The issuer of NEW_SUBJECT; the same without it.")
@click.option("--drop-unreadable", is_flag=True, help="Leave keys behind that do not decrypt.")
def _move(
    subject: str,
    new_subject: str,
    issuer: str | None,
    to_issuer: str | None,
    drop_unreadable: bool,
) -> None:
    """Give all that is stored to NEW_SUBJECT, who must have nothing yet.

    API keys are re-encrypted for the new owner. A move that was interrupted may be run again.
    """
    settings = Settings.from_env()
    owner = _owner(settings, subject, issuer)
    new_owner = Owner(to_issuer or owner.issuer, new_subject)
    if new_owner == owner:
        raise ConfigurationError("The new owner is the old one.")

    async def run() -> None:
        async with _opened(settings) as (stores, vault):
            try:
                moved = await move(
                    stores.repository, vault, owner, new_owner, drop_unreadable=drop_unreadable
                )
            except KeyUnreadable as err:
                hint = "--drop-unreadable leaves them behind."
                raise KeyUnreadable(f"{err.detail} {hint}") from None
            await stores.key_use.forget([owner])
        keys = sum(entry.key is not None for entry in moved.models)
        click.echo(f"Moved {len(moved.models)} entries with {keys} API keys to {new_subject}.")

    asyncio.run(run())


def _owner(settings: Settings, subject: str, issuer: str | None) -> Owner:
    issuer = issuer or settings.issuer
    if not issuer:
        raise ConfigurationError(f"{variable('issuer')} is not set: set it, or give --issuer.")
    return Owner(issuer, subject)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Stores, KeyVault]]:
    vault, stores = open_vault(settings), open_stores(settings)
    try:
        await stores.start()
        await use_primaries(stores.gateways, vault)
        yield stores, vault
    finally:
        await stores.close()

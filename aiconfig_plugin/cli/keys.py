"""The part of the command line that is about keys: the keyring, sealing, rotation."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx2

from aiconfig_plugin.cli.turning import activate_command, promote_command, retire_command
from aiconfig_plugin.client import seal
from aiconfig_plugin.composition import open_stores, open_vault
from aiconfig_plugin.domain import count_others, rotate, use_primaries
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys import (
    Vault,
    add_keys,
    create_keyring,
    load_keyring,
    wrap_keyring,
)
from aiconfig_plugin.settings import Settings

_file = click.argument("file", type=click.Path(path_type=Path))
_kid = click.argument("kid", required=False)
_KEK = "Key that opens the envelope: hashivault://NAME, awskms:///KEY or awskms://ENDPOINT/KEY."


@click.group("keyring", no_args_is_help=False)
def keyring_command() -> None:
    """Create and rotate a keyring file."""


for _command in (activate_command, promote_command, retire_command):
    keyring_command.add_command(_command)


@keyring_command.command("create")
@_file
@click.option("--kek", metavar="URI", help=_KEK)
def _create(file: Path, kek: str | None) -> None:
    """Create a keyring FILE; with --kek an envelope that its key opens."""
    create_keyring(file, kek)
    click.echo(f"Created {file}. Back it up apart from the database.")


@keyring_command.command("wrap")
@_file
@click.option("--kek", metavar="URI", required=True, help=_KEK)
def _wrap(file: Path, kek: str) -> None:
    """Put a keyring FILE into an envelope, or from one into another."""
    wrap_keyring(file, kek)
    click.echo(f"Wrapped {file} with {kek}. Copies of it from before open without that key.")


@keyring_command.command("add")
@_file
def _add(file: Path) -> None:
    """Add a key of each kind without activating it."""
    added = add_keys(file)
    click.echo(f"Added {', '.join(added)}. Distribute the keyring, then activate them.")


@keyring_command.command("list")
@_file
def _list(file: Path) -> None:
    """List the keys, without key material."""
    keyring = load_keyring(file)
    for kid in keyring.storage:
        click.echo(f"{kid}  storage{'  primary' if kid == keyring.primary else ''}")
    for kid in keyring.sealing:
        click.echo(f"{kid}  sealing{'  primary' if kid == keyring.primary_sealing else ''}")


@click.command("seal")
@click.argument("document", type=click.Path())
@click.option("--provider", metavar="NAME", help="Seal for entries of this provider alone.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with the access token that a URL needs; it is never an argument.",
)
def seal_command(document: str, provider: str | None, token_file: Path | None) -> None:
    """Seal an API key that is read from standard input.

    DOCUMENT is the response of the encryption-key route: a file, or the URL of the route.
    """
    recipient = _recipient(document, token_file)
    try:
        if sys.stdin.isatty():
            api_key = click.prompt("API key", hide_input=True, err=True)
        else:
            api_key = sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError("Standard input holds no API key in UTF-8.") from None
    try:
        click.echo(seal(recipient, api_key, provider=provider))
    except ValueError as err:
        raise ConfigurationError(f"{err}.") from None


def _recipient(document: str, token_file: Path | None) -> Any:
    try:
        if document.startswith(("https://", "http://")):
            return json.loads(_fetch(document, token_file))
        return json.loads(Path(document).read_bytes())
    except OSError as err:
        raise ConfigurationError(f"{document}: {err.strerror}.") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{document}: this is not JSON.") from None


def _fetch(url: str, token_file: Path | None) -> bytes:
    headers = {"Authorization": f"Bearer {_token(token_file)}"} if token_file else {}
    try:
        response = httpx2.get(url, headers=headers, timeout=10)  # follows no redirect
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as err:
        why = re.sub(r"\[Errno -?\d+\] ", "", str(err)).rstrip(".") or type(err).__name__
        raise ConfigurationError(f"{url!r}: {why}.") from None
    if response.status_code != 200:
        hint = "; --token-file names a file with a valid access token"
        told = hint if response.status_code == 401 else ""
        raise ConfigurationError(f"{url}: HTTP {response.status_code}{told}.")
    return response.content


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        token = ""
    except OSError as err:
        raise ConfigurationError(f"{file}: {err.strerror}.") from None
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):
        raise ConfigurationError(f"{file}: this is not one access token.")
    return token


@click.command("rotate")
@click.option("--dry-run", is_flag=True, help="Count stored keys by kid, change nothing.")
def rotate_command(dry_run: bool) -> int:
    """Re-encrypt every stored key with the primary."""
    return asyncio.run(_rotate(dry_run=dry_run))


async def _rotate(*, dry_run: bool) -> int:
    settings = Settings.from_env()
    vault, stores = open_vault(settings), open_stores(settings)
    repository = stores.repository
    try:
        await stores.start()
        await use_primaries(stores.gateways, vault)
        if dry_run:
            counts = await repository.count_by_kid()
            if not counts:
                click.echo("No keys are stored.")
            for kid, count in counts.items():
                click.echo(f"{kid}  {count} stored keys  {_key_status(vault, kid)}")
            return 0
        others = await count_others(repository, vault)
        total = sum(count for kid, count in others.items() if vault.has_key(kid))
        with _progress(total) as progress:
            done = await rotate(repository, vault, progress=progress)
    finally:
        await stores.close()
    click.echo(f"{done.rewrapped} stored keys were re-encrypted with {vault.primary}.")
    for kid, count in done.left.items():
        click.echo(f"{count} are left as they are, wrapped by {kid}: {_key_status(vault, kid)}.")
    return 1 if done.left else 0


def _key_status(vault: Vault, kid: str) -> str:
    if kid == vault.primary:
        return "primary"
    return "on the keyring" if vault.has_key(kid) else "NOT on the keyring"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show progress in stored keys: a bar on a terminal, a line for each tenth elsewhere."""
    if sys.stderr.isatty():
        with click.progressbar(length=total, show_pos=True, file=sys.stderr) as bar:
            yield bar.update
        return
    done = 0

    def report(keys: int) -> None:
        nonlocal done
        tenths = 10 * done // max(total, 1)
        done += keys
        if 10 * done // max(total, 1) > tenths:
            click.echo(f"{done} of {total} stored keys", err=True)

    yield report

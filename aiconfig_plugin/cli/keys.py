"""The part of the command line that is about keys: the keyring, sealing, rotation."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import shtab
from tqdm import tqdm

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import count_others, rotate
from aiconfig_plugin.errors import ConfigurationError, KeyInUse
from aiconfig_plugin.keys import (
    Vault,
    add_keys,
    create_keyring,
    load_keyring,
    promote_keys,
    retirable,
    retire_keys,
)
from aiconfig_plugin.plugin import open_repository, open_vault
from aiconfig_plugin.settings import Settings


def add_key_commands(commands: Any) -> None:
    """Add ``keyring``, ``seal`` and ``rotate`` to the parser of the command line."""
    keyring = commands.add_parser("keyring", help="makes and turns a keyring file")
    actions = keyring.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("create", _keyring_create, "make a new keyring"),
        ("add", _keyring_add, "add a key of each kind, not used for new things yet"),
        ("promote", _keyring_promote, "use KID, or the newest of each kind, for new things"),
        ("retire", _keyring_retire, "remove KID, or all that are older than a primary"),
        ("list", _keyring_list, "show the keys, without what is secret"),
    ):
        action = actions.add_parser(name, help=text)
        _complete_files(action.add_argument("file", type=Path, metavar="FILE", help="the keyring"))
        if name in ("promote", "retire"):
            action.add_argument("kid", nargs="?", metavar="KID", help="one that list shows")
        action.set_defaults(run=run)

    seal = commands.add_parser("seal", help="seal an API key read from standard input")
    document = seal.add_argument(
        "document",
        metavar="DOCUMENT",
        help="what the encryption-key route answered: a file, or the URL of the route",
    )
    token_file = seal.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the access token for a URL; it is never an argument",
    )
    seal.add_argument(
        "--provider",
        metavar="NAME",
        help="the provider of the entry the key is for; no other entry takes it then",
    )
    _complete_files(document, token_file)
    seal.set_defaults(run=_seal)

    rotate = commands.add_parser("rotate", help="wrap every stored key by the primary")
    rotate.add_argument("--dry-run", action="store_true", help="count by kid, change nothing")
    rotate.set_defaults(run=_rotate)


def _complete_files(*actions: argparse.Action) -> None:
    """Let the shell's completion, which shtab writes, offer files."""
    for action in actions:
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def _keyring_create(arguments: argparse.Namespace) -> int:
    create_keyring(arguments.file)
    print(f"{arguments.file} is made. Keep a copy of it apart from the database's.")
    return 0


def _keyring_add(arguments: argparse.Namespace) -> int:
    added = add_keys(arguments.file)
    print(f"Added {', '.join(added)}. When every gateway has this keyring, promote them.")
    return 0


def _keyring_promote(arguments: argparse.Namespace) -> int:
    promoted = promote_keys(arguments.file, arguments.kid)
    print(f"Promoted {', '.join(promoted)}. When every gateway has this keyring, rotate.")
    return 0


def _keyring_retire(arguments: argparse.Namespace) -> int:
    kids = retirable(arguments.file, arguments.kid)
    if not kids:
        print("No key is older than a primary.")
        return 0
    counts = asyncio.run(_counts())
    used = {kid: counts[kid] for kid in kids if counts.get(kid)}
    if used:
        counted = ", ".join(f"{kid} wraps {count} stored keys" for kid, count in used.items())
        raise KeyInUse(f"{counted}. Run 'aiconfig rotate' first.")
    retire_keys(arguments.file, kids)
    print(f"Retired {', '.join(kids)}.")
    return 0


async def _counts() -> Mapping[str, int]:
    repository = open_repository(Settings.from_env())
    try:
        await repository.start()
        return await repository.count_by_kid()
    finally:
        await repository.close()


def _keyring_list(arguments: argparse.Namespace) -> int:
    keyring = load_keyring(arguments.file)
    for kid in keyring.storage:
        print(f"{kid}  storage{'  primary' if kid == keyring.primary else ''}")
    for kid in keyring.sealing:
        print(f"{kid}  sealing{'  primary' if kid == keyring.primary_sealing else ''}")
    return 0


def _seal(arguments: argparse.Namespace) -> int:
    document = _recipient(arguments)
    try:
        if sys.stdin.isatty():
            api_key = getpass.getpass("API key: ")
        else:
            api_key = sys.stdin.readline().rstrip("\r\n")
    except (EOFError, UnicodeDecodeError):
        raise ConfigurationError("Standard input holds no API key in UTF-8.") from None
    try:
        print(seal(document, api_key, provider=arguments.provider))
    except ValueError as err:
        raise ConfigurationError(f"{err}.") from None
    return 0


def _recipient(arguments: argparse.Namespace) -> Any:
    name = arguments.document
    try:
        if name.startswith(("https://", "http://")):
            return json.loads(_fetch(name, arguments.token_file))
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{name}: this is not JSON.") from None
    except (OSError, HTTPException) as err:  # urllib's errors are OSErrors too.
        raise ConfigurationError(f"{name}: {_why(err)}.") from None


def _why(err: OSError | HTTPException) -> str:
    if isinstance(err, HTTPError) and err.code == 401:
        return "HTTP 401; --token-file names a file with a valid access token"
    if isinstance(err, URLError) and isinstance(err.reason, OSError):
        err = err.reason
    told = err.strerror if isinstance(err, OSError) else None
    return told or " ".join(str(err).split()) or type(err).__name__


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """The token is for the URL that was given, and goes nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _fetch(url: str, token_file: Path | None) -> bytes:
    headers = {"Authorization": f"Bearer {_token(token_file)}"} if token_file else {}
    try:
        request = urllib.request.Request(url, headers=headers)
        opener = urllib.request.build_opener(_NoRedirection)
        with opener.open(request, timeout=10) as response:
            return bytes(response.read())
    except ValueError as err:
        raise ConfigurationError(f"{url!r} is not a URL that can be fetched.") from err


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


def _rotate(arguments: argparse.Namespace) -> int:
    return asyncio.run(_run_rotate(dry_run=arguments.dry_run))


async def _run_rotate(*, dry_run: bool) -> int:
    settings = Settings.from_env()
    vault, repository = open_vault(settings), open_repository(settings)
    try:
        await repository.start()
        if dry_run:
            counts = await repository.count_by_kid()
            if not counts:
                print("No keys are stored.")
            for kid, count in counts.items():
                print(f"{kid}  {count} stored keys  {_standing(vault, kid)}")
            return 0
        others = await count_others(repository, vault)
        total = sum(count for kid, count in others.items() if vault.holds(kid))
        with _progress(total) as progress:
            done = await rotate(repository, vault, progress=progress)
    finally:
        await repository.close()
    print(f"{done.rewrapped} stored keys were wrapped anew by {vault.primary}.")
    for kid, count in done.left.items():
        print(f"{count} are left as they are, wrapped by {kid}: {_standing(vault, kid)}.")
    return 1 if done.left else 0


def _standing(vault: Vault, kid: str) -> str:
    if kid == vault.primary:
        return "primary"
    return "on the keyring" if vault.holds(kid) else "NOT on the keyring"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show progress in stored keys: a bar on a terminal, a line for each tenth elsewhere."""
    if sys.stderr.isatty():
        with tqdm(total=total, unit="key") as bar:
            yield lambda keys: None if bar.update(keys) else None
        return
    done = 0

    def report(keys: int) -> None:
        nonlocal done
        tenths = 10 * done // max(total, 1)
        done += keys
        if 10 * done // max(total, 1) > tenths:
            print(f"{done} of {total} stored keys", file=sys.stderr, flush=True)

    yield report

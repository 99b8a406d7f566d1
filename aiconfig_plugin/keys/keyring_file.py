"""Create and change a keyring file: add, promote and retire keys, put it into an envelope.

The order that is safe while many gateways run is: add on every gateway, then activate for all (or
promote on every gateway), then rotate, then retire. Each change replaces the file at once or not at
all. An envelope stays one, with a new key each time.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, BinaryIO, TypeAlias

from joserfc.jwk import ECKey, OctKey

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys.envelope import seal_envelope
from aiconfig_plugin.keys.keyring import STORAGE_KEY_BYTES, keyring_of, load_keyring, open_document
from aiconfig_plugin.private_file import read_private_file

JWK: TypeAlias = dict[str, Any]
Path: TypeAlias = "str | os.PathLike[str]"


def create_keyring(path: Path, kek: str | None = None) -> None:
    """Write a new keyring of one storage key and one sealing key, with mode 0600.

    With ``kek``, the URI of a key encryption key, it is an envelope. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError` when the file exists or cannot be written;
    so does everything here.
    """
    content = _content([{**key, "primary": True} for key in _new_pair()], kek)
    try:
        with open(_create(path), "wb") as file:
            _write(file, content)
    except OSError as err:
        raise ConfigurationError(f"{os.fspath(path)}: {err.strerror}.") from None


def wrap_keyring(path: Path, kek: str) -> None:
    """Put the keyring into an envelope of this KEK, out of the envelope of another if it is in one.

    The blocks of the file before may still be on the disk.
    """
    with _locked_update(path, kek):
        pass


def add_keys(path: Path) -> list[str]:
    """Add a storage key and a sealing key without activating them; return their ``kid``."""
    pair = _new_pair()
    with _locked_update(path) as keys:
        keys += pair
    return [key["kid"] for key in pair]


def promote_keys(path: Path, kid: str | None = None) -> list[str]:
    """Make ``kid``, or without it the newest key of each kind, the primary of its kind.

    Returns the ``kid`` of what was promoted.
    """
    with _locked_update(path) as keys:
        chosen = [_named(path, keys, kid)] if kid else _newest(keys)
        _mark(keys, chosen)
        return [key["kid"] for key in chosen]


def retirable(path: Path, kid: str | None = None, chosen: Collection[str] = ()) -> list[str]:
    """Return what :func:`retire_keys` would remove: ``kid``, or every key older than a primary.

    ``chosen`` are primaries that count in place of the marks. A primary cannot be retired.
    """
    keyring = load_keyring(path)
    for primary in chosen:
        keyring = keyring.with_primary(primary)
    primaries = (keyring.primary, keyring.primary_sealing)
    if kid:
        if kid in primaries:
            raise ConfigurationError(f"{kid} is a primary; activate another key first.")
        if kid not in keyring.kids:
            raise _no_such_key(path, kid)
        return [kid]
    older = []
    for kids, primary in zip((keyring.storage, keyring.sealing), primaries, strict=True):
        older += list(kids)[: list(kids).index(primary)]
    return older


def retire_keys(path: Path, kids: Collection[str], chosen: Collection[str] = ()) -> None:
    """Remove these keys. What they encrypt cannot be decrypted any more: count it first.

    ``chosen`` are primaries that count in place of the marks; they are marked. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError` for a primary.
    """
    with _locked_update(path) as keys:
        _mark(keys, [_named(path, keys, kid) for kid in chosen])
        keyring = keyring_of({"keys": keys})
        for kid in {keyring.primary, keyring.primary_sealing}.intersection(kids):
            raise ConfigurationError(f"{kid} is a primary; activate another key first.")
        keys[:] = [key for key in keys if key["kid"] not in kids]


def _mark(keys: list[JWK], primaries: list[JWK]) -> None:
    """Mark the primaries of their kinds."""
    for key in keys:
        if any(key["kty"] == primary["kty"] for primary in primaries):
            key.pop("primary", None)
    for key in primaries:
        key["primary"] = True


def _new_pair() -> list[JWK]:
    storage = OctKey.generate_key(
        STORAGE_KEY_BYTES * 8, {"kid": _new_kid(), "use": "enc", "alg": "A256KW"}
    )
    sealing = ECKey.generate_key("P-256", {"kid": _new_kid(), "use": "enc", "alg": "ECDH-ES"})
    return [dict(key.as_dict(private=True)) for key in (storage, sealing)]


def _new_kid() -> str:
    return f"{datetime.now(timezone.utc):%Y-%m-%d}-{secrets.token_hex(4)}"


def _newest(keys: list[JWK]) -> list[JWK]:
    return list({key["kty"]: key for key in keys}.values())


def _named(path: Path, keys: list[JWK], kid: str) -> JWK:
    for key in keys:
        if key["kid"] == kid:
            return key
    raise _no_such_key(path, kid)


def _no_such_key(path: Path, kid: str) -> ConfigurationError:
    return ConfigurationError(f"{os.fspath(path)}: there is no key {kid}.")


@contextmanager
def _locked_update(path: Path, new_kek: str | None = None) -> Iterator[list[JWK]]:
    """Give the keys of a valid keyring, and replace the file by what became of them."""
    # The file behind a link is replaced, not the link.
    target = os.path.realpath(path)
    draft = f"{target}.new"
    with _lock(target):
        keys, kek = _read(path)
        try:
            _unlink(draft)  # A command that was killed has left it.
            descriptor = _create(draft)
        except OSError as err:
            raise ConfigurationError(f"{draft}: {err.strerror}.") from None
        try:
            with open(descriptor, "wb") as file:
                yield keys
                _write(file, _content(keys, new_kek or kek))
            load_keyring(draft)
            # Its readers may be a group, as those of a file that belongs to root.
            access = os.stat(target)
            if (access.st_uid, access.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(draft, access.st_uid, access.st_gid)
            os.chmod(draft, stat.S_IMODE(access.st_mode))
            os.replace(draft, target)
        finally:
            _unlink(draft)


def _read(path: Path) -> tuple[list[JWK], str | None]:
    """Return the keys of a keyring, and the KEK if it is in an envelope."""
    try:
        document, kek = open_document(read_private_file(path))
        keyring_of(document)
    except ConfigurationError as err:
        raise ConfigurationError(f"{os.fspath(path)}: {err.detail}") from None
    return document["keys"], kek


def _content(keys: list[JWK], kek: str | None) -> bytes:
    document: Mapping[str, Any] = {"keys": keys}
    if kek is not None:
        document = seal_envelope(document, kek)
    return f"{json.dumps(document, indent=2)}\n".encode()


@contextmanager
def _lock(target: str) -> Iterator[None]:
    """Keep other commands from changing the file; the lock ends with the process at the latest."""
    while True:
        try:
            file = open(target, "rb")
        except OSError as err:
            raise ConfigurationError(f"{target}: {err.strerror}.") from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # While this command waited, another one may have put a new file in its place.
            if os.path.samestat(os.fstat(file.fileno()), os.stat(target)):
                yield
                return


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _write(file: BinaryIO, content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())

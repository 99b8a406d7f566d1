"""Files that settings name. One with key material is read only where others cannot read it."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from typing import BinaryIO, TypeAlias

from aiconfig_plugin.errors import ConfigurationError

PathLike: TypeAlias = "str | os.PathLike[str]"

ROOT = 0


def read_file(path: PathLike) -> bytes:
    """Return the content of a file.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which leaves it to the caller to
    name the setting and the file.
    """
    try:
        with _open(path) as file:
            return file.read()
    except OSError as err:
        raise ConfigurationError(f"{err.strerror}.") from None


def read_private_file(path: PathLike) -> bytes:
    """Return the content of a file that nobody else has a right to.

    It belongs to the user of this process, and its mode is 0600 or stricter; or it belongs to root
    and its mode is 0640 or stricter. This is PostgreSQL's rule for the private key of its server;
    what Kubernetes (``fsGroup``) and systemd (``LoadCredential=``) provide satisfies it. Raises as
    :func:`read_file` does; the message has owner and mode, and the command that sets them right.
    """
    try:
        with _open(path) as file:
            status = os.fstat(file.fileno())
            wanted = wanted_access(status.st_uid, status.st_mode, os.geteuid())
            if wanted is not None:
                raise ConfigurationError(_describe(path, status, *wanted))
            return file.read()
    except OSError as err:
        raise ConfigurationError(f"{err.strerror}.") from None


def wanted_access(owner: int, mode: int, user: int) -> tuple[int, int] | None:
    """Return the owner and the mode that a private file must get; None where it is private.

    ``user`` is the one that is to read it.
    """
    if owner == user and not mode & 0o077:
        return None
    if owner == ROOT:
        return (ROOT, 0o600 if user == ROOT else 0o640) if mode & 0o037 else None
    return user, 0o600


def _open(path: PathLike) -> BinaryIO:
    # A pipe without a writer would block for ever.
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ConfigurationError("it is not a regular file.")
    return file


def _describe(path: PathLike, status: os.stat_result, owner: int, mode: int) -> str:
    found = stat.S_IMODE(status.st_mode)
    name = shlex.quote(os.fspath(path))
    chown = "" if status.st_uid == owner else f"chown {_user(owner)} {name} && "
    return (
        f"it belongs to {_user(status.st_uid)} and has mode {found:04o}; it must belong to "
        f"{_user(os.geteuid())} with mode 0600 or stricter, or to root with mode 0640 or stricter. "
        f"Run: {chown}chmod {mode:04o} {name}"
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container
        return str(uid)

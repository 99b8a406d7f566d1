"""Files that settings name. One with key material is read only where others cannot read it."""

from __future__ import annotations

import os
import stat

from aiconfig_plugin.errors import ConfigurationError


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a file.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which leaves it to the caller to
    name the setting and the file.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as err:
        raise ConfigurationError(f"{err.strerror}.") from None


def read_private_file(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a file of mode 0600 or stricter; raises as :func:`read_file` does."""
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigurationError(
                    f"others may read or write it (mode {mode:04o}); it must be 0600 or stricter."
                )
            return file.read()
    except OSError as err:
        raise ConfigurationError(f"{err.strerror}.") from None

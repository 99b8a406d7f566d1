"""Wrap and unwrap a key with the key encryption key (KEK) that a URI names, within 5 seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, TimeoutError
from threading import Thread
from typing import Protocol, TypeVar

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.kms.aws import AWSKey
from aiconfig_plugin.kms.transit import TransitKey

TIMEOUT = 5.0
"""Seconds for one call, whatever its parts take."""

T = TypeVar("T")


class KEK(Protocol):
    """A key that does not leave its service. Raises ``ConfigurationError`` without its URI."""

    def wrap(self, key: bytes) -> str:
        """Return ``key`` wrapped, for the purpose of a keyring."""

    def unwrap(self, wrapped: str) -> bytes:
        """Return the key that :meth:`wrap` has wrapped."""


_SCHEMES: Mapping[str, Callable[[str, Mapping[str, str]], KEK]] = {
    "awskms": AWSKey,
    "hashivault": TransitKey,
}


def wrap(kek: str, key: bytes, *, timeout: float = TIMEOUT) -> str:
    """Return ``key`` (32 bytes) wrapped by the KEK of that URI.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which says what happened, and
    holds neither the key nor what authenticates this process at the service.
    """
    service = _open(kek, os.environ)
    return _within(timeout, kek, lambda: service.wrap(key))


def unwrap(kek: str, wrapped: str, *, timeout: float = TIMEOUT) -> bytes:
    """Return the key that :func:`wrap` has wrapped; raises as it does."""
    service = _open(kek, os.environ)
    return _within(timeout, kek, lambda: service.unwrap(wrapped))


def _open(kek: str, environ: Mapping[str, str]) -> KEK:
    scheme, separator, rest = kek.partition("://")
    make = _SCHEMES.get(scheme)
    if make is None or not separator:
        raise ConfigurationError(f"{kek}: must be a URI of {' or '.join(_SCHEMES)}.")
    try:
        return make(rest, environ)
    except ConfigurationError as err:
        raise ConfigurationError(f"{kek}: {err.detail}") from None


def _within(seconds: float, kek: str, call: Callable[[], T]) -> T:
    """Return what ``call`` does, or give it up: the libraries bound the parts of a call alone."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as err:
            outcome.set_exception(err)

    Thread(target=run, name="aiconfig-kms", daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        raise ConfigurationError(f"{kek}: no answer within {seconds:g} s.") from None
    except ConfigurationError as err:
        raise ConfigurationError(f"{kek}: {err.detail}") from None

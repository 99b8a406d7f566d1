"""The keyring: a JWK Set (RFC 7517) with the keys that storage and sealing use.

``oct`` keys wrap what is stored, ``EC`` keys open what clients seal. Of each kind the first one
marked ``"primary": true`` encrypts (the first of all where none is marked), and every one
decrypts. No message here holds key material.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys.envelope import open_envelope
from aiconfig_plugin.private_file import read_private_file
from aiconfig_plugin.settings import variable

# A256KW (RFC 7518 section 4.4) takes a key of exactly this many bytes.
STORAGE_KEY_BYTES = 32
_KID = re.compile(r"[A-Za-z0-9._~-]{1,64}")


@dataclass(frozen=True)
class Keyring:
    """The keys by ``kid``, each kind in the order of the file."""

    storage: Mapping[str, OctKey]
    sealing: Mapping[str, ECKey]
    primary: str
    """The ``kid`` of the storage key that encrypts."""
    primary_sealing: str
    """The ``kid`` of the sealing key that clients are given."""

    @cached_property
    def sealing_jwk(self) -> Mapping[str, Any]:
        """The public half of the sealing key that clients are given (RFC 7517)."""
        public = self.sealing[self.primary_sealing].as_dict(private=False)
        return {**public, "use": "enc", "alg": "ECDH-ES"}

    @property
    def kids(self) -> frozenset[str]:
        """Every key, of each kind."""
        return frozenset((*self.storage, *self.sealing))

    @property
    def primaries(self) -> frozenset[str]:
        """The primary of each kind."""
        return frozenset((self.primary, self.primary_sealing))

    def with_primary(self, kid: str) -> Keyring:
        """Return the same keys with ``kid`` as the primary of its kind.

        Raises :class:`~aiconfig_plugin.errors.ConfigurationError` where it is not among them.
        """
        if kid in self.storage:
            return replace(self, primary=kid)
        if kid in self.sealing:
            return replace(self, primary_sealing=kid)
        raise ConfigurationError(f"it has no key {kid}.")


def load_keyring(path: str | os.PathLike[str]) -> Keyring:
    """Read and check a keyring file.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which names the setting and the
    file, when it is missing, readable by others, malformed, or lacks a key of either kind.
    """
    try:
        return parse_keyring(read_private_file(path))
    except ConfigurationError as err:
        raise ConfigurationError(
            f"{variable('keyring')}: {os.fspath(path)}: {err.detail}"
        ) from None


def parse_keyring(content: bytes) -> Keyring:
    """Return the keyring that this is; raises ``ConfigurationError`` without a place."""
    document, _kek = open_document(content)
    return keyring_of(document)


def keyring_of(document: Any) -> Keyring:
    """Return the keyring of a JWK Set; raises as :func:`parse_keyring` does."""
    jwks = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(jwks, list) or not all(isinstance(jwk, dict) for jwk in jwks):
        raise ConfigurationError("it is not a JWK Set (RFC 7517 section 5).")
    storage: dict[str, OctKey] = {}
    sealing: dict[str, ECKey] = {}
    for number, jwk in enumerate(jwks, start=1):
        kid = jwk.get("kid")
        if not isinstance(kid, str) or not _KID.fullmatch(kid):
            raise ConfigurationError(f"key {number} has no usable kid.")
        if kid in storage or kid in sealing:
            raise ConfigurationError(f"two keys have the kid {kid}.")
        if jwk.get("kty") == "oct":
            storage[kid] = _import(kid, jwk, _storage_key)
        elif jwk.get("kty") == "EC":
            sealing[kid] = _import(kid, jwk, _sealing_key)
        else:
            raise ConfigurationError(f"key {kid} is neither an oct nor an EC key.")
    if not storage:
        raise ConfigurationError("it has no oct key to encrypt with.")
    if not sealing:
        raise ConfigurationError("it has no EC key to seal to.")
    marked = [jwk["kid"] for jwk in jwks if jwk.get("primary") is True]
    return Keyring(
        storage,
        sealing,
        primary=next((kid for kid in marked if kid in storage), next(iter(storage))),
        primary_sealing=next((kid for kid in marked if kid in sealing), next(iter(sealing))),
    )


def open_document(content: bytes) -> tuple[Any, str | None]:
    """Return the JSON of a keyring, whatever it holds, and the KEK if it was in an envelope."""
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ConfigurationError("it is not JSON.") from None
    if isinstance(document, dict) and "kek" in document:
        return open_envelope(document), document["kek"]
    return document, None


def _import(kid: str, jwk: Mapping[str, Any], make: Callable[[Mapping[str, Any]], Any]) -> Any:
    try:
        return make(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        # The library's own message may quote the key.
        raise ConfigurationError(f"key {kid} is malformed.") from None


def _storage_key(jwk: Mapping[str, Any]) -> OctKey:
    key: OctKey = OctKey.import_key({"kty": "oct", "k": jwk["k"], "kid": jwk["kid"], "use": "enc"})
    if len(key.raw_value) != STORAGE_KEY_BYTES:
        raise ConfigurationError(
            f"key {jwk['kid']} has {len(key.raw_value)} bytes; A256KW takes {STORAGE_KEY_BYTES}."
        )
    return key


def _sealing_key(jwk: Mapping[str, Any]) -> ECKey:
    if jwk["crv"] != "P-256" or not jwk.get("d"):
        raise ConfigurationError(f"key {jwk['kid']} is not a private P-256 key.")
    members = {name: jwk[name] for name in ("kty", "crv", "x", "y", "d", "kid")}
    key: ECKey = ECKey.import_key({**members, "use": "enc"})
    key.private_key  # noqa: B018 - the library reads the numbers only when it needs them.
    return key

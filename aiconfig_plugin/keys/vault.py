"""API keys: what a client may send, and how it is kept.

At rest every key is a compact JWE (RFC 7516), ``A256KW`` and ``A256GCM``, with the ``kid`` of the
storage key that wraps it and, in ``ctx``, a digest of the owner and the destination that it belongs
to. The header is the JWE's authenticated data, so a stored key that is moved elsewhere does not
open there. A client seals a key to the gateway with ``ECDH-ES``; its ``apv`` names the user and
takes part in the key derivation (RFC 7518 section 4.6.2), its ``aud`` the provider: one string, as
a list could name several, and a sealed key is for one entry.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from aiconfig_plugin.domain import (
    MAX_API_KEY_BYTES,
    Destination,
    KeyForm,
    KeyState,
    Owner,
    SecretStr,
    StoredKey,
)
from aiconfig_plugin.errors import (
    ConfigurationError,
    KeyNotAccepted,
    KeyNotEncrypted,
    KeyUnreadable,
)
from aiconfig_plugin.keys import sealed_jwe, stored_jwe
from aiconfig_plugin.keys.keyring import Keyring
from aiconfig_plugin.keys.submitted import (
    holds_plain_key,
    read_header,
    read_jwe_header,
    resembles_jwe,
)
from aiconfig_plugin.metrics import Keys, process_metrics


class Vault:
    """Accepts, keeps and opens API keys with the keys of one keyring.

    With ``sealed_only`` no other ciphertext than a sealed key, or a stored key that comes back, is
    accepted.
    """

    def __init__(self, keyring: Keyring, *, sealed_only: bool = False) -> None:
        self._keyring = keyring
        self._chosen: frozenset[str] = frozenset()
        self._sealed_only = sealed_only
        process_metrics().keyring(frozenset(), _labels(keyring))

    @property
    def primary(self) -> str:
        """The ``kid`` of the storage key that encrypts."""
        return self._keyring.primary

    @property
    def kids(self) -> frozenset[str]:
        """Every key on the keyring, of each kind."""
        return self._keyring.kids

    @property
    def primaries(self) -> frozenset[str]:
        """The primary of each kind."""
        return self._keyring.primaries

    @property
    def keyring(self) -> Keyring:
        """The keyring in use."""
        return self._keyring

    def replace(self, keyring: Keyring) -> None:
        """Use another keyring from now on; what is under way in a thread ends with either.

        Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, and changes nothing, where a key
        has the ``kid`` of one in use and is another key.
        """
        for kid, key in keyring.storage.items():
            known = self._keyring.storage.get(kid)
            if known is not None and known.raw_value != key.raw_value:
                raise ConfigurationError(f"key {kid} is not the key that has been used as {kid}.")
        self._set(keyring)

    def use(self, primaries: Collection[str]) -> None:
        """Make these the primaries of their kind, those on this keyring and on later ones.

        Those of the fleet, which count in place of a keyring's mark.
        """
        self._chosen = frozenset(primaries)
        self._set(self._keyring)

    def _set(self, keyring: Keyring) -> None:
        for kid in self._chosen & keyring.kids:
            keyring = keyring.with_primary(kid)
        if keyring != self._keyring:
            process_metrics().keyring(_labels(self._keyring), _labels(keyring))
            self._keyring = keyring

    def has_key(self, kid: str) -> bool:
        """Tell whether the storage key ``kid`` is on the keyring."""
        return kid in self._keyring.storage

    def recipient(self, owner: Owner) -> dict[str, Any]:
        """Return what a client needs to seal a key for this owner: a JWK Set and ``apv``."""
        return {"keys": [dict(self._keyring.sealing_jwk)], "apv": owner.digest()}

    def accept_submitted_key(
        self, owner: Owner, destination: Destination, submitted: str
    ) -> StoredKey:
        """Return what to store for a submitted ``apiKeyEncrypted``, wrapped by the primary.

        Raises :class:`~aiconfig_plugin.errors.KeyNotEncrypted` for what is recognisably a
        provider's plain key (or is not sealed, where it must be), and
        :class:`~aiconfig_plugin.errors.KeyNotAccepted` for a sealed or stored key that does not
        open for this owner and destination; its ``reason`` says why.
        """
        header = _jwe_header(submitted)
        context = owner.digest(*destination.names)
        if _is_stored(header):
            return self._accept_stored(context, StoredKey(str(header.get("kid")), submitted))
        if header.get("alg", "").startswith("ECDH-ES"):
            sealed = self._unseal(owner, destination, submitted, header)
            return self._store(context, sealed, "plain")
        if not header and holds_plain_key(submitted):
            raise KeyNotEncrypted("This is a provider's plain API key; encrypt it first.")
        if self._sealed_only:
            raise KeyNotEncrypted("Only a sealed API key is accepted here.")
        return self._store(context, submitted, "opaque")

    def open(self, owner: Owner, destination: Destination, stored: StoredKey) -> SecretStr:
        """Return the plain text of a stored key.

        Raises :class:`~aiconfig_plugin.errors.KeyUnreadable` when it does not open with this
        keyring, or belongs to another owner or destination.
        """
        text, _ = self._open(owner.digest(*destination.names), stored)
        return SecretStr(text)

    def rewrap(self, owner: Owner, destination: Destination, stored: StoredKey) -> StoredKey:
        """Return the same API key wrapped by the primary.

        The ``kid`` is authenticated data, so new content keys are needed, and for them the plain
        text. Raises :class:`~aiconfig_plugin.errors.KeyUnreadable`.
        """
        context = owner.digest(*destination.names)
        return self._store(context, *self._open(context, stored), id=self.id(stored))

    def rebind(
        self, owner: Owner, new_owner: Owner, destination: Destination, stored: StoredKey
    ) -> StoredKey:
        """Return an API key of ``owner`` for ``new_owner``, wrapped by the primary.

        Raises :class:`~aiconfig_plugin.errors.KeyUnreadable`, as :meth:`open` does.
        """
        text, form = self._open(owner.digest(*destination.names), stored)
        return self._store(new_owner.digest(*destination.names), text, form)

    def state(self, key: StoredKey | None) -> KeyState:
        """Return what a user may know of a stored key. Decrypts nothing."""
        if key is None:
            return KeyState.UNSET
        return KeyState.SET if self.has_key(key.kid) else KeyState.UNREADABLE

    def is_plain_key(self, text: str) -> bool:
        """Tell whether this is recognisably a provider's API key in plain text."""
        return holds_plain_key(text)

    def form(self, stored: StoredKey) -> KeyForm:
        """Return what a stored key opens to. Decrypts nothing: believe it of one that opens."""
        return stored_jwe.form(read_header(stored.jwe))

    def id(self, stored: StoredKey) -> str:
        """Return what no other API key of the owner shares and every re-wrapping keeps."""
        return stored_jwe.id(stored.jwe)

    def _accept_stored(self, context: str, stored: StoredKey) -> StoredKey:
        try:
            text, form = self._open(context, stored)
        except KeyUnreadable as err:
            unverifiable = not self.has_key(stored.kid)
            raise _not_accepted(err.detail, unverifiable=unverifiable) from None
        # An old copy must not bring a key back into use that was rotated away.
        if stored.kid == self.primary:
            return stored
        return self._store(context, text, form, id=self.id(stored))

    def _open(self, context: str, stored: StoredKey) -> tuple[str, KeyForm]:
        """Return the plain text of a stored key and its form, or raise ``KeyUnreadable``."""
        key = self._keyring.storage.get(stored.kid)
        if key is None:
            raise KeyUnreadable("The stored key is wrapped by a key that is not on the keyring.")
        # Before it is opened, so that nobody else's key is ever in the clear, even in a traceback;
        # opening it then proves what the header says.
        form = _form(context, stored)
        try:
            return stored_jwe.decrypt(stored.jwe, key.raw_value).decode("utf-8"), form
        except ValueError:
            raise KeyUnreadable(
                "The stored key does not open with the key that it names."
            ) from None

    def _store(
        self, context: str, plaintext: str, form: KeyForm, *, id: str | None = None
    ) -> StoredKey:
        keyring = self._keyring  # once: it may be replaced meanwhile
        kid, key = keyring.primary, keyring.storage[keyring.primary].raw_value
        header = stored_jwe.protected(kid, context, form)
        return StoredKey(kid, stored_jwe.encrypt(header, plaintext.encode(), key, id))

    def _unseal(
        self, owner: Owner, destination: Destination, sealed: str, header: Mapping[str, Any]
    ) -> str:
        """Open a sealed key, or raise ``KeyNotAccepted``."""
        try:
            sealed_jwe.check_header(header)
            key = self._keyring.sealing.get(header["kid"])
            if key is None:
                raise ValueError("The sealed key is sealed to a key that is not on the keyring.")
            if header.get("apv") != owner.digest():
                raise ValueError("The sealed key is sealed for another user (apv).")
            if header.get("aud", destination.provider) != destination.provider:
                raise ValueError("The sealed key is sealed for another provider (aud).")
            plaintext = sealed_jwe.decrypt(sealed, header, key)
        except ValueError as err:
            raise _not_accepted(str(err)) from None
        if not 1 <= len(plaintext) <= MAX_API_KEY_BYTES:
            raise _not_accepted(f"The sealed API key has {len(plaintext)} bytes.")
        try:
            return plaintext.decode("utf-8")
        except UnicodeDecodeError:
            raise _not_accepted("The sealed API key is not UTF-8.") from None


def _labels(keyring: Keyring) -> Keys:
    """Return what the metrics tell of a keyring."""
    primaries = keyring.primary, keyring.primary_sealing
    return {
        (kid, use, "true" if kid in primaries else "false")
        for use, keys in (("storage", keyring.storage), ("sealing", keyring.sealing))
        for kid in keys
    }


def _jwe_header(submitted: str) -> dict[str, Any]:
    """Return the header of a JWE, empty for any other string, or raise ``KeyNotAccepted``."""
    if not resembles_jwe(submitted):
        return {}
    try:
        return read_jwe_header(submitted)
    except ValueError as err:
        raise _not_accepted(str(err)) from None


def _form(context: str, stored: StoredKey) -> KeyForm:
    """Return the form that a header of this context tells, or raise ``KeyUnreadable``."""
    for form in stored_jwe.FORMS:
        if stored.jwe.startswith(stored_jwe.protected(stored.kid, context, form) + "."):
            return form
    if read_header(stored.jwe).get("kid") != stored.kid:
        raise KeyUnreadable("The stored key names another wrapping key than its document.")
    raise KeyUnreadable("The stored key belongs to another owner or destination.")


def _is_stored(header: Mapping[str, Any]) -> bool:
    """Tell whether this is the header of a stored key, of whomever."""
    return (header.get("alg"), header.get("enc")) == (stored_jwe.ALG, stored_jwe.ENC)


def _not_accepted(reason: str, *, unverifiable: bool = False) -> KeyNotAccepted:
    return KeyNotAccepted(
        "This encrypted API key does not open here for this user and provider.",
        reason=reason,
        unverifiable=unverifiable,
    )

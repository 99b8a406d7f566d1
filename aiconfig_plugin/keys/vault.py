"""API keys: what a client may send, and how it is kept.

At rest every key is a compact JWE (RFC 7516), ``A256KW`` and ``A256GCM``, with the ``kid`` of the
storage key that wraps it and, in ``ctx``, a digest of the owner and the provider that it belongs
to. The header is the JWE's authenticated data, so a stored key that is moved elsewhere does not
open there. A client seals a key to the gateway with ``ECDH-ES``; its ``apv`` names the user and
takes part in the key derivation (RFC 7518 section 4.6.2), its ``aud`` the provider: one string, as
a list could name several, and a sealed key is for one entry. With
:mod:`~aiconfig_plugin.keys.stored_jwe`, :mod:`~aiconfig_plugin.keys.keyring` and
:mod:`~aiconfig_plugin.client` the only file that knows JOSE.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.registry import HeaderParameter
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from aiconfig_plugin.domain import MAX_API_KEY_BYTES, KeyState, Owner, SecretStr, StoredKey
from aiconfig_plugin.errors import KeyNotAccepted, KeyNotEncrypted, KeyUnreadable
from aiconfig_plugin.keys import stored_jwe
from aiconfig_plugin.keys.keyring import Keyring

_SEALED_ALGS = ("ECDH-ES", "ECDH-ES+A256KW")
# RFC 7516 section 4.1 and RFC 7518 section 4.6.1. No "zip": a short JWE must not grow long.
_SEALED_MEMBERS = frozenset({"alg", "enc", "kid", "epk", "apu", "apv", "typ", "cty", "aud"})
_SEALED_ENC = "A256GCM"
_SEALED = jwe.JWERegistry(
    # RFC 7519 section 5.3: a claim that is replicated in the header.
    {"aud": HeaderParameter("Audience", "str")},
    [*_SEALED_ALGS, _SEALED_ENC],
)

_to_json = json.JSONEncoder(separators=(",", ":")).encode

# What no compact JWE holds (RFC 7516 section 7.1).
_OUTSIDE_JWE = re.compile(r"[^A-Za-z0-9_.-]")
_AROUND_JWE = re.compile(r"\A[^A-Za-z0-9_.-]+|[^A-Za-z0-9_.-]+\Z")

# How the plain keys of providers begin, each as its provider documents or issues them. The
# beginning counts anywhere but inside a word, so that "Bearer sk-…" and KEY="sk-…" count too.
_PLAIN_KEY = re.compile(
    r"(?<![A-Za-z0-9_+/.~-])(?:"
    r"sk-|sk_|sess-"  # OpenAI, Anthropic, DeepSeek, OpenRouter, Stability, ElevenLabs, …
    r"|AIza|AQ\.Ab|ya29\."  # Google
    r"|gsk_|xai-|hf_|pplx-|r8_"  # Groq, xAI, Hugging Face, Perplexity, Replicate
    r"|nvapi-|tgp_v1_|fw_|csk-|jina_"  # NVIDIA, Together, Fireworks, Cerebras, Jina
    r"|AKIA|ASIA|ABSK"  # AWS
    r"|ghp_|github_pat_|glpat-"  # GitHub, GitLab
    r")"
)


class Vault:
    """Admits, keeps and opens API keys with the keys of one keyring.

    With ``sealed_only`` no other ciphertext than a sealed key, or a stored key that comes back, is
    admitted.
    """

    def __init__(self, keyring: Keyring, *, sealed_only: bool = False) -> None:
        self._keyring = keyring
        self._sealed_only = sealed_only

    @property
    def primary(self) -> str:
        """The ``kid`` of the storage key that encrypts."""
        return self._keyring.primary

    def holds(self, kid: str) -> bool:
        """Tell whether the storage key ``kid`` is on the keyring."""
        return kid in self._keyring.storage

    def recipient(self, owner: Owner) -> dict[str, Any]:
        """Return what a client needs to seal a key for this owner: a JWK Set and ``apv``."""
        key = self._keyring.sealing[self._keyring.primary_sealing]
        public = {**key.as_dict(private=False), "use": "enc", "alg": "ECDH-ES"}
        return {"keys": [public], "apv": _apv(owner)}

    def admit(self, owner: Owner, provider: str, submitted: str) -> StoredKey:
        """Return what to store for a submitted ``apiKeyEncrypted``.

        Raises :class:`~aiconfig_plugin.errors.KeyNotEncrypted` for what is recognisably a
        provider's plain key (or is not sealed, where it must be), and
        :class:`~aiconfig_plugin.errors.KeyNotAccepted` for a sealed or stored key that does not
        open for this owner and provider; its ``reason`` says why.
        """
        header = _jwe_header(submitted) if _resembles_jwe(submitted) else {}
        alg = header.get("alg", "")
        context = _context(owner, provider)
        if _is_stored(header):
            stored = StoredKey(kid=str(header.get("kid")), jwe=submitted)
            try:
                self._open(context, stored)
            except KeyUnreadable as err:
                raise _not_accepted(err.detail) from None
            return stored
        if alg.startswith("ECDH-ES"):
            return self._store(context, self._unseal(owner, provider, submitted, header))
        if not header and _PLAIN_KEY.search(submitted):
            raise KeyNotEncrypted("This is a provider's plain API key; encrypt it first.")
        if self._sealed_only:
            raise KeyNotEncrypted("Only a sealed API key is accepted here.")
        return self._store(context, submitted)

    def open(self, owner: Owner, provider: str, stored: StoredKey) -> SecretStr:
        """Return the plain text of a stored key.

        Raises :class:`~aiconfig_plugin.errors.KeyUnreadable` when it does not open with this
        keyring, or belongs to another owner or provider.
        """
        return SecretStr(self._open(_context(owner, provider), stored))

    def is_unreadable(self, submitted: str) -> bool:
        """Tell whether this is a stored key whose wrapping key is not on the keyring."""
        header = _read_header(submitted)
        return _is_stored(header) and not self.holds(str(header.get("kid")))

    def rewrap(self, owner: Owner, provider: str, stored: StoredKey) -> StoredKey:
        """Return the same API key wrapped by the primary.

        The ``kid`` is authenticated data, so new content keys are needed, and for them the plain
        text. Raises :class:`~aiconfig_plugin.errors.KeyUnreadable`.
        """
        context = _context(owner, provider)
        return self._store(context, self._open(context, stored))

    def state(self, key: StoredKey | None) -> KeyState:
        """Return what a user may know of a stored key. Decrypts nothing."""
        if key is None:
            return KeyState.UNSET
        return KeyState.SET if self.holds(key.kid) else KeyState.UNREADABLE

    def _open(self, context: str, stored: StoredKey) -> str:
        """Return the plain text of a stored key, or raise ``KeyUnreadable``."""
        key = self._keyring.storage.get(stored.kid)
        if key is None:
            raise KeyUnreadable("It is wrapped by a key that is not on the keyring.")
        # Before it is opened, so that nobody else's key is ever in the clear, even in a traceback;
        # opening it then proves what the header says.
        if not stored.jwe.startswith(stored_jwe.protected(stored.kid, context) + "."):
            if _read_header(stored.jwe).get("kid") != stored.kid:
                raise KeyUnreadable("It names another wrapping key than its document.")
            raise KeyUnreadable("It belongs to another owner or provider.")
        try:
            return stored_jwe.decrypt(stored.jwe, key.raw_value).decode("utf-8")
        except ValueError:
            raise KeyUnreadable("It does not open with the key that it names.") from None

    def _store(self, context: str, plaintext: str) -> StoredKey:
        kid = self.primary
        key = self._keyring.storage[kid].raw_value
        header = stored_jwe.protected(kid, context)
        return StoredKey(kid, stored_jwe.encrypt(header, plaintext.encode(), key))

    def _unseal(self, owner: Owner, provider: str, sealed: str, header: dict[str, Any]) -> str:
        """Open a sealed key, or raise ``KeyNotAccepted``."""
        fault = _header_fault(header)
        if fault:
            raise _not_accepted(fault)
        key = self._keyring.sealing.get(str(header.get("kid")))
        if key is None:
            raise _not_accepted("It is sealed to a key that is not on the keyring.")
        if header.get("apv") != _apv(owner):
            raise _not_accepted("It is sealed for another user (apv).")
        if header.get("aud", provider) != provider:
            raise _not_accepted("It is sealed for another provider (aud).")
        try:
            plaintext = jwe.decrypt_compact(sealed, key, registry=_SEALED).plaintext or b""
        except (JoseError, ValueError, TypeError, KeyError) as err:
            # The kind alone: what the library says may quote the header.
            raise _not_accepted(f"It does not open ({type(err).__name__}).") from None
        if not 1 <= len(plaintext) <= MAX_API_KEY_BYTES:
            raise _not_accepted(f"The sealed API key has {len(plaintext)} bytes.")
        try:
            return plaintext.decode("utf-8")
        except UnicodeDecodeError:
            raise _not_accepted("The sealed API key is not UTF-8.") from None


def _header_fault(header: dict[str, Any]) -> str | None:
    """Return what is wrong with the header of a sealed key, in words of our own for the log."""
    epk = header.get("epk")
    faults = {
        "Its alg is neither ECDH-ES nor ECDH-ES+A256KW.": header["alg"] not in _SEALED_ALGS,
        "Its enc is not A256GCM.": header["enc"] != _SEALED_ENC,
        "It is compressed.": "zip" in header,
        "It has critical extensions.": "crit" in header,
        "It has a header member that is not known.": not set(header) <= _SEALED_MEMBERS,
        "It names no key to open it with (kid).": "kid" not in header,
        "It has no ephemeral key.": not isinstance(epk, dict),
    }
    if isinstance(epk, dict):
        faults["Its ephemeral key is not an EC key."] = epk.get("kty") != "EC"
        faults["Its ephemeral key is on another curve."] = epk.get("crv") != "P-256"
    return next((fault for fault, found in faults.items() if found), None)


def _context(owner: Owner, provider: str) -> str:
    """Return the digest that binds a stored key. A JSON array has only one reading."""
    return _digest(_to_json([owner.issuer, owner.subject, provider]))


def _apv(owner: Owner) -> str:
    return _digest(f"{owner.issuer}|{owner.subject}")


def _digest(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _is_stored(header: Mapping[str, Any]) -> bool:
    """Tell whether this is the header of a stored key, of whomever."""
    return (header.get("alg"), header.get("enc")) == (stored_jwe.ALG, stored_jwe.ENC)


def _resembles_jwe(submitted: str) -> bool:
    """Tell whether this is a compact JWE, or was one before a character of it changed.

    Neither damage nor quotes around it must turn a key of ours into "any other string", which
    would be accepted.
    """
    core = _AROUND_JWE.sub("", submitted)
    if core.startswith("eyJ"):
        return "." in core
    return core.count(".") in (4, 5) and len(_OUTSIDE_JWE.findall(core)) <= 1


def _jwe_header(submitted: str) -> dict[str, Any]:
    """Return the header of a compact JWE; raises ``KeyNotAccepted`` for what is not quite one."""
    header = _read_header(submitted)
    known = jwe.JWERegistry.algorithms
    names = (header.get("alg"), header.get("enc"))
    if submitted.count(".") == 4 and all(isinstance(name, str) for name in names):
        if names[0] in known["alg"] and names[1] in known["enc"]:
            return header
    raise _not_accepted("It resembles a compact JWE but is not a well-formed one.")


def _read_header(text: str) -> dict[str, Any]:
    """Return the JSON object in the first part of a compact JWE; empty where there is none."""
    try:
        header = json.loads(urlsafe_b64decode(text.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _not_accepted(reason: str) -> KeyNotAccepted:
    return KeyNotAccepted(
        "This encrypted API key does not open here for this user and provider.", reason=reason
    )

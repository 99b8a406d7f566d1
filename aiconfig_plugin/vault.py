"""API keys: what a client may send, and how it is kept.

At rest every key is a compact JWE (RFC 7516), ``A256KW`` and ``A256GCM``, with the ``kid`` of the
storage key that wraps it and, in ``ctx``, a digest of the owner and the provider that it belongs
to. The header is the JWE's authenticated data, so a stored key that is moved elsewhere does not
open there. With :mod:`~aiconfig_plugin.keyring` the only file that knows JOSE.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.registry import HeaderParameter
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from aiconfig_plugin.errors import KeyNotAccepted, KeyNotEncrypted
from aiconfig_plugin.keyring import Keyring
from aiconfig_plugin.model import KeyState, Owner, StoredKey

_STORED_ALG, _STORED_ENC = "A256KW", "A256GCM"
_STORED = jwe.JWERegistry(
    header_registry={"ctx": HeaderParameter("Context", "str", required=True)},
    algorithms=[_STORED_ALG, _STORED_ENC],
)

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
    """Admits, keeps and opens API keys with the keys of one keyring."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def admit(self, owner: Owner, provider: str, submitted: str) -> StoredKey:
        """Return what to store for a submitted ``apiKeyEncrypted``.

        Raises :class:`~aiconfig_plugin.errors.KeyNotEncrypted` for what is recognisably a
        provider's plain key, and :class:`~aiconfig_plugin.errors.KeyNotAccepted` for a stored key
        that is not this owner's for this provider, or is damaged.
        """
        if _resembles_jwe(submitted):
            header = _header(submitted)
            if (header.get("alg"), header.get("enc")) == (_STORED_ALG, _STORED_ENC):
                stored = StoredKey(kid=str(header.get("kid")), jwe=submitted)
                self.open(owner, provider, stored)
                return stored
        elif _PLAIN_KEY.search(submitted):
            raise KeyNotEncrypted("This is a provider's plain API key; encrypt it first.")
        return self._store(owner, provider, submitted)

    def open(self, owner: Owner, provider: str, stored: StoredKey) -> str:
        """Return the plain text of a stored key.

        Raises :class:`~aiconfig_plugin.errors.KeyNotAccepted` when it does not open with this
        keyring, or belongs to another owner or provider.
        """
        key = self._keyring.storage.get(stored.kid)
        if key is None:
            raise KeyNotAccepted("The stored key is wrapped by a key that is not on the keyring.")
        try:
            opened = jwe.decrypt_compact(stored.jwe, key, registry=_STORED)
            plaintext = (opened.plaintext or b"").decode("utf-8")
        except (JoseError, ValueError):
            raise KeyNotAccepted("The stored key does not open.") from None
        if opened.protected["ctx"] != _context(owner, provider):
            raise KeyNotAccepted("The stored key belongs to another owner or provider.")
        return plaintext

    def state(self, key: StoredKey | None) -> KeyState:
        """Return what a user may know of a stored key. Decrypts nothing."""
        if key is None:
            return KeyState.UNSET
        return KeyState.SET if self.holds(key.kid) else KeyState.UNREADABLE

    def holds(self, kid: str) -> bool:
        """Tell whether the storage key ``kid`` is on the keyring."""
        return kid in self._keyring.storage

    def _store(self, owner: Owner, provider: str, plaintext: str) -> StoredKey:
        kid = self._keyring.primary
        header = {
            "alg": _STORED_ALG,
            "enc": _STORED_ENC,
            "kid": kid,
            "ctx": _context(owner, provider),
        }
        key = self._keyring.storage[kid]
        return StoredKey(kid, jwe.encrypt_compact(header, plaintext, key, registry=_STORED))


def _context(owner: Owner, provider: str) -> str:
    """Return the digest that binds a stored key. A JSON array has only one reading."""
    text = json.dumps([owner.issuer, owner.subject, provider], separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _resembles_jwe(submitted: str) -> bool:
    """Tell whether this is a compact JWE, or was one before a character of it changed.

    Damage must not turn a key of ours into "any other string", which would be accepted.
    """
    return submitted.count(".") in (4, 5) or (submitted.startswith("eyJ") and "." in submitted)


def _header(submitted: str) -> dict[str, Any]:
    """Return the header of a compact JWE; raises ``KeyNotAccepted`` for what is not quite one."""
    segments = submitted.split(".")
    try:
        header = json.loads(urlsafe_b64decode(segments[0].encode()))
        known = jwe.JWERegistry.algorithms
        if len(segments) == 5 and header["alg"] in known["alg"] and header["enc"] in known["enc"]:
            return dict(header)
    except (ValueError, KeyError, TypeError):
        pass
    raise KeyNotAccepted("This looks like a JWE (RFC 7516) but is not a well-formed one.")

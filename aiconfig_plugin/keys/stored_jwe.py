"""The JWE that a stored key is: ``A256KW`` and ``A256GCM`` in the compact form, composed here.

Nothing but the two primitives and the framing of RFC 7516 section 7.1: a rotation goes through
this for every key there is, and a general library spends ten times as long on what cannot vary.
The header names the storage key (``kid``) and what the value is bound to (``ctx``). Where its
content is not known (``cty``, RFC 7516 section 4.1.12) it is ciphertext that a client brought.

The initialization vector names the value: it is random at first, and stays when the value is
wrapped anew. It has to be unique for each content key alone (RFC 7518 section 8.4), and a content
key encrypts once.
"""

from __future__ import annotations

import os
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from aiconfig_plugin.domain import KeyForm

ALG: Final = "A256KW"
ENC: Final = "A256GCM"

FORMS: Final[tuple[KeyForm, ...]] = ("plain", "opaque")
_OPAQUE_CONTENT: Final = "octet-stream"

CONTENT_KEY_BYTES: Final = 32
# RFC 7518 section 5.3.
IV_BYTES: Final = 12
TAG_BYTES: Final = 16

# The functions of base64 do as much, and take three times as long.
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


def protected(kid: str, context: str, form: KeyForm) -> str:
    """Return the first part: the header in its one spelling. Neither value needs an escape."""
    content = f',"cty":"{_OPAQUE_CONTENT}"' if form == "opaque" else ""
    header = f'{{"alg":"{ALG}","enc":"{ENC}","kid":"{kid}","ctx":"{context}"{content}}}'
    return b64encode(header.encode()).decode()


def form(header: Mapping[str, Any]) -> KeyForm:
    """Return what a header says of the plaintext."""
    return "opaque" if header.get("cty") == _OPAQUE_CONTENT else "plain"


def id(jwe: str) -> str:
    """Return what names the value: the initialization vector."""
    parts = jwe.split(".")
    return parts[2] if len(parts) == 5 else ""


def encrypt(protected: str, plaintext: bytes, key: bytes, id: str | None = None) -> str:
    """Return ``plaintext`` under a content key of its own, which ``key`` (32 bytes) wraps.

    ``protected``, the header, is authenticated. ``id`` is that of the value where it has one.
    """
    content_key = os.urandom(CONTENT_KEY_BYTES)
    iv = os.urandom(IV_BYTES) if id is None else b64decode(id.encode())
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected.encode())
    parts = (aes_key_wrap(key, content_key), iv, sealed[:-TAG_BYTES], sealed[-TAG_BYTES:])
    return f"{protected}.{b'.'.join(map(b64encode, parts)).decode()}"


def decrypt(jwe: str, key: bytes) -> bytes:
    """Return the plaintext. Raises ValueError for whatever is not what :func:`encrypt` returned."""
    try:
        protected, *rest = jwe.encode().split(b".")
        wrapped, iv, ciphertext, tag = map(b64decode, rest)
        if (len(iv), len(tag)) != (IV_BYTES, TAG_BYTES):
            raise ValueError("the initialization vector or the tag has another length")
        content_key = aes_key_unwrap(key, wrapped)
        return AESGCM(content_key).decrypt(iv, ciphertext + tag, protected)
    except (InvalidUnwrap, InvalidTag) as err:
        raise ValueError("it does not open") from err


def b64encode(part: bytes) -> bytes:
    """Encode as RFC 7515 section 2 does: base64url without padding."""
    return b2a_base64(part, newline=False).translate(_TO_URL).rstrip(b"=")


def b64decode(part: bytes) -> bytes:
    """Decode base64url, of which only one spelling counts: whoever stored it may compare it."""
    decoded = a2b_base64(part.translate(_FROM_URL) + b"==")
    if b64encode(decoded) != part:
        raise ValueError("not base64url as RFC 7515 section 2 spells it")
    return decoded

"""For Python clients: seal an API key to a gateway, so that nobody else can read it on its way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter

from aiconfig_plugin.domain import MAX_API_KEY_BYTES

_REGISTRY = jwe.JWERegistry({"aud": HeaderParameter("Audience", "str")}, ["ECDH-ES", "A256GCM"])


def seal(document: Mapping[str, Any], api_key: str, *, provider: str | None = None) -> str:
    """Return ``api_key`` as a sealed key: a compact JWE (RFC 7516), ``ECDH-ES`` and ``A256GCM``.

    ``document`` is what ``GET …/get/ai-model-config/encryption-key`` answered to the user whose
    key it is; for another user the gateway refuses the result. ``provider`` is that of the entry
    the key is for, and goes into the header (``aud``, RFC 7519 section 5.3): in another provider's
    entry the gateway refuses the result too. Always give it; without it, as before there was such
    a thing, the sealed key fits any entry of the user. Raises ValueError for a document that is
    not of that kind, and for an API key that is not 1 to 4,096 bytes of UTF-8.
    """
    if not 1 <= len(api_key.encode()) <= MAX_API_KEY_BYTES:
        raise ValueError(f"an API key has 1 to {MAX_API_KEY_BYTES} bytes")
    try:
        jwk, apv = document["keys"][0], document["apv"]
        key = ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y", "kid")})
        if (jwk["kty"], jwk["crv"]) != ("EC", "P-256") or not isinstance(apv, str) or not apv:
            raise ValueError("no P-256 key, or no apv")
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": jwk["kid"], "apv": apv}
        if provider is not None:
            header["aud"] = provider
        return jwe.encrypt_compact(header, api_key, key, registry=_REGISTRY)
    except (JoseError, KeyError, IndexError, TypeError, ValueError) as err:
        raise ValueError("this is not an encryption-key document of a gateway") from err

"""An envelope: a JWK Set under a key that a key management service has wrapped.

``{"kek": "<URI>", "encrypted_key": "…", "jwe": "…"}``. The JWK Set is a compact JWE (RFC 7516),
``dir`` and ``A256GCM``, as RFC 7517 section 7 describes it; its key is new in each envelope. The
service is asked about 32 bytes, once for each envelope that is opened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.kms import unwrap, wrap

KEY_BYTES: Final = 32  # of A256GCM, RFC 7518 section 5.3

_MEMBERS: Final = ("kek", "encrypted_key", "jwe")
_ALGORITHMS: Final = ["dir", "A256GCM"]
_HEADER: Final = {"alg": "dir", "enc": "A256GCM", "cty": "jwk-set+json"}


def open_envelope(document: Mapping[str, Any]) -> Any:
    """Return the JSON inside an envelope.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`.
    """
    kek, encrypted_key, sealed = (document.get(name) for name in _MEMBERS)
    if not (isinstance(kek, str) and isinstance(encrypted_key, str) and isinstance(sealed, str)):
        raise ConfigurationError(f"an envelope has {', '.join(_MEMBERS)}, each a string.")
    key = unwrap(kek, encrypted_key)
    try:
        opened = jwe.decrypt_compact(sealed, OctKey.import_key(key), algorithms=_ALGORITHMS)
        return json.loads(opened.plaintext or b"")
    except (JoseError, ValueError, RecursionError):
        raise ConfigurationError("it is damaged: its key does not open its jwe.") from None


def seal_envelope(document: Any, kek: str) -> Mapping[str, str]:
    """Return an envelope of JSON under the KEK of that URI; raises as :func:`open_envelope`."""
    key = os.urandom(KEY_BYTES)
    sealed = jwe.encrypt_compact(_HEADER, json.dumps(document), OctKey.import_key(key), _ALGORITHMS)
    return dict(zip(_MEMBERS, (kek, wrap(kek, key), sealed), strict=True))

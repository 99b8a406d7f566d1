"""``WWW-Authenticate`` (RFC 6750 section 3) and protected resource metadata (RFC 9728)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aiconfig_plugin.errors import AIConfigError, InsufficientScope, InvalidToken, MissingToken

REALM = "aiconfig"
WELL_KNOWN = "/.well-known/oauth-protected-resource"

# RFC 6750 section 3: what an error_description may hold.
_NOT_DESCRIBING = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]+")


def challenge(error: AIConfigError, resource: str | None = None) -> str | None:
    """Return the challenge that goes with an error; None where the token is not at fault.

    Without a token there is no ``error`` (section 3.1), but the scheme needs a parameter all the
    same (section 3): the realm. ``resource`` is the URL of the resource, for hosts that publish
    its metadata.
    """
    match error:
        case MissingToken():
            parameters = {"realm": REALM}
        case InvalidToken():
            parameters = {"error": "invalid_token", "error_description": error.detail}
        case InsufficientScope():
            parameters = {"error": "insufficient_scope", "scope": error.scope}
            parameters["error_description"] = error.detail
        case _:
            return None
    if resource is not None:
        parameters["resource_metadata"] = metadata_url(resource)
    clean = ((name, _NOT_DESCRIBING.sub(" ", value)) for name, value in parameters.items())
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in clean if value)


def metadata_url(resource: str) -> str:
    """Return where the metadata of a resource are: RFC 9728 section 3.1."""
    parts = urlsplit(resource)
    path = WELL_KNOWN + parts.path.rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def resource_metadata(resource: str | None, issuer: str | None, scopes: Iterable[str]) -> bytes:
    """Return the protected resource metadata (RFC 9728 section 2) as JSON."""
    metadata: dict[str, Any] = {"resource": resource, "bearer_methods_supported": ["header"]}
    if issuer:
        metadata["authorization_servers"] = [issuer]
    asked = [scope for scope in dict.fromkeys(scopes) if scope]
    if asked:
        metadata["scopes_supported"] = asked
    return json.dumps(metadata, separators=(",", ":")).encode()

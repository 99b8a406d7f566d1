"""``WWW-Authenticate`` (RFC 6750 section 3) and protected resource metadata (RFC 9728)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from aiconfig_plugin.errors import (
    AIConfigError,
    InsufficientScope,
    InvalidDPoPProof,
    InvalidToken,
    MissingToken,
)

REALM = "aiconfig"
WELL_KNOWN = "/.well-known/oauth-protected-resource"

# RFC 6750 section 3: what an error_description may hold.
_NOT_DESCRIBING = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True)
class Schemes:
    """Which authentication schemes count, as challenges tell them.

    ``resource`` is the URL of the resource, for hosts that publish its metadata; ``dpop`` is as
    in the settings, and ``algorithms`` are those of proofs.
    """

    resource: str | None = None
    dpop: Literal["off", "on", "required"] = "off"
    algorithms: Sequence[str] = ()


BEARER = Schemes()
"""Bearer tokens alone."""


def challenge(
    error: AIConfigError, schemes: Schemes = BEARER, authorization: str = ""
) -> str | None:
    """Return the challenge that goes with an error; None where the token is not at fault.

    Without a token there is no ``error`` (RFC 6750 section 3.1), but the scheme needs a parameter
    all the same (section 3): the realm. ``authorization`` is the header of the request: its
    scheme is the one that failed, and the others are named behind it (RFC 9449 section 7.1).
    """
    match error:
        case MissingToken():
            parameters = {"realm": REALM}
        case InvalidDPoPProof():
            parameters = {"error": "invalid_dpop_proof", "error_description": error.detail}
        case InvalidToken():
            parameters = {"error": "invalid_token", "error_description": error.detail}
        case InsufficientScope():
            parameters = {"error": "insufficient_scope", "scope": error.scope}
            parameters["error_description"] = error.detail
        case _:
            return None
    if schemes.resource is not None:
        parameters["resource_metadata"] = metadata_url(schemes.resource)
    if schemes.dpop == "off":
        return _formatted("Bearer", parameters)
    algorithms = {"algs": " ".join(schemes.algorithms)}
    is_dpop = isinstance(error, InvalidDPoPProof) or authorization.lower().startswith("dpop ")
    if is_dpop or schemes.dpop == "required":
        return _formatted("DPoP", parameters | algorithms)
    return f"{_formatted('Bearer', parameters)}, {_formatted('DPoP', algorithms)}"


def _formatted(scheme: str, parameters: Mapping[str, str]) -> str:
    clean = ((name, _NOT_DESCRIBING.sub(" ", value)) for name, value in parameters.items())
    return f"{scheme} " + ", ".join(f'{name}="{value}"' for name, value in clean if value)


def metadata_url(resource: str) -> str:
    """Return where the metadata of a resource are: RFC 9728 section 3.1."""
    parts = urlsplit(resource)
    path = WELL_KNOWN + parts.path.rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def resource_metadata(schemes: Schemes, issuer: str | None, scopes: Iterable[str]) -> bytes:
    """Return the protected resource metadata (RFC 9728 section 2) as JSON."""
    metadata: dict[str, Any] = {"resource": schemes.resource}
    metadata["bearer_methods_supported"] = ["header"]
    if schemes.dpop != "off":
        metadata["dpop_signing_alg_values_supported"] = list(schemes.algorithms)
        metadata["dpop_bound_access_tokens_required"] = schemes.dpop == "required"
    if issuer:
        metadata["authorization_servers"] = [issuer]
    asked = [scope for scope in dict.fromkeys(scopes) if scope]
    if asked:
        metadata["scopes_supported"] = asked
    return json.dumps(metadata, separators=(",", ":")).encode()

"""Proofs of possession (DPoP, RFC 9449): the caller holds the key that its token is bound to."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from aiconfig_plugin.access.claims import ActiveToken, finite
from aiconfig_plugin.access.jws import WrongJWT, is_private, public_key, read_jwt
from aiconfig_plugin.errors import ConfigurationError, InvalidDPoPProof
from aiconfig_plugin.settings import Settings, variable

WINDOW = 60.0
"""Seconds by which the ``iat`` of a proof may differ from the time here."""
MAX_JTI = 256
"""Characters of a ``jti``."""
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]")
_ROUTE = re.compile("/(create|get|update|delete|verify)/ai-model-config(/|$)")
_PORTS = {"http": 80, "https": 443}


class Proof(NamedTuple):
    """What a proof shows: who holds the key, and which proof it is."""

    jkt: str
    """The thumbprint of the key (RFC 7638)."""
    jti: str


class ProofOfPossession:
    """Checks the proofs of requests. ``clock`` gives seconds since the epoch.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` without ``AICONFIG_RESOURCE``: what
    the caller signs is the public URL, which a proxy may hide from the gateway.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        if not settings.resource:
            raise ConfigurationError(
                f"{variable('resource')} is not set; {variable('dpop')} needs it."
            )
        self.is_required = settings.dpop == "required"
        self._resource = settings.resource.rstrip("/")
        self._prefix = settings.prefix
        self._clock = clock
        self._taken = ProofMemory()

    def prove(self, request: HTTPServerRequest, token: str) -> Proof:
        """Return what the proof of a request shows, or raise ``InvalidDPoPProof``."""
        return check_proof(
            one_proof(request.headers),
            method=request.method or "",
            url=public_url(self._resource, self._prefix, request.path),
            token=token,
            now=self._clock(),
        )

    def accept(self, active: ActiveToken, proof: Proof | None) -> None:
        """Raise ``InvalidDPoPProof`` unless the proof is by the key of the token, and new.

        Last of all: a proof for a token that is refused takes up no memory.
        """
        if active.bound_to is None and proof is None and not self.is_required:
            return
        if active.bound_to is None:
            raise InvalidDPoPProof("The access token is not bound to a key.")
        if proof is None:
            raise InvalidDPoPProof("The access token is bound to a key; send it as DPoP.")
        if proof.jkt != active.bound_to:
            raise InvalidDPoPProof("The proof is by another key than the token's.")
        if not self._taken.add(proof.jti, self._clock()):
            raise InvalidDPoPProof("The proof was used before.")


class ProofMemory:
    """Remembers the ``jti`` of proofs for as long as they could be used again."""

    def __init__(self, window: float = WINDOW) -> None:
        # A proof is good for twice the window: from one before its iat to one after it.
        self._lifetime = 2 * window
        self._recent: set[bytes] = set()
        self._older: set[bytes] = set()
        self._turned_at = -math.inf

    def add(self, jti: str, now: float) -> bool:
        """Take a ``jti``, and tell whether it is new; ``now`` is in seconds."""
        if now - self._turned_at >= self._lifetime:
            is_gap = now - self._turned_at >= 2 * self._lifetime
            self._older = set() if is_gap else self._recent
            self._recent, self._turned_at = set(), now
        # Truncated: two jti of 128 bits of a hash do not meet by chance.
        key = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest()[:16]
        if key in self._recent or key in self._older:
            return False
        self._recent.add(key)
        return True


def one_proof(headers: HTTPHeaders) -> str:
    """Return the one ``DPoP`` header (section 4.3), or raise ``InvalidDPoPProof``."""
    proofs = headers.get_list("DPoP")
    if len(proofs) != 1:
        raise InvalidDPoPProof(f"Exactly one DPoP header is needed, not {len(proofs)}.")
    return proofs[0].strip()


def check_proof(text: str, *, method: str, url: str, now: float, token: str | None = None) -> Proof:
    """Check a proof by the rules of section 4.3, but that it is new and by the token's key.

    ``token`` is the access token that comes with it; a token endpoint has none yet. ``now`` is in
    seconds since the epoch. Raises ``InvalidDPoPProof``.
    """
    try:
        jwt = read_jwt(text)
        if jwt.header.get("typ") != "dpop+jwt":
            raise WrongJWT("its typ is not dpop+jwt")
        jwk = jwt.header.get("jwk")
        if not isinstance(jwk, dict) or is_private(jwk):
            raise WrongJWT("its jwk is not a public key")
        key = public_key(jwk)
        claims = jwt.verify([key])
        jti = _check_claims(claims, method=method, url=url, token=token, now=now)
        return Proof(key.thumbprint(), jti)
    except WrongJWT as err:
        raise InvalidDPoPProof(f"The DPoP proof is refused: {err}.") from None


def _check_claims(
    claims: Mapping[str, Any], *, method: str, url: str, token: str | None, now: float
) -> str:
    jti, iat, htu = claims.get("jti"), finite(claims.get("iat")), claims.get("htu")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise WrongJWT("it has no jti")
    if claims.get("htm") != method:
        raise WrongJWT("its htm is not the method")
    if not isinstance(htu, str) or normal_url(htu) != normal_url(url):
        raise WrongJWT(f"its htu is not {url}")
    if iat is None or abs(now - iat) > WINDOW:
        raise WrongJWT("its iat is not the present time")
    if token is not None and claims.get("ath") != access_token_hash(token):
        raise WrongJWT("its ath is not the hash of the access token")
    return jti


def access_token_hash(token: str) -> str:
    """Return ``ath`` (section 4.2)."""
    digest = hashlib.sha256(token.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def public_url(resource: str, prefix: str, path: str) -> str:
    """Return the URL that a caller sees of a path here.

    Below the prefix it is below the resource; the gateway's own routes are beside it. A host may
    have mounted the routes below another prefix.
    """
    if path == prefix or path.startswith(prefix + "/"):
        return resource + path[len(prefix) :]
    if route := _ROUTE.search(path):
        return resource + path[route.start() :]
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{path}"


def normal_url(url: str) -> tuple[str, str, int | None, str] | None:
    """Return what two URLs have in common that mean the same (RFC 3986 section 6.2.2 and 6.2.3).

    Query and fragment do not count (RFC 9449 section 4.3). None is no such URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
        if not parts.hostname or parts.username is not None or parts.password is not None:
            return None
    except ValueError:
        return None
    path = _ESCAPE.sub(_normal_escape, parts.path)
    return parts.scheme, parts.hostname, port, path or "/"


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()

"""Signed JWTs (RFC 7515, RFC 7519): four algorithms, and never a key out of the token itself.

The caller says which keys count; ``alg`` of the header only chooses among the algorithms that are
meant for their kind, so no key of one kind is ever taken for one of another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact

ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")
"""RFC 7518 section 3.1 and RFC 8037; neither ``none`` nor one with a shared secret."""
RSA_BITS = range(2048, 8193)  # RFC 7518 section 3.3; a longer one costs milliseconds to verify.

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey

_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {
    "RSA": RSAKey,
    "EC": ECKey,
    "OKP": OKPKey,
}
_KIND_OF = {"ES256": "EC", "EdDSA": "OKP", "PS256": "RSA", "RS256": "RSA"}
_CURVES = {"ES256": ("P-256",), "EdDSA": ("Ed25519", "Ed448")}
# What the library and the JSON parser raise for what a stranger sends.
_UNREADABLE = (JoseError, ValueError, TypeError, KeyError, RecursionError)


class WrongJWT(ValueError):
    """A JWT breaks a rule. The message names the rule and holds nothing of the JWT."""


class _Registry(JWSRegistry):
    """A proof's header holds a key, and tokens may have many claims."""

    max_header_length = 8192
    max_payload_length = 65536

    def __init__(self) -> None:
        super().__init__(algorithms=ALGORITHMS, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """The base warns of EdDSA, which RFC 9864 gave two new names."""
        return self.algorithms[name]


_REGISTRY = _Registry()


@dataclass(frozen=True)
class SignedJWT:
    """A JWT that can be read and whose signature is still to be verified."""

    header: Mapping[str, Any]
    _signature: CompactSignature

    @property
    def alg(self) -> str:
        return str(self.header["alg"])

    def verify(self, keys: Iterable[PublicKey]) -> Mapping[str, Any]:
        """Return the claims. Raises :class:`WrongJWT` unless one of the keys has signed it."""
        if not any(self._is_signed_by(key) for key in keys if fits(key, self.alg)):
            raise WrongJWT("the signature is not by a key that counts")
        try:
            claims = json.loads(self._signature.payload.decode("utf-8"))
        except _UNREADABLE:
            raise WrongJWT("the payload is not JSON") from None
        if not isinstance(claims, dict):
            raise WrongJWT("the payload is not a JSON object")
        return claims

    def _is_signed_by(self, key: PublicKey) -> bool:
        try:
            return validate_compact(self._signature, key, registry=_REGISTRY)
        except _UNREADABLE:
            return False


def read_jwt(text: str) -> SignedJWT:
    """Read a compact JWS. Raises :class:`WrongJWT`; the signature has not been verified."""
    try:
        signature = extract_compact(text.encode("ascii"), registry=_REGISTRY)
        header = signature.protected
        if not isinstance(header, dict):
            raise WrongJWT("it is not a signed JWT")
        if "crit" in header or "b64" in header:
            raise WrongJWT("the header has an extension that is not known here")
        _REGISTRY.check_header(header)
    except WrongJWT:
        raise
    except _UNREADABLE:
        raise WrongJWT("it is not a signed JWT") from None
    if header["alg"] not in ALGORITHMS:
        raise WrongJWT(f"the algorithm is not one of {', '.join(ALGORITHMS)}")
    return SignedJWT(header, signature)


def public_key(jwk: Any) -> PublicKey:
    """Return the public key of a JWK (RFC 7517). Raises :class:`WrongJWT`.

    A private part is dropped, and a symmetric key is none.
    """
    kind = _KINDS.get(str(jwk.get("kty"))) if isinstance(jwk, dict) else None
    if kind is None:
        raise WrongJWT("the key is not an RSA, EC or OKP key")
    try:
        if kind is RSAKey and len(jwk["n"]) * 6 not in range(RSA_BITS.start - 6, RSA_BITS.stop + 6):
            raise WrongJWT("the RSA key is too small or too large")
        private = {name for name, rule in kind.value_registry.items() if rule.private}
        key: PublicKey = kind.import_key({name: jwk[name] for name in jwk if name not in private})
        if isinstance(key, RSAKey) and key.raw_value.key_size not in RSA_BITS:
            raise WrongJWT("the RSA key is too small or too large")
        return key
    except WrongJWT:
        raise
    except _UNREADABLE:
        raise WrongJWT("the key cannot be read") from None


def is_private(jwk: Mapping[str, Any]) -> bool:
    """Whether a JWK holds more than a public key."""
    kinds = (*_KINDS.values(), OctKey)
    private = {name for kind in kinds for name, rule in kind.value_registry.items() if rule.private}
    return bool(private & set(jwk))


def fits(key: PublicKey, alg: str) -> bool:
    """Whether a key may verify with an algorithm, by its kind and by what it says of itself."""
    if key.key_type != _KIND_OF[alg] or key.alg not in (None, alg):
        return False
    if alg in _CURVES and key.get("crv") not in _CURVES[alg]:
        return False
    operations = key.get("key_ops")
    return key.get("use") in (None, "sig") and (operations is None or "verify" in operations)

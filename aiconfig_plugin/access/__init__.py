"""Authenticate requests by access tokens. Knows Authlib, its HTTP client and JOSE signatures."""

from aiconfig_plugin.access.authenticator import TokenAuthenticator
from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.access.client_auth import (
    Credentials,
    credential_files,
    parse_certificates,
    parse_client_key,
    parse_client_secret,
)
from aiconfig_plugin.access.discovery import MetadataUnavailable
from aiconfig_plugin.access.dpop import check_proof
from aiconfig_plugin.access.jws import ALGORITHMS

__all__ = [
    "ALGORITHMS",
    "ActiveToken",
    "Credentials",
    "MetadataUnavailable",
    "TokenAuthenticator",
    "check_proof",
    "credential_files",
    "parse_certificates",
    "parse_client_key",
    "parse_client_secret",
]

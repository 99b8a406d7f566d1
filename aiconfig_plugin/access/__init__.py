"""Authenticate requests by OAuth 2.0 token introspection. Knows Authlib and its HTTP client."""

from aiconfig_plugin.access.authenticator import IntrospectionAuthenticator
from aiconfig_plugin.access.reply import ActiveToken, active_token

__all__ = [
    "ActiveToken",
    "IntrospectionAuthenticator",
    "active_token",
]

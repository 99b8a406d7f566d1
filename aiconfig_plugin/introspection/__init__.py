"""Authenticate requests by OAuth 2.0 token introspection. Knows Authlib and its HTTP client."""

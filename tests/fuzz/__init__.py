"""Requests that nobody would write: none makes the gateway fail, or answer what it does not say."""

"""API keys at rest and in transit, and the keyring. Knows JOSE and cryptography."""

from aiconfig_plugin.keys.keyring import Keyring, load_keyring, parse_keyring
from aiconfig_plugin.keys.keyring_file import (
    add_keys,
    create_keyring,
    promote_keys,
    retirable,
    retire_keys,
    wrap_keyring,
)
from aiconfig_plugin.keys.vault import Vault

__all__ = [
    "Keyring",
    "Vault",
    "add_keys",
    "create_keyring",
    "load_keyring",
    "parse_keyring",
    "promote_keys",
    "retirable",
    "retire_keys",
    "wrap_keyring",
]

"""Key management services, which wrap the key of the keyring. Knows boto3 and Vault's transit."""

from aiconfig_plugin.kms.service import unwrap, wrap

__all__ = ["unwrap", "wrap"]

"""User-owned AI model configuration for a Tornado gateway.

:class:`AIConfigPlugin` is the way in; :mod:`aiconfig_plugin.errors` has every error it raises.
"""

from aiconfig_plugin.domain import (
    Authenticator,
    Principal,
    Repository,
    ResolvedModel,
    Rotation,
    SecretStr,
)
from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    BaseURLRefused,
    ConfigNotFound,
    ConfigurationError,
    InvalidToken,
    KeyUnreadable,
    MissingToken,
    ModelNotConfigured,
    StorageUnavailable,
)
from aiconfig_plugin.plugin import AIConfigPlugin
from aiconfig_plugin.settings import Settings

__all__ = [
    "AIConfigError",
    "AIConfigPlugin",
    "Authenticator",
    "AuthorizationServerUnavailable",
    "BaseURLRefused",
    "ConfigNotFound",
    "ConfigurationError",
    "InvalidToken",
    "KeyUnreadable",
    "MissingToken",
    "ModelNotConfigured",
    "Principal",
    "Repository",
    "ResolvedModel",
    "Rotation",
    "SecretStr",
    "Settings",
    "StorageUnavailable",
]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """What ``jupyter server extension enable aiconfig_plugin`` enables."""
    return [{"module": "aiconfig_plugin.hosts.jupyter_server"}]

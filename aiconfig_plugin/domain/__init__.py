"""What a configuration is, and the use cases. Knows no library but the standard one."""

from aiconfig_plugin.domain.audit import Action
from aiconfig_plugin.domain.audit import record as record_audit
from aiconfig_plugin.domain.catalog import (
    Catalog,
    OfferedModel,
    OfferedProvider,
    OperatorPrompt,
)
from aiconfig_plugin.domain.decision import Decision, Filters, Policy, decide
from aiconfig_plugin.domain.model import (
    ABSENT,
    MAX_API_KEY_BYTES,
    AIConfig,
    Destination,
    Identity,
    KeyForm,
    KeyState,
    Model,
    ModelEntry,
    Owner,
    Principal,
    ResolvedModel,
    SecretStr,
    StoredKey,
    Submission,
    SubmittedEntry,
)
from aiconfig_plugin.domain.ports import (
    Authenticator,
    BaseURLs,
    KeyVault,
    Replaced,
    Repository,
    Rewrapping,
    StoredConfig,
)
from aiconfig_plugin.domain.rotation import (
    Rotation,
    count_others,
    rotate,
    unreadable_keys,
    verify_keyring,
)
from aiconfig_plugin.domain.service import AIConfigService

__all__ = [
    "ABSENT",
    "AIConfig",
    "AIConfigService",
    "Identity",
    "Action",
    "Authenticator",
    "BaseURLs",
    "Catalog",
    "Decision",
    "Destination",
    "Filters",
    "KeyForm",
    "KeyState",
    "KeyVault",
    "MAX_API_KEY_BYTES",
    "Model",
    "ModelEntry",
    "OfferedModel",
    "OfferedProvider",
    "OperatorPrompt",
    "Owner",
    "Policy",
    "Principal",
    "Replaced",
    "Repository",
    "ResolvedModel",
    "Rewrapping",
    "Rotation",
    "SecretStr",
    "StoredConfig",
    "StoredKey",
    "Submission",
    "SubmittedEntry",
    "count_others",
    "decide",
    "record_audit",
    "rotate",
    "unreadable_keys",
    "verify_keyring",
]

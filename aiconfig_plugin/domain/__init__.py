"""What a configuration is, and the use cases. Knows no library but the standard one."""

from aiconfig_plugin.domain.audit import Action
from aiconfig_plugin.domain.audit import record as record_audit
from aiconfig_plugin.domain.catalog import (
    Catalog,
    OfferedModel,
    OfferedProvider,
    OperatorPrompt,
)
from aiconfig_plugin.domain.decision import Decision, EntryOutcome, Filters, Policy
from aiconfig_plugin.domain.model import (
    ABSENT,
    MAX_API_KEY_BYTES,
    AIConfig,
    Destination,
    Identity,
    KeyForm,
    KeyState,
    KeyWithOrigin,
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
from aiconfig_plugin.domain.moving import move
from aiconfig_plugin.domain.ports import (
    Authenticator,
    KeyVault,
    Replaced,
    Repository,
    Rewrapping,
    StoredConfig,
    Stores,
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
    "Action",
    "Authenticator",
    "Catalog",
    "Decision",
    "Destination",
    "Filters",
    "Identity",
    "KeyForm",
    "KeyState",
    "KeyVault",
    "KeyWithOrigin",
    "MAX_API_KEY_BYTES",
    "Model",
    "ModelEntry",
    "OfferedModel",
    "OfferedProvider",
    "OperatorPrompt",
    "EntryOutcome",
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
    "Stores",
    "StoredKey",
    "Submission",
    "SubmittedEntry",
    "count_others",
    "move",
    "record_audit",
    "rotate",
    "unreadable_keys",
    "verify_keyring",
]

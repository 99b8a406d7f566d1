"""What a configuration is, and the use cases. Knows no library but the standard one."""

from aiconfig_plugin.domain.audit import Action
from aiconfig_plugin.domain.audit import record as record_audit
from aiconfig_plugin.domain.catalog import (
    API,
    Catalog,
    OfferedModel,
    OfferedProvider,
    OperatorPrompt,
)
from aiconfig_plugin.domain.decision import Decision, EntryOutcome, Filters, Policy
from aiconfig_plugin.domain.key_use import (
    KEY_RESULTS,
    KeyResult,
    KeyUse,
    Verification,
    VerificationResult,
)
from aiconfig_plugin.domain.key_use_recorder import KeyUseRecorder
from aiconfig_plugin.domain.model import (
    ABSENT,
    MAX_API_KEY_BYTES,
    AIConfig,
    Destination,
    Identity,
    KeyForm,
    KeyIdentity,
    KeyState,
    KeyWithOrigin,
    Model,
    ModelEntry,
    Owner,
    Principal,
    ResolvedModel,
    StoredKey,
    Submission,
    SubmittedEntry,
)
from aiconfig_plugin.domain.moving import move
from aiconfig_plugin.domain.ports import (
    Authenticator,
    KeyUseStore,
    KeyVault,
    Replaced,
    Repository,
    Rewrapping,
    StoredConfig,
    Stores,
    Verifier,
)
from aiconfig_plugin.domain.rotation import (
    Rotation,
    count_others,
    rotate,
    unreadable_keys,
    verify_keyring,
)
from aiconfig_plugin.domain.secret import SecretStr
from aiconfig_plugin.domain.service import AIConfigService
from aiconfig_plugin.domain.verification import (
    VERIFICATION_TIMEOUT,
    HostVerifier,
    HostVerify,
    KeyVerification,
)

__all__ = [
    "ABSENT",
    "API",
    "AIConfig",
    "AIConfigService",
    "Action",
    "Authenticator",
    "Catalog",
    "Decision",
    "Destination",
    "Filters",
    "HostVerifier",
    "HostVerify",
    "Identity",
    "KEY_RESULTS",
    "KeyForm",
    "KeyIdentity",
    "KeyResult",
    "KeyState",
    "KeyUse",
    "KeyUseRecorder",
    "KeyUseStore",
    "KeyVault",
    "KeyVerification",
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
    "VERIFICATION_TIMEOUT",
    "Verification",
    "VerificationResult",
    "Verifier",
    "count_others",
    "move",
    "record_audit",
    "rotate",
    "unreadable_keys",
    "verify_keyring",
]

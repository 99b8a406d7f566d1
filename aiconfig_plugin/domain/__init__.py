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
from aiconfig_plugin.domain.fleet import HEARTBEAT, LIVE, FleetKeys, Gateway, Kids
from aiconfig_plugin.domain.key_use import (
    KEY_RESULTS,
    KeyResult,
    KeyUse,
    Verification,
    VerificationResult,
)
from aiconfig_plugin.domain.key_use_recorder import KeyUseRecorder
from aiconfig_plugin.domain.logout import KEPT as LOGOUTS_KEPT
from aiconfig_plugin.domain.logout import POLL as LOGOUTS_POLL
from aiconfig_plugin.domain.logout import LogoutFeed, token_digest
from aiconfig_plugin.domain.membership import Membership, use_primaries
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
    Gateways,
    KeyUseStore,
    KeyVault,
    Logout,
    Logouts,
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
from aiconfig_plugin.domain.turning import (
    Progress,
    Waiting,
    activate,
    await_writers,
    retire,
)
from aiconfig_plugin.domain.verification import (
    VERIFICATION_TIMEOUT,
    HostVerifier,
    HostVerify,
    KeyVerification,
)

__all__ = [
    "ABSENT",
    "AIConfig",
    "AIConfigService",
    "API",
    "Action",
    "Authenticator",
    "Catalog",
    "Decision",
    "Destination",
    "EntryOutcome",
    "Filters",
    "FleetKeys",
    "Gateway",
    "Gateways",
    "HEARTBEAT",
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
    "Kids",
    "LIVE",
    "LOGOUTS_KEPT",
    "LOGOUTS_POLL",
    "Logout",
    "LogoutFeed",
    "Logouts",
    "MAX_API_KEY_BYTES",
    "Membership",
    "Model",
    "ModelEntry",
    "OfferedModel",
    "OfferedProvider",
    "OperatorPrompt",
    "Owner",
    "Policy",
    "Principal",
    "Progress",
    "Replaced",
    "Repository",
    "ResolvedModel",
    "Rewrapping",
    "Rotation",
    "SecretStr",
    "StoredConfig",
    "StoredKey",
    "Stores",
    "Submission",
    "SubmittedEntry",
    "VERIFICATION_TIMEOUT",
    "Verification",
    "VerificationResult",
    "Verifier",
    "Waiting",
    "activate",
    "await_writers",
    "count_others",
    "move",
    "record_audit",
    "retire",
    "rotate",
    "token_digest",
    "unreadable_keys",
    "use_primaries",
    "verify_keyring",
]

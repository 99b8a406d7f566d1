"""When an API key was used, and what its provider said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias, get_args

KeyResult: TypeAlias = Literal["accepted", "rejected", "quota-exceeded"]
"""What a provider says of a key."""
KEY_RESULTS: Final[tuple[KeyResult, ...]] = get_args(KeyResult)

VerificationResult: TypeAlias = Literal[KeyResult, "unreachable", "unknown"]
"""What comes of asking: "unknown" where the answer, or its absence, says nothing of the key."""


@dataclass(frozen=True)
class KeyUse:
    """What is known of the use of one key. Times have a zone; what is not known is None."""

    last_used_at: datetime | None = None
    last_result: KeyResult | None = None
    last_result_at: datetime | None = None

    def merged(self, later: KeyUse) -> KeyUse:
        """Return the newest of both; of two results of one moment, that of ``later``."""
        used = [use.last_used_at for use in (self, later) if use.last_used_at]
        said = [(use.last_result_at, use) for use in (later, self) if use.last_result_at]
        _, newest = max(said, key=lambda pair: pair[0], default=(None, UNUSED))
        return KeyUse(max(used, default=None), newest.last_result, newest.last_result_at)


UNUSED: Final = KeyUse()


_DETAILS: Final[Mapping[VerificationResult, str]] = {
    "accepted": "The provider accepted the API key",
    "rejected": "The provider rejected the API key",
    "quota-exceeded": "The provider's quota or rate limit is exceeded",
    "unreachable": "The provider is not available",
    "unknown": "The response says nothing about the API key",
}


@dataclass(frozen=True)
class Verification:
    """What came of asking a provider about a key. ``detail`` says it to people."""

    result: VerificationResult
    detail: str

    @classmethod
    def of(cls, result: VerificationResult, *, status: int | None = None) -> Verification:
        """Return what a result means. Of the provider's response only the status is told.

        Raises ValueError for a result that is none.
        """
        if result not in _DETAILS:
            raise ValueError(f"a verification must return one of: {', '.join(_DETAILS)}")
        return cls(result, _DETAILS[result] + (f" (status {status})." if status else "."))

    @property
    def key_result(self) -> KeyResult | None:
        """What the provider said of the key; None where it said nothing."""
        if self.result == "unreachable" or self.result == "unknown":
            return None
        return self.result

"""The base of every error, and the errors that concern no route in particular."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias


class AIConfigError(Exception):
    """Base of every error that this package raises on purpose."""

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    detail: str = ""

    def __init__(self, detail: str | None = None) -> None:
        self.detail = self.detail if detail is None else detail
        super().__init__(self.detail)


class InternalError(AIConfigError):
    """Something is wrong on the gateway's side. A client is told no more than that."""

    code = "internal-error"
    title = "Internal error"
    status = 500


class ConfigurationError(InternalError):
    """A setting, the keyring or the set-up of the host is wrong; the gateway cannot start."""


Outcome: TypeAlias = Literal["unknown", "nothing-changed"]
"""What a write that failed has done: "unknown" where it was sent; None is of no write."""


class Unavailable(AIConfigError):
    """A system that the gateway depends on is not available; ``retry_after`` is in seconds."""

    status = 503

    def __init__(
        self, detail: str = "", *, retry_after: int = 5, outcome: Outcome | None = None
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.outcome = outcome

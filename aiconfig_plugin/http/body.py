"""Receiving request bodies within the limits of one request and of the process."""

from __future__ import annotations

from collections.abc import Mapping

from aiconfig_plugin.errors import (
    AIConfigError,
    BodyTooLarge,
    StorageUnavailable,
    UnsupportedMediaType,
)

KIB, MIB = 1024, 1024 * 1024
MAX_BODY_BYTES = MIB
# What follows a refusal is read and dropped up to here, so that the client gets to read why, also
# through a proxy. A longer body is cut off, which many clients report as a broken connection.
MAX_DRAINED_BYTES = 16 * MIB
MAX_DRAINED_UNREAD_BYTES = MIB
"""Of a request that is refused before its body counts."""


def require_media_type(headers: Mapping[str, str], media_type: str) -> None:
    """Raise ``UnsupportedMediaType`` for a body that is not plain ``media_type``."""
    given, _, _ = headers.get("Content-Type", "").partition(";")
    if given.strip().lower() != media_type:
        raise UnsupportedMediaType(f"Send the body as {media_type}.")
    # Tornado's decompress_request renames the header of what it decompresses.
    coding = headers.get("X-Consumed-Content-Encoding") or headers.get("Content-Encoding", "")
    if coding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("Send the body without a content coding.")


class BodyBudget:
    """The bytes that all bodies together may take while their requests are being served.

    ``reserved`` of ``total`` is for bodies announced with at most ``small`` bytes, so that large
    ones cannot keep everybody else out.
    """

    def __init__(
        self, total: int = 64 * MIB, *, reserved: int = 8 * MIB, small: int = 64 * KIB
    ) -> None:
        self.small = small
        self._free = total
        self._free_for_large = total - reserved

    def has(self, size: int, *, large: bool) -> bool:
        return size <= (min(self._free, self._free_for_large) if large else self._free)

    def take(self, size: int, *, large: bool) -> None:
        """Take ``size`` bytes; a negative size gives them back."""
        self._free -= size
        if large:
            self._free_for_large -= size


class BodyReader:
    """Keeps one body; with ``keep=False`` it only counts, for methods that take no body.

    ``announced`` is the Content-Length; None is a chunked body. ``drained`` bytes are dropped at
    most.
    """

    def __init__(
        self,
        budget: BodyBudget,
        announced: int | None,
        *,
        keep: bool = True,
        drained: int = MAX_DRAINED_BYTES,
    ) -> None:
        self._drained = drained
        self._budget = budget
        self._announced = announced or 0
        self._keep = keep
        self._large = announced is None or announced > budget.small
        self._body = bytearray()
        self._received = 0

    def check_announced(self) -> None:
        """Raise what :meth:`receive` would raise in the end for the announced length."""
        error = self._refusal(self._announced, self._announced)
        if error is not None:
            raise error

    def receive(self, chunk: bytes) -> None:
        """Keep ``chunk``, or raise ``BodyTooLarge`` or ``StorageUnavailable`` and keep nothing."""
        self._received += len(chunk)
        error = self._refusal(self._received, len(chunk))
        if error is not None:
            self.close()
            raise error
        if self._keep:
            self._budget.take(len(chunk), large=self._large)
            self._body += chunk

    def is_overlong(self) -> bool:
        """Tell whether this is too much even to be dropped."""
        return max(self._announced, self._received) > self._drained

    def read(self) -> bytearray:
        """Return what was received."""
        return self._body

    def close(self) -> None:
        """Drop the body and everything that follows; may be called again."""
        self._budget.take(-len(self._body), large=self._large)
        self._body = bytearray()
        self._keep = False

    def _refusal(self, size: int, more: int) -> AIConfigError | None:
        """Return why a body of ``size`` bytes, ``more`` of them new, is not kept, if so."""
        if size > (MAX_BODY_BYTES if self._keep else self._drained):
            return BodyTooLarge(f"A body may have at most {MAX_BODY_BYTES} bytes.")
        if self._keep and not self._budget.has(more, large=self._large):
            return StorageUnavailable(
                "Too many request bodies are being received.",
                retry_after=1,
                outcome="nothing-changed",
            )
        return None

"""What a stored configuration, its keys and its database do not allow."""

from __future__ import annotations

from collections.abc import Collection

from aiconfig_plugin.errors.base import AIConfigError, Unavailable


class ConfigNotFound(AIConfigError):
    """The owner has no configuration: none was created, or it was deleted."""

    code = "config-not-found"
    title = "Configuration not found"
    status = 404
    detail = "This user has no AI model configuration."


class ConfigExists(AIConfigError):
    """The owner already has a configuration; an update would replace it."""

    code = "config-exists"
    title = "Configuration already exists"
    status = 409
    detail = "This user already has an AI model configuration; update it instead."


class RevisionMismatch(AIConfigError):
    """``If-Match`` does not name the current revision. Nothing was changed."""

    code = "revision-mismatch"
    title = "Configuration has changed"
    status = 412
    detail = "If-Match does not name the current revision; read the configuration again."


class ModelNotConfigured(AIConfigError):
    """The owner has a configuration, but no entry matches the request."""

    code = "model-not-configured"
    title = "No matching entry"
    status = 404


class BaseURLRefused(AIConfigError):
    """A client of an entry was asked to call what it must not reach. Nothing was sent."""

    code = "base-url-refused"
    title = "The URL may not be called"
    status = 500


class KeyUnreadable(AIConfigError):
    """A stored key cannot be decrypted: its wrapping key is gone, or it was moved. See the log."""

    code = "key-unreadable"
    title = "Stored API key unreadable"
    status = 409


class KeyInUse(AIConfigError):
    """Keys of the keyring cannot be removed: they wrap stored keys, or a gateway writes with them.

    ``kids`` are those that are in use.
    """

    code = "key-in-use"
    title = "Key in use"
    status = 409

    def __init__(self, detail: str | None = None, *, kids: Collection[str] = ()) -> None:
        super().__init__(detail)
        self.kids = sorted(kids)


class KeyNotDistributed(AIConfigError):
    """A key cannot be activated while a live gateway does not hold it."""

    code = "key-not-distributed"
    title = "Key not distributed"
    status = 409


class StorageUnavailable(Unavailable):
    """The database gave no usable answer, or memory for request bodies is short."""

    code = "storage-unavailable"
    title = "Storage unavailable"

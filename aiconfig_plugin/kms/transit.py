"""The transit secrets engine of HashiCorp Vault and OpenBao, by its HTTP API.

https://openbao.org/api-docs/secret/transit/
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final, Literal

import httpx2

from aiconfig_plugin.errors import ConfigurationError

PURPOSE: Final = "aiconfig keyring"
"""What a wrapped key is bound to (``associated_data``): it opens for nothing else."""
MAX_ANSWER: Final = 65_536  # bytes


class TransitKey:
    """The key ``name`` of the engine at ``transit/``.

    ``VAULT_ADDR`` and ``VAULT_TOKEN`` of ``environ`` say where it is, and authenticate. TLS trusts
    the authorities of the system, or those that ``SSL_CERT_FILE`` names.
    """

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
            raise ConfigurationError("must be hashivault://NAME.")
        self._name = name
        self._address = environ.get("VAULT_ADDR", "")
        self._token = environ.get("VAULT_TOKEN", "")

    def wrap(self, key: bytes) -> str:
        """Return the ciphertext, ``vault:v1:…``."""
        return self._call("encrypt", "ciphertext", plaintext=_b64(key))

    def unwrap(self, wrapped: str) -> bytes:
        """Return what :meth:`wrap` was given."""
        try:
            return base64.b64decode(self._call("decrypt", "plaintext", ciphertext=wrapped))
        except ValueError:
            raise ConfigurationError("its answer is not one of the transit engine.") from None

    def _call(self, action: Literal["encrypt", "decrypt"], wanted: str, **sent: str) -> str:
        if not self._address:
            raise ConfigurationError("VAULT_ADDR is not set.")
        if not re.fullmatch(r"[!-~]+", self._token):
            raise ConfigurationError("VAULT_TOKEN is not set, or is not a token.")
        url = f"{self._address.rstrip('/')}/v1/transit/{action}/{self._name}"
        status, answer = self._post(url, {**sent, "associated_data": _b64(PURPOSE.encode())})
        if status != 200:
            raise ConfigurationError(_explain(action, self._name, status, answer))
        data = answer.get("data")
        value = data.get(wanted) if isinstance(data, dict) else None
        if not isinstance(value, str):
            raise ConfigurationError("its answer is not one of the transit engine.")
        return value

    def _post(self, url: str, sent: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Return the status, and the JSON object that was answered, if it was one."""
        headers = {"X-Vault-Token": self._token, "X-Vault-Request": "true"}
        context = ssl.create_default_context()
        try:
            with (
                httpx2.Client(verify=context, trust_env=False) as client,
                client.stream("POST", url, json=sent, headers=headers) as response,
            ):
                body = b""
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise ConfigurationError("its answer does not end.")
        except httpx2.ConnectError as err:
            raise ConfigurationError(f"VAULT_ADDR cannot be reached: {err}.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as err:
            # Its text may quote what was sent.
            raise ConfigurationError(f"no answer ({type(err).__name__}).") from None
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        return response.status_code, answer if isinstance(answer, dict) else {}


def _explain(action: str, name: str, status: int, answer: Mapping[str, Any]) -> str:
    """Return what a refusal means. What the service says is not repeated: it may quote anything."""
    said = str(answer.get("errors")).lower()
    if status == 400 and "key not found" in said:
        return "there is no such key."
    if status == 400 and action == "decrypt":
        return (
            "this key does not open what it is given: another key wrapped it, or for another "
            "purpose, or it is damaged (HTTP 400)."
        )
    if status == 403:
        return (
            f"forbidden: VAULT_TOKEN is invalid or has expired, or no policy of it allows update "
            f"on transit/{action}/{name} (HTTP 403)."
        )
    if status == 503:
        return f"the service is {'sealed' if 'sealed' in said else 'not available'} (HTTP 503)."
    return f"the transit engine refused (HTTP {status})."


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()

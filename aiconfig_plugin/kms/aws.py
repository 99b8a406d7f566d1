"""AWS Key Management Service, through boto3 (the extra ``aws``).

https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings import is_exposed

CONTEXT: Final = {"purpose": "aiconfig keyring"}
"""The encryption context, which a wrapped key is bound to: it opens for nothing else."""
PART_TIMEOUT: Final = 5  # seconds, for connecting and for each wait for bytes

_DOES_NOT_OPEN = (
    "this key does not open what it is given: another key wrapped it, or for another purpose, "
    "or it is damaged"
)
_FORBIDDEN = "forbidden: the credentials of AWS are not accepted"
# https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html, and each action's own.
_MEANINGS: Final[Mapping[str, str]] = {
    "AccessDeniedException": "forbidden: no policy allows this principal to use the key",
    "DisabledException": "the key is disabled",
    "ExpiredTokenException": _FORBIDDEN,
    "IncorrectKeyException": _DOES_NOT_OPEN,
    "InvalidCiphertextException": _DOES_NOT_OPEN,
    "InvalidSignatureException": _FORBIDDEN,
    "KMSInvalidStateException": "the key cannot be used in its state",
    "NotFoundException": "there is no such key",
    "UnrecognizedClientException": _FORBIDDEN,
    # What boto3 finds before it calls.
    "NoCredentialsError": "no credentials of AWS were found",
    "NoRegionError": "no region is set: set AWS_REGION",
}


class AWSKey:
    """The key of ``[ENDPOINT]/KEY``; KEY is a key id, an ARN or ``alias/NAME``.

    Region and credentials come from where boto3 looks for them (the region also from an ARN and
    from ``AWS_REGION``). An endpoint on this machine is reached over plain http, any other over
    TLS.
    """

    def __init__(self, place: str, environ: Mapping[str, str]) -> None:
        found = re.fullmatch(r"([\w.:\[\]-]*)/([\w:/-]+)", place, re.ASCII)
        if found is None:
            raise ConfigurationError("must be awskms:///KEY-ID-OR-ALIAS or awskms://ENDPOINT/KEY.")
        endpoint, self._key_id = found.groups()
        self._endpoint = _url(endpoint) if endpoint else None
        arn = re.match(r"arn:[\w-]+:kms:([\w-]+):", self._key_id)
        self._region = arn[1] if arn else environ.get("AWS_REGION")

    def wrap(self, key: bytes) -> str:
        """Return the ciphertext in base64, as the command ``aws kms`` prints it."""
        answer = self._call("encrypt", Plaintext=key)
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def unwrap(self, wrapped: str) -> bytes:
        """Return what :meth:`wrap` was given."""
        try:
            blob = base64.b64decode(wrapped, validate=True)
        except ValueError:
            raise ConfigurationError("what it is to open is not base64.") from None
        return bytes(self._call("decrypt", CiphertextBlob=blob)["Plaintext"])

    def _call(self, action: str, **sent: bytes) -> Mapping[str, Any]:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise ConfigurationError(
                "boto3 is not installed: pip install 'aiconfig-plugin[aws]'."
            ) from None
        config = Config(
            connect_timeout=PART_TIMEOUT,
            read_timeout=PART_TIMEOUT,
            retries={"total_max_attempts": 1},
        )
        try:
            # A session of its own: that of boto3 is not for several threads.
            client = boto3.session.Session().client(
                "kms", region_name=self._region, endpoint_url=self._endpoint, config=config
            )
            call = getattr(client, action)
            answer: Mapping[str, Any] = call(KeyId=self._key_id, EncryptionContext=CONTEXT, **sent)
            return answer
        except ClientError as err:
            code = str(err.response.get("Error", {}).get("Code"))
            raise _explained(code, "AWS KMS refused") from None
        except (BotoCoreError, ValueError) as err:
            raise _explained(type(err).__name__, "AWS KMS gave no answer") from None


def _explained(code: str, otherwise: str) -> ConfigurationError:
    return ConfigurationError(f"{_MEANINGS.get(code, otherwise)} ({code}).")


def _url(endpoint: str) -> str:
    plain = f"http://{endpoint}"
    return f"https://{endpoint}" if is_exposed(plain) else plain

"""AWS KMS through boto3: moto's server, and what each refusal means."""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.kms import unwrap, wrap
from aiconfig_plugin.kms.aws import CONTEXT, AWSKey
from tests.support.gateway import closed_port
from tests.support.key_management import Moto

Given = Callable[[Mapping[str, str]], None]
KEY = secrets.token_bytes(32)


def refusal(call: Callable[[], object], *secret: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        call()
    assert not [each for each in secret if each in refused.value.detail]
    return refused.value.detail


@pytest.fixture
def kms(aws: Moto, given: Given) -> Moto:
    given(aws.environ)
    return aws


def test_what_is_wrapped_is_unwrapped_by_id_arn_and_alias(kms: Moto) -> None:
    alias = f"k{secrets.token_hex(4)}"
    key_id = kms.create_key(alias)
    arn = kms.client.describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
    wrapped = wrap(kms.kek(f"alias/{alias}"), KEY)
    for name in (key_id, arn, f"alias/{alias}"):
        assert unwrap(kms.kek(name), wrapped) == KEY


def test_it_is_bound_to_its_purpose(kms: Moto) -> None:
    key_id = kms.create_key(f"k{secrets.token_hex(4)}")

    def wrapped_for(**context: str) -> str:
        answer = kms.client.encrypt(KeyId=key_id, Plaintext=KEY, EncryptionContext=context)
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    assert unwrap(kms.kek(key_id), wrapped_for(**CONTEXT)) == KEY
    for context in ({}, {"purpose": "a letter"}):
        told = refusal(lambda: unwrap(kms.kek(key_id), wrapped_for(**context)))  # noqa: B023
        assert "this key does not open what it is given" in told
        assert told.endswith("(InvalidCiphertextException).")


def test_a_key_that_is_not_there_is_told(kms: Moto) -> None:
    told = refusal(lambda: wrap(kms.kek("alias/nobody"), KEY))
    assert told == f"{kms.kek('alias/nobody')}: there is no such key (NotFoundException)."


def test_what_is_no_base64_is_not_sent(kms: Moto) -> None:
    assert "not base64" in refusal(lambda: unwrap(kms.kek("alias/x"), "not base64!"))


def test_an_endpoint_where_nobody_listens_and_missing_credentials_are_told(
    aws: Moto, given: Given
) -> None:
    nowhere = f"awskms://127.0.0.1:{closed_port()}/alias/x"
    told = refusal(lambda: wrap(aws.kek("alias/x"), KEY))
    assert told.endswith(": no region is set: set AWS_REGION (NoRegionError).")
    given({"AWS_REGION": "eu-central-1"})
    told = refusal(lambda: wrap(aws.kek("alias/x"), KEY))
    assert told.endswith(": no credentials of AWS were found (NoCredentialsError).")
    given(aws.environ)
    told = refusal(lambda: wrap(nowhere, KEY), aws.environ["AWS_SECRET_ACCESS_KEY"])
    assert told == f"{nowhere}: AWS KMS gave no answer (EndpointConnectionError)."


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("AccessDeniedException", "forbidden: no policy allows this principal to use the key"),
        ("ExpiredTokenException", "forbidden: the credentials of AWS are not accepted"),
        ("IncorrectKeyException", "this key does not open what it is given"),
        ("DisabledException", "the key is disabled"),
        ("KMSInvalidStateException", "the key cannot be used in its state"),
        ("ThrottlingException", "AWS KMS refused"),
    ],
)
def test_what_a_refusal_means(
    monkeypatch: pytest.MonkeyPatch, given: Given, code: str, told: str
) -> None:
    class Refusing:
        def decrypt(self, **_: Any) -> Any:
            error = {"Error": {"Code": code, "Message": "with a s3cret in it"}}
            raise ClientError(error, "Decrypt")  # type: ignore[arg-type]

    monkeypatch.setattr(boto3.session.Session, "client", lambda *_args, **_given: Refusing())
    said = refusal(lambda: unwrap("awskms:///alias/x", "AAAA"), "s3cret")
    assert said.startswith(f"awskms:///alias/x: {told}") and said.endswith(f"({code}).")


@pytest.mark.parametrize(
    ("place", "environ", "expected"),
    [
        ("/alias/x", {}, {"region_name": None, "endpoint_url": None}),
        ("/alias/x", {"AWS_REGION": "r"}, {"region_name": "r", "endpoint_url": None}),
        (
            "/arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab",
            {"AWS_REGION": "r"},
            {"region_name": "eu-west-1", "endpoint_url": None},
        ),
        ("localhost:5000/k", {}, {"endpoint_url": "http://localhost:5000"}),
        ("[::1]:5000/k", {}, {"endpoint_url": "http://[::1]:5000"}),
        ("kms.example/alias/x", {}, {"endpoint_url": "https://kms.example"}),
        ("10.0.0.1:8443/k", {}, {"endpoint_url": "https://10.0.0.1:8443"}),
    ],
)
def test_where_a_key_is(
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    environ: Mapping[str, str],
    expected: Mapping[str, Any],
) -> None:
    asked: dict[str, Any] = {}

    class Client:
        def encrypt(self, **given: Any) -> Any:
            asked.update(given)
            return {"CiphertextBlob": b"blob"}

    def client(*_args: Any, **given: Any) -> Client:
        asked.update(given)
        return Client()

    monkeypatch.setattr(boto3.session.Session, "client", client)
    assert AWSKey(place, environ).wrap(KEY) == "YmxvYg=="
    assert {name: asked[name] for name in expected} == expected
    assert asked["KeyId"] == place.partition("/")[2] and asked["EncryptionContext"] == CONTEXT
    assert asked["config"].retries == {"total_max_attempts": 1}
    assert (asked["config"].connect_timeout, asked["config"].read_timeout) == (5, 5)


def test_boto3_is_imported_when_it_is_needed_and_named_when_it_is_not_there() -> None:
    code = """
import sys
sys.modules["boto3"] = None
from aiconfig_plugin import AIConfigPlugin
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.kms import wrap
try:
    wrap("awskms:///alias/x", b"key")
except ConfigurationError as err:
    print(err.detail)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (
        "awskms:///alias/x: boto3 is not installed: pip install 'aiconfig-plugin[aws]'.\n"
    )

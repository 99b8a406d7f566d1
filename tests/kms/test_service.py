"""The URI of a key encryption key."""

from __future__ import annotations

import pytest

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.kms import unwrap, wrap


@pytest.mark.parametrize(
    ("kek", "told"),
    [
        ("", "must be a URI of awskms or hashivault."),
        ("aiconfig", "must be a URI of"),
        ("hashivault", "must be a URI of"),
        ("hashivault:aiconfig", "must be a URI of"),
        ("gcpkms://projects/p", "must be a URI of"),
        ("HASHIVAULT://a", "must be a URI of"),
        ("hashivault://", "must be hashivault://NAME."),
        ("hashivault://a/b", "must be hashivault://NAME."),
        ("hashivault://../a", "must be hashivault://NAME."),
        ("hashivault://a?b", "must be hashivault://NAME."),
        ("awskms://", "must be awskms:///KEY-ID-OR-ALIAS or awskms://ENDPOINT/KEY."),
        ("awskms:///", "must be awskms:///"),
        ("awskms://key", "must be awskms:///"),
        ("awskms://user@host/key", "must be awskms:///"),
        ("awskms:///a key", "must be awskms:///"),
    ],
)
def test_what_is_no_uri_of_a_key_is_told(kek: str, told: str) -> None:
    for call in (lambda: wrap(kek, bytes(32)), lambda: unwrap(kek, "x")):
        with pytest.raises(ConfigurationError) as refused:
            call()
        assert refused.value.detail.startswith(f"{kek}: {told}")

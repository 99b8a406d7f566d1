"""A keyring in an envelope, which a key management service opens."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jwcrypto import jwe, jwk

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys import (
    add_keys,
    create_keyring,
    load_keyring,
    promote_keys,
    retirable,
    retire_keys,
    wrap_keyring,
)
from aiconfig_plugin.keys import envelope as envelopes
from tests.support.key_management import Moto, OpenBao

KEK = "hashivault://aiconfig"


class FakeKMS:
    """Wraps keys by remembering them, and counts."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], bytes] = {}
        self.wrapped = self.unwrapped = 0

    def wrap(self, kek: str, key: bytes) -> str:
        self.wrapped += 1
        name = secrets.token_urlsafe()
        self._keys[kek, name] = key
        return name

    def unwrap(self, kek: str, wrapped: str) -> bytes:
        self.unwrapped += 1
        try:
            return self._keys[kek, wrapped]
        except KeyError:
            raise ConfigurationError(f"{kek}: it does not open.") from None


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> FakeKMS:
    fake = FakeKMS()
    monkeypatch.setattr(envelopes, "wrap", fake.wrap)
    monkeypatch.setattr(envelopes, "unwrap", fake.unwrap)
    return fake


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "envelope.json"


def content(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def rewritten(path: Path, **changed: Any) -> Path:
    path.write_text(json.dumps({**content(path), **changed}))
    return path


def test_an_envelope_shows_no_key_and_opens_to_a_keyring(kms: FakeKMS, path: Path) -> None:
    create_keyring(path, KEK)
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(content(path)) == {"kek", "encrypted_key", "jwe"} and content(path)["kek"] == KEK
    ring = load_keyring(path)
    shown = path.read_text()
    assert ring.primary not in shown
    assert ring.storage[ring.primary].as_dict(private=True)["k"] not in shown
    assert (kms.wrapped, kms.unwrapped) == (1, 1)


def test_another_implementation_opens_it(kms: FakeKMS, path: Path) -> None:
    create_keyring(path, KEK)
    key = kms.unwrap(KEK, content(path)["encrypted_key"])
    token = jwe.JWE()
    token.deserialize(
        content(path)["jwe"], jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(key).decode())
    )
    assert token.jose_header == {"alg": "dir", "enc": "A256GCM", "cty": "jwk-set+json"}
    assert [each["kty"] for each in json.loads(token.payload)["keys"]] == ["oct", "EC"]


def test_it_is_changed_as_a_plain_file_is(kms: FakeKMS, path: Path) -> None:
    create_keyring(path, KEK)
    old = load_keyring(path)
    before = content(path)
    storage, sealing = add_keys(path)
    assert load_keyring(path).primary == old.primary
    assert promote_keys(path) == [storage, sealing]
    assert retirable(path) == [old.primary, old.primary_sealing]
    retire_keys(path, retirable(path))
    assert list(load_keyring(path).storage) == [storage]
    after = content(path)
    assert after["kek"] == KEK and not set(before.values()) & {after["encrypted_key"], after["jwe"]}
    assert list(path.parent.iterdir()) == [path]


def test_a_change_asks_for_the_old_key_a_new_one_and_whether_it_opens(
    kms: FakeKMS, path: Path
) -> None:
    create_keyring(path, KEK)
    kms.wrapped = kms.unwrapped = 0
    add_keys(path)
    assert (kms.wrapped, kms.unwrapped) == (1, 2)


def test_a_plain_file_is_wrapped_and_an_envelope_gets_another_key(
    kms: FakeKMS, keyring: Path
) -> None:
    plain = load_keyring(keyring)
    for kek in (KEK, "awskms:///alias/other"):
        wrap_keyring(keyring, kek)
        assert content(keyring)["kek"] == kek
        assert load_keyring(keyring) == plain


def test_a_change_that_cannot_be_wrapped_changes_nothing(
    kms: FakeKMS, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_keyring(path, KEK)
    before = path.read_bytes()

    def refuse(kek: str, _key: bytes) -> str:
        raise ConfigurationError(f"{kek}: forbidden.")

    def lie(_kek: str, _key: bytes) -> str:
        return "not what was wrapped"

    for wrap in (refuse, lie):
        monkeypatch.setattr(envelopes, "wrap", wrap)
        with pytest.raises(ConfigurationError, match=KEK):
            add_keys(path)
        assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    monkeypatch.setattr(envelopes, "wrap", refuse)
    with pytest.raises(ConfigurationError, match="forbidden"):
        create_keyring(path.with_name("new.json"), KEK)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"kek": 7}, "an envelope has kek, encrypted_key, jwe, each a string."),
        ({"encrypted_key": None}, "an envelope has"),
        ({"jwe": {}}, "an envelope has"),
        ({"encrypted_key": "another"}, f"{KEK}: it does not open."),
        ({"jwe": ""}, "it is damaged: its key does not open its jwe."),
        ({"jwe": "a.b.c.d.e"}, "it is damaged"),
        ({"jwe": "ünï"}, "it is damaged"),
    ],
)
def test_a_damaged_envelope_is_told(
    kms: FakeKMS, path: Path, changed: Mapping[str, Any], told: str
) -> None:
    create_keyring(path, KEK)
    with pytest.raises(ConfigurationError) as refused:
        load_keyring(rewritten(path, **changed))
    assert refused.value.detail.startswith(f"AICONFIG_KEYRING: {path}: {told}")


def test_with_any_part_of_it_altered_it_does_not_open(kms: FakeKMS, path: Path) -> None:
    create_keyring(path, KEK)
    whole = content(path)["jwe"]
    for number, part in enumerate(parts := whole.split(".")):
        if part:
            other = [*parts]
            other[number] = ("B" if part[0] == "A" else "A") + part[1:]
            with pytest.raises(ConfigurationError, match="damaged"):
                load_keyring(rewritten(path, jwe=".".join(other)))
    for cut in (whole[:-4], whole[: len(whole) // 2]):
        with pytest.raises(ConfigurationError, match="damaged"):
            load_keyring(rewritten(path, jwe=cut))
    assert load_keyring(rewritten(path, jwe=whole)).primary


def test_an_envelope_of_another_algorithm_is_not_opened(kms: FakeKMS, path: Path) -> None:
    """As the header is the writer's, an algorithm is never believed of it."""
    create_keyring(path, KEK)
    key = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(bytes(32)).decode())
    header = json.dumps({"alg": "A256KW", "enc": "A256GCM"})
    token = jwe.JWE(b'{"keys": []}', header, recipient=key)
    name = kms.wrap(KEK, bytes(32))
    with pytest.raises(ConfigurationError, match="damaged"):
        load_keyring(rewritten(path, jwe=token.serialize(compact=True), encrypted_key=name))


def test_what_is_inside_must_be_a_keyring(kms: FakeKMS, path: Path) -> None:
    path.write_text(json.dumps(envelopes.seal_envelope({"keys": []}, KEK)))
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="it has no oct key"):
        load_keyring(path)


def test_an_envelope_is_a_private_file_too(kms: FakeKMS, path: Path) -> None:
    create_keyring(path, KEK)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="0644"):
        load_keyring(path)
    assert kms.unwrapped == 0


def test_real_services_open_what_they_wrapped(
    bao: OpenBao, aws: Moto, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**bao.environ, **aws.environ}.items():
        monkeypatch.setenv(name, value)
    create_keyring(path, bao.kek)
    ring = load_keyring(path)
    wrap_keyring(path, aws.kek(aws.create_key("envelopes")))
    assert load_keyring(path) == ring
    wrap_keyring(path, bao.kek)
    storage, _ = add_keys(path)
    assert list(load_keyring(path).storage) == [ring.primary, storage]

"""The keyring file: made private, refused when it is not, and never quoted."""

from __future__ import annotations

import copy
import json
import os
import stat
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from joserfc.jwk import ECKey, OctKey

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import create_keyring

Document: TypeAlias = Any


def storage_key(kid: str, size: int = 32, **members: object) -> dict[str, Any]:
    return {**OctKey.generate_key(size * 8, {"kid": kid}).as_dict(private=True), **members}


def sealing_key(kid: str, curve: str = "P-256", **members: object) -> dict[str, Any]:
    return {**ECKey.generate_key(curve, {"kid": kid}).as_dict(private=True), **members}


# One of each, made once: no test here asks that keys differ from run to run.
STORAGE = [storage_key(f"storage-{n}") for n in range(3)]
SEALING = [sealing_key(f"sealing-{n}") for n in range(2)]


def good() -> dict[str, Any]:
    return copy.deepcopy({"keys": [STORAGE[0], SEALING[0]]})


def write(path: Path, content: Document | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(mode)
    return path


def key_material(node: Any) -> Iterator[str]:
    """Every ``k`` and ``d`` of a document, wherever it stands."""
    if isinstance(node, dict):
        yield from (node[name] for name in ("k", "d") if isinstance(node.get(name), str))
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, (dict, list)):
            yield from key_material(child)


def refusal(path: Path, content: Document | bytes, mode: int = 0o600) -> str:
    """Why a keyring of this content is refused; checks what every refusal must keep to."""
    with pytest.raises(ConfigurationError) as caught:
        load_keyring(write(path, content, mode))
    error = caught.value
    assert error.detail.startswith(f"AICONFIG_KEYRING: {path}: ")
    told = error.detail + repr(error) + "".join(traceback.format_exception(error))
    if not isinstance(content, bytes):
        for secret in key_material(content):
            pieces = {secret[at : at + 7] for at in range(len(secret) - 6)}
            assert not [piece for piece in pieces if piece in told]
    return error.detail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_keyring_is_for_its_owner_alone(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        create_keyring(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_keyring_has_one_key_of_each_kind_and_loads(path: Path) -> None:
    create_keyring(path)
    keyring = load_keyring(path)
    assert list(keyring.storage) == [keyring.primary]
    assert [len(key.raw_value) for key in keyring.storage.values()] == [32]
    assert [key.curve_name for key in keyring.sealing.values()] == ["P-256"]
    assert not set(keyring.storage) & set(keyring.sealing)
    first, second = json.loads(path.read_text())["keys"]
    assert (first["kty"], first["use"], first["alg"]) == ("oct", "enc", "A256KW")
    assert (second["kty"], second["use"], second["alg"]) == ("EC", "enc", "ECDH-ES")
    assert first["primary"] is True


def test_no_two_new_keyrings_are_alike(tmp_path: Path) -> None:
    secrets, kids = set(), set()
    for name in ("one", "two"):
        create_keyring(tmp_path / name)
        document = json.loads((tmp_path / name).read_text())
        secrets.update(key_material(document))
        kids.update(key["kid"] for key in document["keys"])
    assert (len(secrets), len(kids)) == (4, 4)


def test_a_file_that_is_there_is_not_overwritten(path: Path) -> None:
    write(path, b"mine", 0o644)
    with pytest.raises(ConfigurationError, match="keyring.json"):
        create_keyring(path)
    assert path.read_bytes() == b"mine"


def test_a_link_to_nowhere_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        create_keyring(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_keyring_in_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        create_keyring(tmp_path / "nowhere" / "keyring.json")


def test_a_missing_file_and_a_directory_are_named(path: Path) -> None:
    for message in ("No such file", "Is a directory"):
        with pytest.raises(ConfigurationError, match=message) as caught:
            load_keyring(path)
        assert caught.value.detail.startswith(f"AICONFIG_KEYRING: {path}: ")
        path.mkdir(exist_ok=True)


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o660, 0o602, 0o604, 0o610, 0o601, 0o666])
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    assert f"mode {mode:04o}" in refusal(path, good(), mode)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_others_may_not_use_is_read(path: Path, mode: int) -> None:
    assert list(load_keyring(write(path, good(), mode)).storage) == ["storage-0"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"keys = []", id="another language"),
        pytest.param(b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(b'{"keys": 1' + b"0" * 5000 + b"}", id="a number of 5,000 digits"),
        pytest.param(b"[" * 100_000, id="100,000 brackets"),
    ],
)
def test_what_is_not_json_is_refused(path: Path, content: bytes) -> None:
    assert "not JSON" in refusal(path, content)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param(STORAGE[0], id="a key by itself"),
        pytest.param([STORAGE[0], SEALING[0]], id="a list of keys"),
        pytest.param({"keys": STORAGE[0]}, id="keys is an object"),
        pytest.param({"keys": [STORAGE[0], None]}, id="a key is null"),
        pytest.param({"keys": [STORAGE[0]["k"]]}, id="a key is a string"),
    ],
)
def test_what_is_not_a_jwk_set_is_refused(path: Path, document: Document) -> None:
    content = document if document is not None else b"null"
    assert "JWK Set" in refusal(path, content)


@pytest.mark.parametrize("kid", [None, "", 5, ["a"], "a b", "a\n", "é", "a/b", "x" * 65])
@pytest.mark.parametrize("number", [0, 1])
def test_a_key_without_a_usable_kid_is_refused(path: Path, number: int, kid: object) -> None:
    document = good()
    document["keys"][number]["kid"] = kid
    assert f"key {number + 1} " in refusal(path, document)
    del document["keys"][number]["kid"]
    assert f"key {number + 1} " in refusal(path, document)


@pytest.mark.parametrize(
    "keys",
    [
        [STORAGE[0], {**STORAGE[1], "kid": "storage-0"}, SEALING[0]],
        [STORAGE[0], SEALING[0], {**SEALING[1], "kid": "storage-0"}],
        [SEALING[0], {**STORAGE[0], "kid": "sealing-0"}],
    ],
)
def test_no_two_keys_share_a_kid(path: Path, keys: list[Any]) -> None:
    assert "two keys have the kid" in refusal(path, {"keys": keys})


@pytest.mark.parametrize("size", [16, 24, 31, 33, 64])
def test_a_storage_key_has_32_bytes(path: Path, size: int) -> None:
    detail = refusal(path, {"keys": [STORAGE[0], storage_key("odd", size), SEALING[0]]})
    assert "key odd " in detail
    assert f" {size} bytes" in detail


@pytest.mark.filterwarnings("ignore:Key size should be")  # joserfc, at less than 112 bits
@pytest.mark.parametrize("k", ["QQ", "c2hvcnQ"])
def test_a_storage_key_of_a_few_bytes_is_refused(path: Path, k: str) -> None:
    assert "key odd " in refusal(path, {"keys": [{**STORAGE[1], "kid": "odd", "k": k}, SEALING[0]]})


NOT_A_NUMBER = [None, 5, True, [], {}, "not base64url!", "ünï", "A", "AAAA+/=="]


@pytest.mark.parametrize("value", ["", *NOT_A_NUMBER])
def test_a_storage_key_that_is_no_key_is_malformed(path: Path, value: object) -> None:
    document = good()
    document["keys"][0]["k"] = value
    assert "key storage-0 is malformed" in refusal(path, document)
    del document["keys"][0]["k"]
    assert "key storage-0 is malformed" in refusal(path, document)


@pytest.mark.parametrize("value", NOT_A_NUMBER[1:])
@pytest.mark.parametrize("member", ["x", "y", "d"])
def test_a_sealing_key_that_is_no_key_is_malformed(path: Path, member: str, value: object) -> None:
    document = good()
    document["keys"][1][member] = value
    assert "key sealing-0 " in refusal(path, document)


@pytest.mark.parametrize("member", ["crv", "x", "y"])
def test_a_sealing_key_with_a_part_missing_is_malformed(path: Path, member: str) -> None:
    document = good()
    del document["keys"][1][member]
    assert "key sealing-0 is malformed" in refusal(path, document)


@pytest.mark.parametrize("change", [lambda key: key.pop("d"), lambda key: key.update(d="")])
def test_a_sealing_key_is_private(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = good()
    change(document["keys"][1])
    assert "key sealing-0 is not a private P-256 key" in refusal(path, document)


@pytest.mark.parametrize("curve", ["P-384", "P-521", "secp256k1"])
def test_a_sealing_key_is_on_p256(path: Path, curve: str) -> None:
    detail = refusal(path, {"keys": [STORAGE[0], sealing_key("odd", curve)]})
    assert "key odd is not a private P-256 key" in detail


@pytest.mark.parametrize("members", [["x", "y"], ["d"], ["x"], ["y"]])
def test_the_halves_of_a_sealing_key_fit(path: Path, members: list[str]) -> None:
    document = good()
    document["keys"][1].update({name: SEALING[1][name] for name in members})
    assert "key sealing-0 is malformed" in refusal(path, document)


@pytest.mark.parametrize("kty", ["RSA", "OKP", "OCT", "", None, ["oct"]])
def test_a_key_of_another_kind_is_refused(path: Path, kty: object) -> None:
    document = good()
    document["keys"].append({**STORAGE[1], "kty": kty})
    assert "key storage-1 " in refusal(path, document)


def test_there_must_be_a_key_of_each_kind(path: Path) -> None:
    assert "no oct key" in refusal(path, {"keys": []})
    assert "no oct key" in refusal(path, {"keys": [SEALING[0]]})
    assert "no EC key" in refusal(path, {"keys": STORAGE})


def marked(number: int, primary: object = True) -> dict[str, Any]:
    return {**STORAGE[number], "primary": primary}


@pytest.mark.parametrize(
    ("keys", "primary"),
    [
        pytest.param(STORAGE, "storage-0", id="none is marked: the first"),
        pytest.param([STORAGE[0], STORAGE[1], marked(2)], "storage-2", id="the last is marked"),
        pytest.param([STORAGE[0], marked(1), marked(2)], "storage-1", id="the first marked wins"),
        pytest.param([STORAGE[0], marked(1, False)], "storage-0", id="false is no mark"),
        pytest.param([STORAGE[0], marked(1, "true"), marked(2, 1)], "storage-0", id="true alone"),
        pytest.param(
            [{**SEALING[1], "primary": True}, *STORAGE], "storage-0", id="a sealing key does not"
        ),
    ],
)
def test_which_storage_key_encrypts(path: Path, keys: list[Any], primary: str) -> None:
    keyring = load_keyring(write(path, {"keys": [*keys, SEALING[0]]}))
    assert keyring.primary == primary
    assert list(keyring.storage) == [key["kid"] for key in keys if key["kty"] == "oct"]


def test_each_kind_has_a_primary_of_its_own(path: Path) -> None:
    keys = [*SEALING, *STORAGE]
    keyring = load_keyring(write(path, {"keys": keys}))
    assert (keyring.primary, keyring.primary_sealing) == ("storage-0", "sealing-0")
    keyring = load_keyring(
        write(path, {"keys": [SEALING[0], STORAGE[0], {**SEALING[1], "primary": True}, marked(2)]})
    )
    assert (keyring.primary, keyring.primary_sealing) == ("storage-2", "sealing-1")


def test_keys_keep_the_order_of_the_file(path: Path) -> None:
    keys = [SEALING[1], STORAGE[2], STORAGE[0], SEALING[0], STORAGE[1]]
    keyring = load_keyring(write(path, {"keys": keys}))
    assert list(keyring.storage) == ["storage-2", "storage-0", "storage-1"]
    assert list(keyring.sealing) == ["sealing-1", "sealing-0"]


def test_what_is_loaded_is_what_the_file_holds(path: Path) -> None:
    keyring = load_keyring(write(path, good()))
    assert keyring.storage["storage-0"].as_dict(private=True)["k"] == STORAGE[0]["k"]
    assert keyring.sealing["sealing-0"].as_dict(private=True)["d"] == SEALING[0]["d"]


def test_a_keyring_does_not_show_its_keys(path: Path) -> None:
    shown = repr(load_keyring(write(path, good())))
    assert "storage-0" in shown
    assert not [secret for secret in key_material(good()) if secret in shown]


def test_a_path_may_be_text(path: Path) -> None:
    write(path, good())
    assert load_keyring(str(path)).primary == "storage-0"

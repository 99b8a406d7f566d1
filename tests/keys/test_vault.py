"""What becomes of an API key: what is taken, what is refused, and to whom it is bound."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, RSAKey

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain.model import Destination, KeyState, Owner, StoredKey
from aiconfig_plugin.errors import (
    ConfigurationError,
    KeyNotAccepted,
    KeyNotEncrypted,
    KeyUnreadable,
)
from aiconfig_plugin.keys.keyring import Keyring
from aiconfig_plugin.keys.stored_jwe import encrypt
from aiconfig_plugin.keys.vault import Vault
from tests.support.builders import OPENAI, accept, opened
from tests.test_metrics import Counts

ALICE = Owner("https://issuer.example", "alice")
OPAQUE = "U2FsdGVkX1+vupppZksvRf5pq5g5XjFRlipRkwB0K1Y="

STORAGE = {kid: OctKey.generate_key(256, {"kid": kid}) for kid in ("old", "new")}
SEALING = {"seal": ECKey.generate_key("P-256", {"kid": "seal"})}


def vault(*kids: str, primary: str | None = None) -> Vault:
    storage = {kid: STORAGE[kid] for kid in kids}
    return Vault(Keyring(storage, SEALING, primary or kids[0], primary_sealing="seal"))


VAULT = vault("old")


def header(stored: StoredKey) -> dict[str, Any]:
    segment = stored.jwe.split(".")[0]
    members: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * 3))
    return members


# Storing and opening


@pytest.mark.parametrize(
    "text",
    ["x", OPAQUE, "é\U0001f511\0\n", " \t ", "x" * 8192, "\U0001f511" * 8192, '{"ciphertext":"…"}'],
    ids=lambda text: ascii(text[:10]),
)
def test_what_is_stored_opens_for_the_same_owner_and_provider(text: str) -> None:
    stored = accept(VAULT, text)
    assert opened(VAULT, stored) == text
    assert len(text) < 4 or text not in stored.jwe


SEALED = seal(VAULT.recipient(ALICE), "an API key")


def test_the_header_says_how_with_which_key_for_whom_and_what_it_is() -> None:
    members = header(accept(VAULT, SEALED))
    assert set(members) == {"alg", "enc", "kid", "ctx"}
    assert header(accept(VAULT, OPAQUE)) == {**members, "cty": "octet-stream"}
    assert (members["alg"], members["enc"]) == ("A256KW", "A256GCM")
    assert members["kid"] == "old"
    assert "alice" not in json.dumps(members)
    assert len(base64.urlsafe_b64decode(members["ctx"] + "==")) == 32


def test_a_stored_key_is_a_compact_jwe() -> None:
    segments = accept(VAULT, "x" * 30).jwe.split(".")
    sizes = [len(base64.urlsafe_b64decode(segment + "===")) for segment in segments]
    assert sizes[1:] == [40, 12, 30, 16]  # wrapped key, IV, ciphertext, tag


def test_content_keys_and_ivs_are_fresh_each_time() -> None:
    stored = [accept(VAULT, OPAQUE).jwe.split(".") for _ in range(50)]
    headers, wrapped, ivs, ciphertexts, tags = (
        {segments[number] for segments in stored} for number in range(5)
    )
    assert len(headers) == 1
    assert [len(wrapped), len(ivs), len(ciphertexts), len(tags)] == [50, 50, 50, 50]


def test_the_standard_alone_opens_it_with_the_key_that_it_names() -> None:
    stored = accept(VAULT, OPAQUE)
    registry = jwe.JWERegistry(algorithms=["A256KW", "A256GCM"], strict_check_header=False)
    opened = jwe.decrypt_compact(stored.jwe, STORAGE[stored.kid], registry=registry)
    assert opened.plaintext == OPAQUE.encode()


def test_a_stored_key_does_not_show_itself() -> None:
    stored = accept(VAULT, OPAQUE)
    assert stored.jwe not in repr(stored) + str(stored)
    assert OPAQUE not in f"{VAULT.open(ALICE, OPENAI, stored)!r}"


# Stored keys that come back


def test_a_stored_key_that_comes_back_is_kept_as_it_is() -> None:
    stored = accept(VAULT, OPAQUE)
    assert accept(VAULT, stored.jwe) == stored


def test_an_old_copy_of_a_stored_key_is_encrypted_with_the_primary() -> None:
    old = accept(vault("old"), OPAQUE)
    rotated = vault("old", "new", primary="new")
    again = accept(rotated, old.jwe)
    assert (again.kid, header(again)["kid"]) == ("new", "new")
    assert (opened(rotated, again), rotated.form(again)) == (OPAQUE, "opaque")


BOB = Owner(ALICE.issuer, "bob")
ORIGIN = "https://azure.example"
AT_ORIGIN = Destination("OpenAI", ORIGIN)
MOVES = {
    "another subject": (BOB, OPENAI),
    "another issuer": (Owner("https://other.example", ALICE.subject), OPENAI),
    "another provider": (ALICE, Destination("Anthropic")),
    "a provider in another case": (ALICE, Destination("openai")),
    "a subject in another case": (Owner(ALICE.issuer, "Alice"), OPENAI),
    "an issuer with a slash more": (Owner(ALICE.issuer + "/", ALICE.subject), OPENAI),
    "an origin": (ALICE, AT_ORIGIN),
    "another user's origin": (BOB, AT_ORIGIN),
    "another origin": (ALICE, Destination("OpenAI", "https://mallory.example")),
    "another port": (ALICE, Destination("OpenAI", ORIGIN + ":8443")),
    "another provider at the origin": (ALICE, Destination("Azure", ORIGIN)),
    "no origin, and its name in the provider": (ALICE, Destination(f'OpenAI","{ORIGIN}')),
    "an empty origin": (ALICE, Destination("OpenAI", "")),
}


@pytest.mark.parametrize(("owner", "destination"), MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("at", [OPENAI, AT_ORIGIN], ids=["OpenAI's own", "an origin"])
def test_a_stored_key_that_is_moved_does_not_open(
    at: Destination, owner: Owner, destination: Destination
) -> None:
    if (owner, destination) == (ALICE, at):
        owner, destination = ALICE, OPENAI
    stored = VAULT.accept_submitted_key(ALICE, at, OPAQUE)
    assert VAULT.open(ALICE, at, stored).get_secret_value() == OPAQUE
    with pytest.raises(KeyNotAccepted):
        VAULT.accept_submitted_key(owner, destination, stored.jwe)
    for use in (VAULT.open, VAULT.rewrap):
        with pytest.raises(KeyUnreadable):
            use(owner, destination, stored)


@pytest.mark.parametrize(("text", "form"), [(SEALED, "plain"), (OPAQUE, "opaque")])
def test_a_stored_key_remembers_what_it_opens_to(text: str, form: str) -> None:
    stored = accept(VAULT, text)
    turned = vault("old", "new", primary="new")
    for kept in (stored, turned.rewrap(ALICE, OPENAI, stored), accept(turned, stored.jwe)):
        assert turned.form(kept) == form
        assert opened(turned, kept) == opened(VAULT, stored)


@pytest.mark.parametrize("text", [SEALED, OPAQUE])
def test_with_another_mark_of_its_form_it_does_not_open(text: str) -> None:
    stored = accept(VAULT, text)
    _, rest = stored.jwe.split(".", 1)
    members = header(stored)
    for changed in ({}, {"cty": "octet-stream"}, {"cty": "text/plain"}, {"cty": None}):
        other = {**{name: members[name] for name in ("alg", "enc", "kid", "ctx")}, **changed}
        if other != members:
            jwe = f"{encoded(other)}.{rest}"
            with pytest.raises(KeyUnreadable):
                opened(VAULT, StoredKey("old", jwe))
            with pytest.raises(KeyNotAccepted):
                accept(VAULT, jwe)


def test_a_key_stored_before_forms_were_remembered_opens_and_counts_as_plain() -> None:
    """As version 0.1.0 stored ciphertext: with these four members, spelled so."""
    context = header(accept(VAULT, SEALED))["ctx"]
    names = f'{{"alg":"A256KW","enc":"A256GCM","kid":"old","ctx":"{context}"}}'
    protected = base64.urlsafe_b64encode(names.encode()).rstrip(b"=").decode()
    old = StoredKey("old", encrypt(protected, OPAQUE.encode(), STORAGE["old"].raw_value))
    assert (opened(VAULT, old), VAULT.form(old)) == (OPAQUE, "plain")
    assert accept(VAULT, old.jwe) == old


def test_the_digest_of_a_context_is_what_is_stored_already() -> None:
    """Neither spelling may ever change: stores hold both."""
    owner = Owner("https://issuer.example", "Jürgen")
    array = '["https://issuer.example","J\\u00fcrgen","OpenAI"]'
    assert owner.digest("OpenAI") == digest_of(array)
    assert owner.digest(ascii_only=False) == digest_of('["https://issuer.example","Jürgen"]')


def digest_of(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


# (issuer, subject, provider), which naive ways of joining would confuse with each other.
COLLIDING = [
    ("a|b", "c", "d"),
    ("a", "b|c", "d"),
    ("a", "b", "c|d"),
    ("a|b|c", "d", ""),
    ("ab", "c", "d"),
    ("a", "bc", "d"),
    ("a", "b", "cd"),
    ("", "ab", "cd"),
    ('a","b', "c", "d"),
    ("a", 'b","c', "d"),
    ('a\\","b', "c", "d"),
    ("a\0b", "c", "d"),
    ("a", "b\0c", "d"),
    ("a\nb", "c", "d"),
    ("a", "b\nc", "d"),
    ("é", "c", "d"),
    ("e\u0301", "c", "d"),
    ("\\u00e9", "c", "d"),
]


def test_no_two_owners_and_providers_are_taken_for_each_other() -> None:
    stored = [
        accept(VAULT, OPAQUE, Owner(issuer, subject), provider)
        for issuer, subject, provider in COLLIDING
    ]
    for one, other in combinations(range(len(COLLIDING)), 2):
        issuer, subject, provider = COLLIDING[other]
        with pytest.raises(KeyUnreadable):
            opened(VAULT, stored[one], Owner(issuer, subject), provider)


names = st.text(st.characters(codec="utf-8"), max_size=4)
places = st.tuples(names, names, names)


@settings(deadline=None)
@given(places, places)
def test_a_stored_key_opens_in_its_own_place_alone(
    here: tuple[str, str, str], there: tuple[str, str, str]
) -> None:
    stored = accept(VAULT, OPAQUE, Owner(*here[:2]), here[2])
    assert opened(VAULT, stored, Owner(*here[:2]), here[2]) == OPAQUE
    if here != there:
        with pytest.raises(KeyUnreadable):
            opened(VAULT, stored, Owner(*there[:2]), there[2])


# Damage. OPAQUE and a longer text: the unused bits at the end of a segment differ.

LETTERS = "ABEQgwz059-_"
DAMAGED = [accept(VAULT, text).jwe for text in (OPAQUE, "x" * 31, "x" * 33)]


def replaced(stored: str, alphabet: str) -> Iterator[str]:
    for at, letter in enumerate(stored):
        yield from (stored[:at] + other + stored[at + 1 :] for other in alphabet if other != letter)


@pytest.mark.parametrize("stored", DAMAGED, ids=["44", "31", "33"])
def test_with_any_character_replaced_it_is_not_accepted(stored: str) -> None:
    for damaged in replaced(stored, LETTERS + ".=+/ \né\0"):
        with pytest.raises(KeyNotAccepted):
            accept(VAULT, damaged)


@pytest.mark.parametrize("stored", DAMAGED, ids=["44", "31", "33"])
def test_a_segment_has_one_spelling(stored: str) -> None:
    ends = [at - 1 for at, letter in enumerate(stored + ".") if letter == "."]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at in ends:
        for other in set(alphabet) - {stored[at]}:
            with pytest.raises(KeyNotAccepted):
                accept(VAULT, stored[:at] + other + stored[at + 1 :])


def test_with_any_character_added_it_is_not_accepted() -> None:
    stored = DAMAGED[0]
    for at in range(len(stored) + 1):
        for other in "A.= \n":
            with pytest.raises(KeyNotAccepted):
                accept(VAULT, stored[:at] + other + stored[at:])


def test_with_any_character_left_out_it_is_not_accepted() -> None:
    stored = DAMAGED[0]
    for at in range(len(stored)):
        with pytest.raises(KeyNotAccepted):
            accept(VAULT, stored[:at] + stored[at + 1 :])


def test_cut_off_anywhere_after_its_header_it_is_not_accepted() -> None:
    stored = DAMAGED[0]
    for end in range(stored.index(".") + 1, len(stored)):
        with pytest.raises(KeyNotAccepted):
            accept(VAULT, stored[:end])


PASTED = ["{}\n", " {}", "Bearer {}", "key={}", '"{}"', " {} ", "\n{}\n", "<{}>"]


@pytest.mark.parametrize("wrapping", PASTED)
def test_with_something_around_it_it_is_not_accepted(wrapping: str) -> None:
    with pytest.raises(KeyNotAccepted):
        accept(VAULT, wrapping.format(DAMAGED[0]))


def test_the_parts_of_two_stored_keys_do_not_make_a_third() -> None:
    one, other = (accept(VAULT, text).jwe.split(".") for text in ("one", "two"))
    for number in range(1, 5):
        mixed = [*one[:number], other[number], *one[number + 1 :]]
        with pytest.raises(KeyNotAccepted):
            accept(VAULT, ".".join(mixed))


def encoded(members: object) -> str:
    text = json.dumps(members, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": "new"},
        {"kid": None},
        {"kid": ["old"]},
        {"ctx": "x"},
        {"ctx": None},
        {"zip": "DEF"},
        {"crit": ["exp"]},
        {"alg": "dir"},
        {"alg": ["A256KW"]},
        {"alg": {"A256KW": 1}},
        {"enc": "A256CBC-HS512", "alg": "A256KW", "kid": 5, "p2c": 10**9, "x": "y"},
    ],
    ids=json.dumps,
)
def test_another_header_on_a_stored_key_never_opens_it(changes: dict[str, Any]) -> None:
    stored = accept(VAULT, OPAQUE)
    _, rest = stored.jwe.split(".", 1)
    submitted = encoded(header(stored) | changes) + "." + rest
    try:
        kept = accept(VAULT, submitted)
    except KeyNotAccepted:
        return
    # Another alg or enc makes it someone else's JWE: opaque, and stored as such.
    assert {"alg", "enc"} & set(changes)
    assert opened(VAULT, kept) == submitted


@pytest.mark.parametrize(
    "first",
    [
        "",
        "!",
        "é",
        encoded([]),
        encoded("alg"),
        encoded(5),
        encoded(None),
        encoded({}),
        encoded({"alg": "A256KW"}),
        encoded({"alg": None, "enc": None}),
        encoded({"alg": "A256KW", "enc": "A256GCM"}),
        encoded({"alg": "A256KW", "enc": "A256GCM", "kid": "old", "ctx": "x"}),
        base64.urlsafe_b64encode(b"\xff" * 9).decode(),
        base64.urlsafe_b64encode(b"[" * 6000).decode(),
        base64.urlsafe_b64encode(b'{"":' * 1500).decode(),
        base64.urlsafe_b64encode(b"9" * 6000).decode(),
    ],
    ids=lambda first: first[:12] or "empty",
)
@pytest.mark.parametrize("rest", ["....", ".a.b.c.d", ".AAAA.AAAA.AAAA.AAAA", "....."])
def test_what_only_resembles_a_jwe_is_not_accepted(first: str, rest: str) -> None:
    with pytest.raises(KeyNotAccepted):
        accept(VAULT, first + rest)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
        st.lists(
            st.one_of(
                st.sampled_from([*DAMAGED[0].split("."), "", "eyJ", encoded({"alg": "dir"})]),
                st.from_regex(r"[A-Za-z0-9_-]{0,8}", fullmatch=True),
            ),
            min_size=1,
            max_size=7,
        ).map(".".join),
    )
)
def test_any_text_is_stored_or_refused(submitted: str) -> None:
    try:
        stored = accept(VAULT, submitted)
    except (KeyNotAccepted, KeyNotEncrypted) as error:
        assert not error.violations
        return
    kept = opened(VAULT, stored)
    assert stored.jwe == submitted or kept == submitted


def test_a_refusal_does_not_repeat_what_was_submitted() -> None:
    marked = ["sk-Zq7Xv0Kw", "Bearer sk-Zq7Xv0Kw", "eyJZq7Xv0Kw.", "Zq7Xv0Kw.a.b.c.d"]
    stored = accept(VAULT, OPAQUE).jwe
    for submitted in [*marked, stored[:-1], encoded({"alg": "Zq7Xv0Kw", "enc": "x"}) + "...."]:
        with pytest.raises((KeyNotAccepted, KeyNotEncrypted)) as caught:
            accept(VAULT, submitted)
        told = caught.value.detail + repr(caught.value)
        assert "Zq7Xv0Kw" not in told
        assert stored[:20] not in told


# Plain keys. None of these was ever a key.

PLAIN = {
    "OpenAI": "sk-" + "T3BlbkFJ" * 6,
    "OpenAI, project": "sk-proj-" + "aB3_-" * 20,
    "OpenAI, service account": "sk-svcacct-" + "aB3" * 20,
    "OpenAI, admin": "sk-admin-" + "aB3" * 20,
    "OpenAI, session": "sess-" + "aB3" * 13,
    "Anthropic": "sk-ant-api03-" + "aB3-_" * 18 + "AA",
    "DeepSeek": "sk-" + "0123456789abcdef" * 2,
    "OpenRouter": "sk-or-v1-" + "0123456789abcdef" * 4,
    "Stability": "sk-" + "aB3" * 16,
    "ElevenLabs": "sk_" + "0123456789abcdef" * 3,
    "Google": "AIza" + "SyA1-_b" * 5,
    "Google, newer": "AQ.Ab8" + "aB3-_" * 9,
    "Google, OAuth": "ya29.a0" + "aB3-_" * 20,
    "Groq": "gsk_" + "aB3d" * 13,
    "xAI": "xai-" + "aB3d" * 20,
    "Hugging Face": "hf_" + "aBcDe" * 7,
    "Perplexity": "pplx-" + "0123456789abcdef" * 3,
    "Replicate": "r8_" + "aB3d" * 9 + "x",
    "NVIDIA": "nvapi-" + "aB3-_" * 12,
    "Together": "tgp_v1_" + "aB3-_" * 8,
    "Fireworks": "fw_" + "aB3d" * 6,
    "Cerebras": "csk-" + "aB3d" * 12,
    "Jina": "jina_" + "0123456789abcdef" * 3,
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE"[:16],
    "AWS, temporary": "ASIA" + "IOSFODNN7EXAMPLE"[:16],
    "AWS Bedrock": "ABSK" + "QmVkcm9j" * 12,
    "GitHub": "ghp_" + "aB3d" * 9,
    "GitHub, fine-grained": "github_pat_" + "11AB3d" * 13,
    "GitLab": "glpat-" + "aB3-_" * 4,
}
WRAPPINGS = [
    "{}",
    "  {}",
    "\n{}\n",
    "\t{}",
    "\u00a0{}",
    "\ufeff{}",
    '"{}"',
    "'{}'",
    "`{}`",
    "Bearer {}",
    "bearer  {}",
    "Authorization: Bearer {}",
    "x-api-key:{}",
    "OPENAI_API_KEY={}",
    "export OPENAI_API_KEY='{}'",
    '{{"apiKey": "{}"}}',
    "https://api.example/v1?key={}",
    "user:{}@api.example",
    "({})",
    "one,{}",
]


@pytest.mark.parametrize("key", PLAIN.values(), ids=PLAIN)
def test_a_plain_key_is_refused_however_it_was_pasted(key: str) -> None:
    for wrapping in WRAPPINGS:
        with pytest.raises(KeyNotEncrypted):
            accept(VAULT, wrapping.format(key))


@pytest.mark.parametrize("key", PLAIN.values(), ids=PLAIN)
def test_a_plain_key_is_refused_whatever_the_provider_is_called(key: str) -> None:
    with pytest.raises(KeyNotEncrypted):
        accept(VAULT, key, to="My own gateway")


# Opaque ciphertexts, each in the form that its tool gives it.

BASE64 = base64.b64encode(bytes(range(256))).decode()
OPENPGP_JS = "Version: OpenPGP.js v4.10.10\nComment: https://openpgpjs.org\n"


def pgp(headers: str) -> str:
    return (
        f"-----BEGIN PGP MESSAGE-----\n{headers}\n{BASE64[:64]}\n=n1wd\n-----END PGP MESSAGE-----"
    )


def foreign_jwe() -> str:
    key = RSAKey.generate_key(2048)
    return jwe.encrypt_compact({"alg": "RSA-OAEP", "enc": "A256GCM"}, "theirs", key)


CIPHERTEXTS = {
    "the contract's": "<string>",
    "Fernet": "gAAAAABl" + base64.urlsafe_b64encode(bytes(range(200))).decode(),
    "OpenSSL": "U2FsdGVkX1" + BASE64,
    "hexadecimal": bytes(range(256)).hex(),
    "base64": BASE64,
    "base64url": BASE64.translate(str.maketrans("+/", "-_")).rstrip("="),
    "IV and ciphertext": bytes(range(16)).hex() + ":" + bytes(range(48)).hex(),
    "Laravel": "eyJpdiI6" + base64.b64encode(b'"x","value":"y","mac":"z","tag":""}').decode(),
    "JSON": json.dumps({"iv": BASE64[:16], "ct": BASE64, "v": 1, "iter": 10000}),
    "Vault transit": "vault:v1:" + BASE64,
    "SOPS": "ENC[AES256_GCM,data:p673w==,iv:YY=,aad:UQ=,tag:A=,type:str]",
    "age": "age-encryption.org/v1\n-> X25519 " + BASE64[:43] + "\n" + BASE64,
    "age, armored": "-----BEGIN AGE ENCRYPTED FILE-----\n"
    + "\n".join(BASE64[at : at + 64] for at in range(0, 256, 64))
    + "\n-----END AGE ENCRYPTED FILE-----\n",
    "PGP": pgp(""),
    "PGP, GnuPG": pgp("Version: GnuPG v2\n"),
    "RSA-OAEP JWE of someone else": foreign_jwe(),
    "a prefix in the middle of a word": "Zm9v" + "task-force/AKIA0x-sk-hf_AIza",
    "a prefix in another case": "SK-" + BASE64,
    "plain text that no one can tell": "0123456789abcdef" * 2,
    "a dot at the end": "ciphertext.",
    "a JWT's beginning, without dots": "eyJhbGciOiJIUzI1NiJ9",
    "three dots": "v4.local." + BASE64[:32].replace("+", "-") + ".footer",
}


@pytest.mark.parametrize("text", CIPHERTEXTS.values(), ids=CIPHERTEXTS)
def test_an_opaque_ciphertext_is_stored_like_any_other(text: str) -> None:
    stored = accept(VAULT, text)
    assert stored.jwe != text
    assert opened(VAULT, stored) == text


@pytest.mark.parametrize(
    "text",
    [
        pgp(OPENPGP_JS),
        pgp("Version: Mailvelope v4.4.1\nComment: https://www.mailvelope.com\n"),
        json.dumps({"kdf": {"n": 0.5, "r": 1.5, "p": 2.5, "t": 3.5}, "ct": BASE64}),
    ],
    ids=["OpenPGP.js 4", "Mailvelope", "JSON with numbers"],
)
def test_dots_alone_do_not_make_a_jwe(text: str) -> None:
    stored = accept(VAULT, text)
    assert opened(VAULT, stored) == text


# Keyrings that change


def test_the_primary_encrypts_and_every_storage_key_opens() -> None:
    before = accept(vault("old"), "before")
    turned = vault("old", "new", primary="new")
    after = accept(turned, "after")
    assert (before.kid, after.kid) == ("old", "new")
    assert header(after)["kid"] == "new"
    assert opened(turned, before) == "before"
    assert opened(turned, after) == "after"


def test_a_key_that_is_not_on_the_keyring_opens_nothing() -> None:
    stored = accept(vault("old"), OPAQUE)
    other = vault("new")
    with pytest.raises(KeyUnreadable):
        opened(other, stored)
    with pytest.raises(KeyNotAccepted) as refused:
        accept(other, stored.jwe)
    assert refused.value.unverifiable
    with pytest.raises(KeyNotAccepted) as refused:
        accept(vault("old"), stored.jwe, Owner(ALICE.issuer, "bob"))
    assert not refused.value.unverifiable


def test_a_kid_alone_opens_nothing() -> None:
    stored = accept(vault("old"), OPAQUE)
    both = vault("old", "new")
    for kid in ("new", "", "OLD"):
        with pytest.raises(KeyUnreadable):
            opened(both, StoredKey(kid, stored.jwe))


def test_a_kid_of_ones_own_choice_opens_nothing() -> None:
    stored = accept(VAULT, OPAQUE)
    twins = {"old": STORAGE["old"], "twin": STORAGE["old"]}
    both = Vault(Keyring(twins, SEALING, "old", primary_sealing="seal"))
    with pytest.raises(KeyUnreadable):
        opened(both, StoredKey("twin", stored.jwe))


def test_another_key_under_the_same_kid_opens_nothing() -> None:
    stored = accept(VAULT, OPAQUE)
    impostor = {"old": OctKey.generate_key(256, {"kid": "old"})}
    other = Vault(Keyring(impostor, SEALING, "old", primary_sealing="seal"))
    assert other.state(stored) is KeyState.SET
    with pytest.raises(KeyUnreadable):
        opened(other, stored)


@pytest.mark.parametrize("text", ["", "x", "a.b.c.d.e", OPAQUE, "\0....", "é....."])
def test_what_is_no_jwe_in_the_store_is_unreadable(text: str) -> None:
    with pytest.raises(KeyUnreadable):
        opened(VAULT, StoredKey("old", text))


def test_the_state_is_told_without_opening_anything() -> None:
    rubbish = "not even a JWE"
    assert VAULT.state(None) is KeyState.UNSET
    assert VAULT.state(StoredKey("old", rubbish)) is KeyState.SET
    assert VAULT.state(StoredKey("new", rubbish)) is KeyState.UNREADABLE
    assert vault("new", "old").state(StoredKey("old", rubbish)) is KeyState.SET


# Another keyring


def test_a_vault_whose_keyring_is_replaced_uses_the_other_one() -> None:
    turned = vault("old")
    before = accept(turned, "an opaque value")
    turned.replace(vault("old", "new", primary="new").keyring)
    after = accept(turned, "an opaque value")
    assert (before.kid, after.kid, turned.primary) == ("old", "new", "new")
    assert opened(turned, before) == opened(turned, after) == "an opaque value"


def test_another_key_of_a_known_kid_is_refused_and_nothing_changes() -> None:
    turned = vault("old")
    stored = accept(turned, "an opaque value")
    other = {"old": STORAGE["new"], "new": STORAGE["new"]}
    with pytest.raises(ConfigurationError, match="key old is not the key"):
        turned.replace(Keyring(other, SEALING, "new", primary_sealing="seal"))
    assert turned.primary == "old" and opened(turned, stored) == "an opaque value"


def test_the_metrics_show_the_keys_of_the_keyring() -> None:
    # No other test has keys of these names.
    first, second = ({f"shown-{n}": STORAGE["old"]} for n in (1, 2))
    turned = Vault(Keyring(first, SEALING, "shown-1", primary_sealing="seal"))
    turned.replace(Keyring({**first, **second}, SEALING, "shown-2", primary_sealing="seal"))
    counts = Counts()
    shown = {
        (kid, primary): counts.value("aiconfig_keyring_info", kid, "storage", primary)
        for kid in ("shown-1", "shown-2")
        for primary in ("true", "false")
    }
    assert shown == {
        ("shown-1", "true"): 0,
        ("shown-1", "false"): 1,
        ("shown-2", "true"): 1,
        ("shown-2", "false"): None,
    }
    assert counts.value("aiconfig_keyring_info", "seal", "sealing", "true") == 1


def test_a_keyring_takes_another_of_its_keys_as_primary() -> None:
    ring = vault("old", "new").keyring.with_primary("new")
    assert ring.primary == "new" and list(ring.storage) == ["old", "new"]
    with pytest.raises(ConfigurationError, match="no key other"):
        ring.with_primary("other")

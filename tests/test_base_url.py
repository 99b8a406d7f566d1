"""Base URLs and their origins, as browsers read them."""

from __future__ import annotations

import pytest

from aiconfig_plugin.base_url import BaseURL, Origins


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com"),
        ("HTTPS://API.OpenAI.com/v1", "https://api.openai.com"),
        ("https://api.openai.com:443", "https://api.openai.com"),
        ("https://api.openai.com:0443", "https://api.openai.com"),
        ("https://api.openai.com:/v1", "https://api.openai.com"),
        ("http://localhost:80/", "http://localhost"),
        ("http://localhost:443/", "http://localhost:443"),
        ("http://my_host:11434", "http://my_host:11434"),
        ("https://example.com./", "https://example.com."),
        # UTS 46, non-transitional: what browsers do, and IDNA 2003 does not.
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://ｅxample。com", "https://example.com"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[2001:DB8:0:0:1:0:0:1]", "http://[2001:db8::1:0:0:1]"),
        ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
        ("https://a.example/v1/%41;x=1", "https://a.example"),
    ],
)
def test_an_origin_has_one_spelling(text: str, origin: str) -> None:
    parsed = BaseURL.parse(text)
    assert parsed.origin == origin
    assert BaseURL.parse(parsed.url) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.openai.com",
        "//api.openai.com",
        "ftp://api.openai.com",
        "https:api.openai.com",
        "https:///v1",
        "https://user@api.openai.com",
        "https://user:secret@api.openai.com",
        "https://api.openai.com?",
        "https://api.openai.com/v1?x=1",
        "https://api.openai.com/#",
        "https://api.openai.com\\@evil.example",
        "https://api.openai.com/a b",
        "https://api.openai.com/a%zz",
        " https://api.openai.com",
        "https://api.openai.com\n",
        "https://api.openai.com/\u00e4",
        "https://api.op%65nai.com",
        "https://api.openai.com:0",
        "https://api.openai.com:65536",
        "https://api.openai.com:8x",
        "https://a..b",
        "https://.example",
        "https://-a.example",
        "https://" + "a" * 64 + ".example",
        "https://" + ".".join(["a" * 60] * 5),
        "https://" + "\u00fc" * 100_000,
        "https://xn--a.example",
        "https://xn--example",
        # What a browser would take for an IPv4 address, in any but the plain spelling.
        "http://127.1",
        "http://0x7f.1",
        "http://2130706433",
        "http://0177.0.0.1",
        "http://127.0.0.01",
        "http://127.0.0.1.",
        "http://256.0.0.1",
        "http://1.2.3.4.5",
        "http://example.0x",
        "http://１２７.0.0.1",
        "http://[::1",
        "http://[::1%25lo]",
        "http://[1::2::3]",
        "http://[127.0.0.1]",
    ],
)
def test_what_is_no_base_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        BaseURL.parse(text)
    assert not text.strip() or text not in str(refused.value)


def test_the_operators_origins_are_compared_in_their_one_spelling() -> None:
    origins = Origins(["HTTP://LocalHost:11434/", "https://bücher.example:443"])
    assert origins.allow("http://localhost:11434")
    assert origins.allow("https://xn--bcher-kva.example")
    assert not origins.allow("https://localhost:11434")
    assert not origins.allow("https://api.openai.com")


def test_public_is_any_https_origin() -> None:
    origins = Origins(["public", "http://127.0.0.1:11434"])
    assert origins.allow("https://api.openai.com") and origins.allow("http://127.0.0.1:11434")
    assert not origins.allow("http://api.openai.com")


def test_without_a_list_nothing_is_allowed() -> None:
    assert not Origins().allow("https://api.openai.com")


@pytest.mark.parametrize("text", ["https://a.example/v1", "Public", "*", "a.example", ""])
def test_a_list_of_other_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Origins([text])


def test_an_exact_origin_is_told_from_a_public_one() -> None:
    origins = Origins(["public", "https://vllm.internal:8443"])
    assert origins.is_exact("https://VLLM.internal:8443/v1")
    assert not origins.is_exact("https://api.openai.com/v1")


def test_what_is_no_base_url_is_not_allowed() -> None:
    assert not Origins(["public"]).allow("https://user@api.openai.com")

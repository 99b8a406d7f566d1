"""The time that it takes to tell what was submitted grows with its length and no faster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from aiconfig_plugin.errors import KeyNotAccepted, KeyNotEncrypted
from tests.keys.test_vault import VAULT
from tests.support.builders import accept
from tests.support.growth import assert_linear

# Each makes a value of about the length that is asked for.
ADVERSARIAL: dict[str, Callable[[int], str]] = {
    "blanks between two letters": lambda length: f"a{' ' * (length - 2)}a",
    "blanks alone": lambda length: " " * length,
    "letters between blanks": lambda length: " a" * (length // 2),
    "dots behind a JWE's beginning": lambda length: "eyJ" + "." * length,
    "blanks behind a JWE's beginning": lambda length: f"eyJ{' ' * length}.",
    "many parts": lambda length: "a." * (length // 2),
    "many parts in quotes": lambda length: '"' * length + "a." * 5 + '"' * length,
    "four dots and blanks": lambda length: f"....{' ' * length}a",
    "a long header": lambda length: "eyJ" + "A" * length + "....",
    "a header of brackets": lambda length: "eyJh" + "W1tb" * (length // 4) + "....",
    "a header of digits": lambda length: "eyJh" + "Ojk5" + "OTk5" * (length // 4) + "....",
    "almost plain keys": lambda length: "sk" * (length // 2),
    "plain keys inside words": lambda length: "ask-" * (length // 4),
    "github_": lambda length: "github_" * (length // 7),
    "quotes": lambda length: "\"'" * (length // 2),
    "nulls": lambda length: "\0" * length,
    "not ASCII": lambda length: "é\U0001f511" * (length // 2),
}


@pytest.mark.parametrize("make", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_a_value_that_is_longer_takes_longer_by_as_much(make: Callable[[int], str]) -> None:
    def submit(value: str) -> None:
        with contextlib.suppress(KeyNotAccepted, KeyNotEncrypted):
            accept(VAULT, value)

    assert_linear(submit, make, 8_000)

"""Weak tags match as strong ones do; a malformed or overlong header matches nothing."""

from __future__ import annotations

import pytest

from aiconfig_plugin.http.entity_tags import MAX_LENGTH, if_match, if_none_match


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        (None, None),
        ("*", None),
        (" *\t", None),
        ('"a"', {"a"}),
        ('""', {""}),
        ('"a", "b"', {"a", "b"}),
        ('"a","b"', {"a", "b"}),
        (' "a" ,\t"b" ', {"a", "b"}),
        (',"a",,"b",', {"a", "b"}),
        ('"a b, W/ c"', {"a b, W/ c"}),
        ('W/"a"', {"a"}),
        ('W/"a", "b"', {"a", "b"}),
        ("", set()),
        (",", set()),
        # Malformed: not even the tags before the fault count.
        ("a", set()),
        ('"a', set()),
        ('a"', set()),
        ('"a" "b"', set()),
        ('"a"W/"b"', set()),
        ('"a" W/"b"', set()),
        ('"b", junk', set()),
        ('junk "a"', set()),
        ("*, *", set()),
        ('*, "a"', set()),
        ('w/"a"', set()),
        ('W/ "a"', set()),
        ("W/", set()),
        ('"a"\x0b', set()),
    ],
)
def test_if_match(header: str | None, tags: set[str] | None) -> None:
    assert if_match(header) == tags


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (None, False),
        ("*", True),
        ('"a"', True),
        ('W/"a"', True),
        ('"b",W/"a" , "c"', True),
        ('"b"', False),
        ('"b", W/"c"', False),
        ("a", False),
        ("junk", False),
        ('junk "a"', False),
    ],
)
def test_if_none_match(header: str | None, named: bool) -> None:
    assert if_none_match(header, "a") is named


@pytest.mark.parametrize("filler", [" ", ",", "\t"])
def test_a_header_of_more_than_8_kib_matches_nothing(filler: str) -> None:
    longest = '"a"'.ljust(MAX_LENGTH, filler)
    assert MAX_LENGTH == 8192
    assert if_match(longest) == {"a"} and if_none_match(longest, "a")
    assert if_match(longest + filler) == set() and not if_none_match(longest + filler, "a")

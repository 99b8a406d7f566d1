"""Parsing JSON that means the same to every reader (RFC 7493), within bounds."""

from __future__ import annotations

import json
from typing import Any

from aiconfig_plugin.errors import MalformedJSON

MAX_DEPTH = 32
# Far more than a body that fits the schema has. Parsing more would keep the interpreter to itself
# for too long, wherever it runs.
MAX_VALUES = 100_000


def read_json(raw: bytes | bytearray) -> Any:
    """Parse ``raw``.

    Raises ``MalformedJSON`` for what is not UTF-8 or not JSON, repeats a member, holds NaN or a
    lone surrogate, is nested more than 32 deep, or has more than 100,000 values.
    """
    _check_size(raw)
    try:
        text = raw.decode("utf-8")
        document = _decode(text)
        # Only an escape can bring in a lone surrogate, which UTF-8 cannot hold. That there is no
        # escape at all is found out much sooner than that there is none of this kind.
        if "\\" in text and "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as err:
        place = f"line {err.lineno}, column {err.colno}"
        raise MalformedJSON(f"The body is not JSON: {err.msg} at {place}.") from None
    except UnicodeError:
        raise MalformedJSON("The body is not well-formed UTF-8.") from None
    except RecursionError:
        raise MalformedJSON(f"The body is nested more than {MAX_DEPTH} deep.") from None
    except ValueError:
        raise MalformedJSON("The body holds a number that is too long.") from None
    if isinstance(document, (dict, list)):
        _check_depth(document)
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJSON("An object in the body has the same member twice.")
    return members


def _no_constant(_name: str) -> None:
    raise MalformedJSON("NaN and Infinity are not JSON.")


_decode = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant).decode


def _check_size(raw: bytes | bytearray) -> None:
    if _count_values(raw) <= MAX_VALUES:
        return
    # What is counted may stand in strings, where it costs nothing.
    without_escapes = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if (
        without_escapes.count(b'"') > 2 * MAX_VALUES
        or _count_values(b"".join(without_escapes.split(b'"')[::2])) > MAX_VALUES
    ):
        raise MalformedJSON(f"The body has more than {MAX_VALUES} values.")


def _count_values(raw: bytes | bytearray) -> int:
    """Return at least how many values there are: each opens a container or follows a comma."""
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        children = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not children:
            return
        level = children
    raise MalformedJSON(f"The body is nested more than {MAX_DEPTH} deep.")

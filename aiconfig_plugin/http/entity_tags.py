"""Entity tags in ``If-Match`` and ``If-None-Match`` (RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2).

Weak tags match in both: a revision names a state and not its bytes, and a proxy that compresses
makes its tag weak (RFC 9110 section 8.8.1 would have ``If-Match`` refuse it).

Both headers are read once from left to right. One of more than :data:`MAX_LENGTH` characters is
not searched and matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_LENGTH = 8192

_SPACE = " \t"
_SEPARATORS = _SPACE + ","


def if_match(header: str | None) -> frozenset[str] | None:
    """Return the tags of ``If-Match``.

    None stands for "any": no header, or ``*``. A malformed header matches nothing.
    """
    if header is None or header.strip(_SPACE) == "*":
        return None
    try:
        return frozenset(_tags(header))
    except ValueError:
        return frozenset()


def if_none_match(header: str | None, revision: str) -> bool:
    """Tell whether ``If-None-Match`` names ``revision``, or is ``*``."""
    if header is None:
        return False
    if header.strip(_SPACE) == "*":
        return True
    try:
        return revision in _tags(header)
    except ValueError:
        return False


def _tags(header: str) -> Iterator[str]:
    """Yield the text of each tag, weak or not. Raises ValueError if malformed."""
    if len(header) > MAX_LENGTH:
        raise ValueError("too long to be searched")
    position, separated = 0, True
    while position < len(header):
        if header[position] in _SEPARATORS:
            separated = separated or header[position] == ","
            position += 1
            continue
        start = position + 2 * header.startswith("W/", position)
        if not separated or not header.startswith('"', start):
            raise ValueError("not a list of entity tags")
        end = header.index('"', start + 1)
        yield header[start + 1 : end]
        position, separated = end + 1, False

"""Entity tags in ``If-Match`` and ``If-None-Match`` (RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2).

Both are read once from left to right. A header of more than :data:`MAX_LENGTH` characters is not
searched and matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_LENGTH = 8192

_SPACE = " \t"
_SEPARATORS = _SPACE + ","


def if_match(header: str | None) -> frozenset[str] | None:
    """Return the tags that ``If-Match`` compares strongly: weak ones never match.

    None stands for "any": no header, or ``*``. A malformed header matches nothing.
    """
    if header is None or header.strip(_SPACE) == "*":
        return None
    try:
        return frozenset(tag for weak, tag in _tags(header) if not weak)
    except ValueError:
        return frozenset()


def if_none_match(header: str | None, revision: str) -> bool:
    """Tell whether ``If-None-Match`` names ``revision``, weakly compared, or is ``*``."""
    if header is None:
        return False
    if header.strip(_SPACE) == "*":
        return True
    try:
        return any(tag == revision for _, tag in _tags(header))
    except ValueError:
        return False


def _tags(header: str) -> Iterator[tuple[bool, str]]:
    """Yield whether it is weak, and its text, of each tag. Raises ValueError if malformed."""
    if len(header) > MAX_LENGTH:
        raise ValueError("too long to be searched")
    position, separated = 0, True
    while position < len(header):
        if header[position] in _SEPARATORS:
            separated = separated or header[position] == ","
            position += 1
            continue
        weak = header.startswith("W/", position)
        start = position + 2 * weak
        if not separated or not header.startswith('"', start):
            raise ValueError("not a list of entity tags")
        end = header.index('"', start + 1)
        yield weak, header[start + 1 : end]
        position, separated = end + 1, False

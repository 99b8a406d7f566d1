"""A string that does not show itself."""

from __future__ import annotations


class SecretStr:
    """A string that has to be asked for: ``repr``, ``str`` and logging show none of it.

    It cannot be pickled, so it does not end up in a cache or a queue by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "SecretStr('**********')"

    def __str__(self) -> str:
        return "**********"

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled or copied")

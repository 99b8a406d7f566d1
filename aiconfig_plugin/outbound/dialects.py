"""How providers are asked for their list of models: a call that costs nothing and needs the key.

A dialect or a provider is added by its row here. ``schemas/catalog.schema.json`` has the dialects
that a catalogue may name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiconfig_plugin.domain import API, VerificationResult

MAX_BYTES: Final = 64 * 1024
"""What is read of an answer."""


class Reading(NamedTuple):
    """What one of ``statuses`` means where the body contains ``text``."""

    statuses: tuple[int, ...]
    text: bytes
    result: VerificationResult


@dataclass(frozen=True)
class Dialect:
    """``url`` is made of the base URL, or of its ``root``: without the version at its end, which
    some clients expect there. ``headers`` carry the API key.
    """

    url: str
    headers: Mapping[str, str]
    readings: tuple[Reading, ...] = ()

    def url_below(self, base_url: str) -> str:
        base = base_url.rstrip("/")
        return self.url.format(base=base, root=_VERSION.sub("", base))

    def headers_with(self, key: str) -> Mapping[str, str]:
        return {name: value.format(key=key) for name, value in self.headers.items()}

    def bytes_needed(self, status: int) -> int:
        """Return how many bytes of the body :meth:`result` wants."""
        if status == 200:
            return 1
        return MAX_BYTES if any(status in reading.statuses for reading in self.readings) else 0

    def result(self, status: int, body: bytes) -> VerificationResult:
        """Return what an answer says of the key; of a long body the beginning is enough."""
        for reading in self.readings:
            if status in reading.statuses and reading.text in body:
                return reading.result
        if status == 200:
            # A page for people: what answered is no API.
            return "unknown" if body.lstrip().startswith(b"<") else "accepted"
        return "unreachable" if status >= 500 else _STATUSES.get(status, "unknown")


# A base URL is given with and without these: https://docs.ollama.com/api has "/api", and its
# compatible endpoint "/v1".
_VERSION: Final = re.compile(r"/(?:v[0-9][a-z0-9]*|api)$")
_STATUSES: Final[Mapping[int, VerificationResult]] = {
    401: "rejected",
    402: "quota-exceeded",
    403: "rejected",
    429: "quota-exceeded",
}
_BEARER: Final = {"Authorization": "Bearer {key}"}
_ANTHROPIC: Final = {"x-api-key": "{key}", "anthropic-version": "2023-06-01"}
# A key of OpenAI's that may call models, but not list them.
_MAY_NOT_LIST: Final = Reading((401, 403), b"Missing scopes", "unknown")
_XAI_KEY: Final = Reading((400,), b"Incorrect API key", "rejected")
_GOOGLE_KEY: Final = Reading((400,), b"API_KEY_INVALID", "rejected")

DIALECTS: Final[Mapping[API, Dialect]] = {
    "openai": Dialect("{base}/models", _BEARER, (_MAY_NOT_LIST, _XAI_KEY)),
    "anthropic": Dialect("{root}/v1/models", _ANTHROPIC),
    "google": Dialect("{root}/v1beta/models", {"x-goog-api-key": "{key}"}, (_GOOGLE_KEY,)),
    "ollama": Dialect("{root}/api/tags", _BEARER),
}


class Provider(NamedTuple):
    api: API
    base_url: str | None


# By their names in lower case without blanks. Those that list their models to everybody, such as
# OpenRouter, are left out: the answer would say nothing of a key.
_PROVIDERS: Final[Mapping[str, Provider]] = {
    "anthropic": Provider("anthropic", "https://api.anthropic.com"),
    "cohere": Provider("openai", "https://api.cohere.com/v1"),
    "deepseek": Provider("openai", "https://api.deepseek.com"),
    "google": Provider("google", "https://generativelanguage.googleapis.com"),
    "groq": Provider("openai", "https://api.groq.com/openai/v1"),
    "mistral": Provider("openai", "https://api.mistral.ai/v1"),
    "ollama": Provider("ollama", None),
    "openai": Provider("openai", "https://api.openai.com/v1"),
    "togetherai": Provider("openai", "https://api.together.xyz/v1"),
    "xai": Provider("openai", "https://api.x.ai/v1"),
}
_OTHER: Final = Provider("openai", None)


def well_known(provider: str) -> Provider:
    """Return the dialect and the public endpoint of a provider.

    One that is not known is taken to be compatible with OpenAI's API, as most are.
    """
    return _PROVIDERS.get(provider.lower().replace(" ", ""), _OTHER)

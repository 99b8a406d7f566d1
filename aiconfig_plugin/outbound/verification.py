"""Ask a provider whether it accepts an API key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import httpx2

from aiconfig_plugin.domain import API, VERIFICATION_TIMEOUT, ResolvedModel, Verification
from aiconfig_plugin.errors import BaseURLRefused
from aiconfig_plugin.outbound.dialects import DIALECTS, MAX_BYTES, Dialect, well_known

_OPAQUE: Final = "The gateway does not know the API key: the client encrypted it by its own means."
_NO_HEADER: Final = "The API key contains characters that a request cannot carry."
_NO_ENDPOINT: Final = "The gateway knows no endpoint of this provider that it may call."
_NO_ANSWER: Final = "The provider did not respond within {seconds:g} s."
_NO_CONNECTION: Final = "The provider cannot be reached."


class ProviderVerifier:
    """A :class:`~aiconfig_plugin.domain.ports.Verifier` that asks for the list of models.

    ``client`` returns the client for an entry, and raises ``BaseURLRefused`` for one that may not
    be called. ``api`` returns the dialect that the operator named for a provider. ``timeout`` is
    in seconds.
    """

    def __init__(
        self,
        client: Callable[[ResolvedModel], httpx2.AsyncClient],
        api: Callable[[str], API | None],
        *,
        timeout: float = VERIFICATION_TIMEOUT,
    ) -> None:
        self._client = client
        self._api = api
        self._timeout = timeout

    async def __call__(self, chosen: ResolvedModel) -> Verification:
        if chosen.key_form == "opaque":
            return Verification("unknown", _OPAQUE)
        key = chosen.api_key.get_secret_value() if chosen.api_key else None
        if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
            return Verification("unknown", _NO_HEADER)
        known = well_known(chosen.provider)
        dialect = DIALECTS[self._api(chosen.provider) or known.api]
        chosen = replace(chosen, base_url=chosen.base_url or known.base_url)
        try:
            return await asyncio.wait_for(self._ask(chosen, dialect, key), self._timeout)
        except BaseURLRefused:
            return Verification("unknown", _NO_ENDPOINT)
        except asyncio.TimeoutError:
            return Verification("unreachable", _NO_ANSWER.format(seconds=self._timeout))
        except httpx2.HTTPError:
            return Verification("unreachable", _NO_CONNECTION)

    async def _ask(self, chosen: ResolvedModel, dialect: Dialect, key: str | None) -> Verification:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if key is not None:
            headers |= dialect.headers_with(key)
        async with self._client(chosen) as client:
            url = dialect.url_below(str(client.base_url))
            async with client.stream("GET", url, headers=headers) as response:
                body = await _beginning(response, dialect.bytes_needed(response.status_code))
        status = response.status_code
        return Verification.of(dialect.result(status, body), status=status)


async def _beginning(response: httpx2.Response, size: int) -> bytes:
    body = bytearray()
    if size:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= size:
                break
    return bytes(body[:MAX_BYTES])

"""A check of a remembered token, with no HTTP around it: ours, JupyterHub's or FastMCP's.

Each line on standard input asks for one round; the answer is the seconds that it took.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.contenders.serving import options, say

Check = Callable[[str], Awaitable[Any]]


async def ours(given: dict[str, Any]) -> Check:
    from aiconfig_plugin import Settings
    from aiconfig_plugin.introspection import IntrospectionAuthenticator

    authenticator = IntrospectionAuthenticator(Settings(**given["settings"]))
    await authenticator.start()
    return authenticator.authenticate


async def jupyterhub(given: dict[str, Any]) -> Check:
    from jupyterhub.services.auth import HubAuth

    auth = HubAuth(api_url=given["hub_api"], api_token="benchmark", cache_max_age=3600)
    return lambda token: auth.user_for_token(token, sync=False)


async def fastmcp(given: dict[str, Any]) -> Check:
    from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier

    settings = given["settings"]
    verifier = IntrospectionTokenVerifier(
        introspection_url=settings["introspection_endpoint"],
        client_id=settings["client_id"],
        client_secret=settings["client_secret"],
        cache_ttl_seconds=3600,
    )
    return verifier.verify_token


CHECKS = {"ours": ours, "jupyterhub": jupyterhub, "fastmcp": fastmcp}


async def round_of(check: Check, tokens: list[str], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        for token in tokens:
            await check(token)
    return time.perf_counter() - begun


async def main() -> None:
    given = options()
    check = await CHECKS[given["which"]](given)
    tokens = given["tokens"]
    for token in tokens:
        if await check(token) is None:
            raise RuntimeError(f"{given['which']} does not accept the token")
    await round_of(check, tokens, given["times"])
    say(ready=True)
    while await asyncio.to_thread(sys.stdin.readline):
        say(seconds=await round_of(check, tokens, given["times"]))


if __name__ == "__main__":
    asyncio.run(main())

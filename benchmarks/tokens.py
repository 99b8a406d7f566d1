"""What a token costs: asked about or verified here, new or remembered, and bound to a key."""

import asyncio
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from aiconfig_plugin.access import TokenAuthenticator
from aiconfig_plugin.composition import open_authenticator
from aiconfig_plugin.settings import Settings
from benchmarks.environment import ISSUER, Environment
from benchmarks.rounds import Figures, Results, in_turn

AUDIENCE = "https://gateway.example/api/v1"
PATH = "/get/ai-model-config"
SIGNER = ECKey.generate_key("P-256", {"kid": "signer", "use": "sig"})
HOLDER = ECKey.generate_key("P-256")

Requests = list[HTTPServerRequest]


class JWKSet(RequestHandler):
    def get(self) -> None:
        self.finish({"keys": [SIGNER.as_dict(private=False)]})


def sign(key: ECKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", **header}, claims, key, algorithms=["ES256"])


def access_token(**more: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "owner",
        "aud": AUDIENCE,
        "client_id": "page",
        "scope": "ai-config:read ai-config:write",
        "iat": now,
        "exp": now + 3600,
        "jti": secrets.token_urlsafe(),
        **more,
    }
    return sign(SIGNER, {"typ": "at+jwt", "kid": "signer"}, claims)


def proof(token: str) -> str:
    """Return a DPoP proof (RFC 9449 section 4.2) for reading."""
    header = {"typ": "dpop+jwt", "jwk": HOLDER.as_dict(private=False)}
    claims = {
        "htm": "GET",
        "htu": AUDIENCE + PATH,
        "iat": int(time.time()),
        "jti": secrets.token_urlsafe(),
        "ath": urlsafe_b64encode(sha256(token.encode()).digest()).rstrip(b"=").decode(),
    }
    return sign(HOLDER, header, claims)


def request(scheme: str, token: str, **headers: str) -> HTTPServerRequest:
    line = RequestStartLine("GET", f"/api/v1{PATH}", "HTTP/1.1")
    given = {"Host": "inner", "Authorization": f"{scheme} {token}", **headers}
    return HTTPServerRequest(start_line=line, headers=HTTPHeaders(given))


@contextmanager
def authenticators(
    env: Environment,
) -> Iterator[tuple[Callable[[Awaitable[Any]], Any], TokenAuthenticator, TokenAuthenticator]]:
    """Yield how to wait, an authenticator that asks, and one that verifies."""
    loop = asyncio.new_event_loop()

    async def start() -> tuple[HTTPServer, TokenAuthenticator, TokenAuthenticator]:
        listener, port = bind_unused_port()
        server = HTTPServer(Application([("/jwks", JWKSet)]))
        server.add_socket(listener)
        asking = Settings(**env.settings("tokens"))
        verifying = Settings(
            issuer=ISSUER,
            tokens="jwt",
            jwks_uri=f"http://127.0.0.1:{port}/jwks",
            audience=AUDIENCE,
            introspection_ttl=3600,
            dpop="on",
            resource=AUDIENCE,
        )
        made = [open_authenticator(settings) for settings in (asking, verifying)]
        for each in made:
            await each.start()
        return server, made[0], made[1]

    server, asks, verifies = loop.run_until_complete(start())
    yield loop.run_until_complete, asks, verifies
    for each in (asks, verifies):
        loop.run_until_complete(each.close())
    server.stop()
    loop.close()


def measure_tokens(env: Environment) -> Results:
    """Return requests authenticated per second, one by one, in the time of the clock.

    A process that answers requests spends it on nothing else, but for introspection, where it
    waits for the most of it.
    """
    calls = env.scale.calls
    bound = access_token(cnf={"jkt": HOLDER.thumbprint()})
    opaque, plain = f"token{secrets.token_hex(4)}.owner1", access_token()
    new: dict[str, Callable[[], HTTPServerRequest]] = {
        "a new opaque token": lambda: request("Bearer", f"token{secrets.token_hex(8)}.owner1"),
        "a remembered opaque token": lambda: request("Bearer", opaque),
        "a new JWT": lambda: request("Bearer", access_token()),
        "a remembered JWT": lambda: request("Bearer", plain),
        "a remembered JWT with a proof": lambda: request("DPoP", bound, DPoP=proof(bound)),
    }

    async def each(authenticate: TokenAuthenticator, requests: Requests) -> None:
        for one in requests:
            await authenticate(one)

    def turn(name: str) -> Figures:
        authenticate = asks if "opaque" in name else verifies
        requests = [new[name]() for _ in range(calls)]
        begun = time.perf_counter()
        wait(each(authenticate, requests))
        return {"rate": calls / (time.perf_counter() - begun)}

    with authenticators(env) as (wait, asks, verifies):
        for name in new:
            turn(name)
        return {
            f"token: {name}": in_turn(env.scale.rounds, {"ours": partial(turn, name)})
            for name in new
        }

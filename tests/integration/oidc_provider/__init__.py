"""npm's ``oidc-provider``, in a process of its own, and a user who logs in to it over HTTP."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey

HERE = Path(__file__).parent
NPM_INSTALL = (
    *("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"),
    "--loglevel=error",
)
REDIRECT_URI = "http://127.0.0.1/callback"
RESOURCE = "urn:aiconfig:gateway"
SCOPE = "ai-config:read ai-config:write"
SPA = {
    "client_id": "spa",
    "application_type": "native",
    "redirect_uris": [REDIRECT_URI],
    "response_types": ["code"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}


def installed(fallback: Path) -> Path:
    """Return the folder with the server and its packages, kept in the virtual environment."""
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))
    version = wanted["dependencies"]["oidc-provider"]
    in_environment = sys.prefix != sys.base_prefix
    folder = Path(sys.prefix, "oidc-provider") if in_environment else fallback
    package = folder / "node_modules" / "oidc-provider" / "package.json"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # two processes may run tests of it
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("package.json", "server.mjs"):
            shutil.copy(HERE / name, folder)
        if not package.is_file() or json.loads(package.read_bytes())["version"] != version:
            done = subprocess.run(NPM_INSTALL, cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


class OIDCProvider:
    """The server, from the folder where it is installed; ``clients`` are what it knows.

    Access tokens are opaque or ``jwt``; ``log_out`` is where the page's client wants log-out
    tokens (OpenID Connect Back-Channel Logout 1.0).
    """

    def __init__(
        self,
        folder: Path,
        *clients: Mapping[str, Any],
        token_format: str = "opaque",
        log_out: str | None = None,
    ) -> None:
        spa = SPA | ({"backchannel_logout_uri": log_out} if log_out else {})
        self._process = subprocess.Popen(
            ["node", "server.mjs"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        told = {"clients": [spa, *clients], "resource": RESOURCE, "scope": SCOPE}
        told["format"] = token_format
        self.browsers: dict[str, httpx2.Cookies] = {}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer, "oidc-provider did not start"

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    async def log_in(
        self, user: str, scope: str = SCOPE, *, dpop_key: ECKey | None = None
    ) -> dict[str, Any]:
        """Return the token response of a code flow with PKCE, pages and all."""
        verifier = secrets.token_urlsafe(48)
        browser = self.browsers.setdefault(user, httpx2.Cookies())
        async with httpx2.AsyncClient(base_url=self.issuer, cookies=browser) as http:
            code = await self._authorize(http, user, scope, verifier)
            self.browsers[user] = http.cookies
        return await self._token(
            dpop_key,
            grant_type="authorization_code",
            code=code,
            redirect_uri=REDIRECT_URI,
            code_verifier=verifier,
        )

    async def refresh(self, token: str, *, dpop_key: ECKey | None = None) -> dict[str, Any]:
        return await self._token(dpop_key, grant_type="refresh_token", refresh_token=token)

    async def log_out(self, user: str) -> None:
        """End the user's session as a browser does; the server tells the clients."""
        cookies = self.browsers.pop(user)
        async with httpx2.AsyncClient(base_url=self.issuer, cookies=cookies) as http:
            page = await http.get("/session/end")
            [secret] = re.findall(r'name="xsrf" value="(\w+)"', page.text)
            data = {"xsrf": secret, "logout": "yes"}
            ended = await http.post("/session/end/confirm", data=data)
        assert ended.is_redirect, ended.text

    async def _token(self, dpop_key: ECKey | None, **data: str) -> dict[str, Any]:
        headers = {"DPoP": self._proof(dpop_key)} if dpop_key else {}
        data["client_id"] = "spa"
        async with httpx2.AsyncClient(base_url=self.issuer) as http:
            response = await http.post("/token", data=data, headers=headers)
        assert response.status_code == 200, response.text
        granted: dict[str, Any] = response.json()
        return granted

    async def revoke(self, token: str) -> None:
        async with httpx2.AsyncClient(base_url=self.issuer) as browser:
            data = {"token": token, "client_id": "spa"}
            response = await browser.post("/token/revocation", data=data)
        assert response.status_code == 200, response.text

    async def _authorize(
        self, browser: httpx2.AsyncClient, user: str, scope: str, verifier: str
    ) -> str:
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": "spa",
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": f"openid {scope}",
            "state": "state",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        response = await browser.get("/auth", params=query)
        for _ in range(12):
            if response.is_redirect:
                location = response.headers["Location"]
                if location.startswith(REDIRECT_URI):
                    return parse_qs(urlsplit(location).query)["code"][0]
                response = await browser.get(location)
            else:
                response = await self._answer(browser, response, user)
        raise AssertionError("The log-in does not come to an end.")

    async def _answer(
        self, browser: httpx2.AsyncClient, page: httpx2.Response, user: str
    ) -> httpx2.Response:
        assert page.status_code == 200, page.text
        [prompt] = re.findall(r'name="prompt" value="(\w+)"', page.text)
        [action] = re.findall(r'<form[^>]* action="([^"]+)"', page.text)
        data = {"prompt": prompt}
        if prompt == "login":
            data |= {"login": user, "password": "any"}
        return await browser.post(action, data=data)

    def _proof(self, key: ECKey) -> str:
        """A DPoP proof (RFC 9449 section 4.2) for the token endpoint."""
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
        claims = {
            "htm": "POST",
            "htu": f"{self.issuer}/token",
            "iat": int(time.time()),
            "jti": secrets.token_urlsafe(),
        }
        return jwt.encode(header, claims, key, algorithms=["ES256"])

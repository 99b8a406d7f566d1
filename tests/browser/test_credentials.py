"""How the client says who sends a request: a token, a token bound to a key, a cookie."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from playwright.sync_api import Page

from tests.browser.helpers import ElementPage, User
from tests.browser.node import RunScript

SEND = """
const { AIConfigClient } = await load("client");
const requests = [];
const fetch = async (url, { method, headers, credentials }) => {
  requests.push({ url, method, headers, credentials });
  const config = { models: [], system_prompt: "" };
  return Response.json(config, { headers: { ETag: '"1"' } });
};
const getToken = async () => "token";
const key = given.own ? await crypto.subtle.generateKey(
  { name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]) : null;
const dpop = key ?? given.dpop;
const client = new AIConfigClient({ baseURL: "https://api.test/v1", getToken, fetch, dpop });
await client.get({ include: ["keyState"] });
await client.update({ models: [], system_prompt: "" });
const binding = await client.proof({ method: "POST", url: "https://login.test/token" });
const own = key && await crypto.subtle.exportKey("jwk", key.publicKey);
return { requests, binding, own };
"""


def opened(proof: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check the signature of a proof by the key in its header; return the header and the claims."""
    header = json.loads(base64.urlsafe_b64decode(proof.split(".")[0] + "=="))
    checked = jws.deserialize_compact(proof, ECKey.import_key(header["jwk"]), ["ES256"])
    return header, json.loads(checked.payload)


def test_a_bound_token_is_sent_with_a_proof_for_each_request(node: RunScript) -> None:
    sent = node(SEND, dpop=True)
    proofs = [opened(request["headers"]["DPoP"]) for request in sent["requests"]]
    for (header, claims), method, path in zip(
        proofs, ["GET", "PUT"], ["get", "update"], strict=True
    ):
        assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
        assert set(header["jwk"]) == {"kty", "crv", "x", "y"}
        assert set(claims) == {"jti", "htm", "htu", "iat", "ath"}
        assert claims["htm"] == method
        assert claims["htu"] == f"https://api.test/v1/{path}/ai-model-config"
        digest = hashlib.sha256(b"token").digest()
        assert claims["ath"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert abs(claims["iat"] - time.time()) < 60
    assert proofs[0][1]["jti"] != proofs[1][1]["jti"]
    assert {request["headers"]["Authorization"] for request in sent["requests"]} == {"DPoP token"}
    assert {request["credentials"] for request in sent["requests"]} == {"omit"}


def test_the_token_is_bound_by_a_proof_of_the_same_key(node: RunScript) -> None:
    sent = node(SEND, dpop=True)
    header, claims = opened(sent["binding"])
    assert header["jwk"] == opened(sent["requests"][0]["headers"]["DPoP"])[0]["jwk"]
    assert (claims["htm"], claims["htu"]) == ("POST", "https://login.test/token")
    assert "ath" not in claims


def test_a_key_of_the_pages_own_is_used(node: RunScript) -> None:
    sent = node(SEND, own=True)
    used = opened(sent["requests"][0]["headers"]["DPoP"])[0]["jwk"]
    assert used["x"] == sent["own"]["x"]


def test_without_dpop_the_token_is_a_bearer_token(node: RunScript) -> None:
    [first, _] = node(SEND)["requests"]
    assert first["headers"] == {"Authorization": "Bearer token"}


def test_the_key_of_a_client_cannot_be_exported(page: Page) -> None:
    element = ElementPage(page)
    refused = element.run(
        """async () => {
          const { generateProofKey } = await import("./ai-config-credentials.js");
          const { privateKey } = await generateProofKey();
          return crypto.subtle.exportKey("jwk", privateKey).catch(({ name }) => name);
        }"""
    )
    assert refused == "InvalidAccessError"


COOKIE = """async (options) => {
  document.cookie = "session_xsrf=wrong";
  document.cookie = "_xsrf=2|a=b|c";
  const { AIConfigClient } = await import("./ai-config-client.js");
  const requests = [];
  const fetch = async (url, { method, headers, credentials }) => {
    requests.push([method, headers, credentials]);
    const config = { models: [], system_prompt: "" };
    return Response.json(config, { headers: { ETag: '"1"' } });
  };
  const client = new AIConfigClient({ credentials: "cookie", fetch, ...options });
  await client.get();
  await client.update({ models: [], system_prompt: "" });
  await client.remove();
  return requests;
}"""
JSON = {"Content-Type": "application/json"}
MATCH = {"If-Match": '"1"'}


@pytest.mark.parametrize(
    ("options", "extra"),
    [({"xsrfCookie": "_xsrf"}, {"X-XSRFToken": "2|a=b|c"}), ({}, {})],
)
def test_a_cookie_log_in_repeats_the_xsrf_cookie_in_writes(
    element: ElementPage, options: dict[str, str], extra: dict[str, str]
) -> None:
    assert element.page.evaluate(COOKIE, options) == [
        ["GET", {}, "same-origin"],
        ["PUT", {**extra, **JSON, **MATCH}, "same-origin"],
        ["DELETE", {**extra, **MATCH}, "same-origin"],
    ]


def test_the_routes_are_those_of_the_gateway_that_serves_the_module(alice: User) -> None:
    found = alice.page.evaluate(
        """async () => {
          const { AIConfigClient } = await import("/api/v1/web/ai-config.js");
          let asked = "";
          const fetch = async (url) => { asked = url; throw new TypeError("offline"); };
          const client = new AIConfigClient({ credentials: "cookie", xsrfCookie: "_xsrf", fetch });
          await client.get().catch(() => null);
          return asked;
        }"""
    )
    assert found == f"{alice.servers.url}/api/v1/get/ai-model-config"

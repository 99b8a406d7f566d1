// How requests say who sends them: an access token, one that is bound to a key, or cookies.

import { AIConfigError } from "./ai-config-error.js";
import { base64url } from "./ai-config-seal.js";

/** @typedef {() => string | Promise<string>} GetToken */
/** @typedef {{method: string, url: string}} Target */
/** @typedef {{credentials: RequestCredentials, headers: Record<string, string>}} Credentials */
/** @typedef {(target: Target) => Promise<Credentials>} Authenticate */

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const utf8 = new TextEncoder();

/**
 * A bearer token (RFC 6750).
 *
 * @param {GetToken} getToken
 * @returns {Authenticate}
 */
export function bearer(getToken) {
  return async () => {
    return { credentials: "omit", headers: { Authorization: `Bearer ${await read(getToken)}` } };
  };
}

/**
 * A token that is bound to a key (RFC 9449).
 *
 * @param {GetToken} getToken
 * @param {() => Promise<CryptoKeyPair>} getKey
 * @returns {Authenticate}
 */
export function bound(getToken, getKey) {
  return async (target) => {
    const token = await read(getToken);
    const proof = await createProof(await getKey(), { ...target, token });
    return { credentials: "omit", headers: { Authorization: `DPoP ${token}`, DPoP: proof } };
  };
}

/**
 * The cookies of the page's own origin. A write also sends the cookie against cross-site requests.
 *
 * @param {string} [xsrfCookie] its name
 * @returns {Authenticate}
 */
export function cookies(xsrfCookie) {
  return async ({ method }) => {
    /** @type {Record<string, string>} */
    const headers = {};
    if (xsrfCookie && method !== "GET") {
      const pairs = document.cookie.split("; ").map((pair) => pair.split(/=(.*)/s));
      headers["X-XSRFToken"] = pairs.find(([name]) => name === xsrfCookie)?.[1] ?? "";
    }
    return { credentials: "same-origin", headers };
  };
}

/** Generate a key for proofs, of which the private part cannot leave the browser. */
export function generateProofKey() {
  return crypto.subtle.generateKey(CURVE, false, ["sign", "verify"]);
}

/**
 * Return a proof for one request (RFC 9449 section 4.2).
 *
 * @param {CryptoKeyPair} key
 * @param {Target & {token?: string}} request with the access token that it sends, if it sends one
 */
export async function createProof({ privateKey, publicKey }, { method, url, token }) {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  const { origin, pathname } = new URL(url, globalThis.location?.href);
  const claims = {
    jti: crypto.randomUUID(),
    htm: method,
    htu: origin + pathname,
    iat: Math.floor(Date.now() / 1000),
    ath: token && base64url(await crypto.subtle.digest("SHA-256", utf8.encode(token))),
  };
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } };
  const signed = [header, claims].map((part) => base64url(utf8.encode(JSON.stringify(part)))).join(".");
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(algorithm, privateKey, utf8.encode(signed));
  return `${signed}.${base64url(signature)}`;
}

/** @param {GetToken} getToken */
async function read(getToken) {
  let token;
  try {
    token = await getToken();
  } catch (cause) {
    const detail = "The access token could not be obtained.";
    throw new AIConfigError({ code: "token-unavailable", status: 0, detail, cause });
  }
  if (!token) throw new AIConfigError({ code: "missing-token", status: 401 });
  return token;
}

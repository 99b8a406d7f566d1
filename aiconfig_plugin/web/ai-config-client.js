// Client for the HTTP API of aiconfig_plugin. Needs fetch and, to seal keys, WebCrypto.

import { bearer, bound, cookies, createProof, generateProofKey } from "./ai-config-credentials.js";
import { AIConfigError, isObject, problemError } from "./ai-config-error.js";

export { AIConfigError, isAIConfigError } from "./ai-config-error.js";
export { MAX_API_KEY_BYTES, sealApiKey } from "./ai-config-seal.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-types.d.ts").CallOptions} CallOptions */
/** @typedef {import("./ai-config-types.d.ts").Catalog} Catalog */
/** @typedef {import("./ai-config-types.d.ts").ClientOptions} ClientOptions */
/** @typedef {import("./ai-config-types.d.ts").CookieOptions} CookieOptions */
/** @typedef {import("./ai-config-types.d.ts").EncryptionKeyDocument} EncryptionKeyDocument */
/** @typedef {import("./ai-config-types.d.ts").Identity} Identity */
/** @typedef {import("./ai-config-types.d.ts").Include} Include */
/** @typedef {import("./ai-config-types.d.ts").TokenOptions} TokenOptions */
/** @typedef {import("./ai-config-types.d.ts").Verification} Verification */
/** @typedef {import("./ai-config-types.d.ts").WriteOptions} WriteOptions */
/** @typedef {{status: number, headers: Headers, text: string}} Reply */

/**
 * One user's configuration on the server.
 *
 * Remembers the `ETag` of the last read or write and sends it with the next write as `If-Match`, so
 * that a write fails with 412 instead of overwriting a change made elsewhere.
 */
export class AIConfigClient {
  #base;
  #authenticate;
  #fetch;
  #timeout;

  /** Made when it is needed, unless one was given. @type {Promise<CryptoKeyPair> | null} */
  #key = null;

  /** The entity tag of the last known revision; null if there is none. @type {string | null} */
  etag = null;

  /** @param {ClientOptions & (TokenOptions | CookieOptions)} options */
  constructor(options) {
    const { baseURL = defaultBase(), fetch = globalFetch, timeout = 30_000 } = options;
    this.#base = baseURL.replace(/\/$/, "");
    if (options.credentials === "cookie") {
      this.#authenticate = cookies(options.xsrfCookie);
    } else {
      const { getToken, dpop = false } = options;
      if (typeof dpop === "object") this.#key = Promise.resolve(dpop);
      this.#authenticate = dpop ? bound(getToken, () => this.#proofKey()) : bearer(getToken);
    }
    this.#fetch = fetch;
    this.#timeout = timeout;
    // Bound, so that they work on a Proxy around the client, such as Vue's.
    this.get = this.get.bind(this);
    this.create = this.create.bind(this);
    this.update = this.update.bind(this);
    this.remove = this.remove.bind(this);
    this.encryptionKey = this.encryptionKey.bind(this);
    this.catalog = this.catalog.bind(this);
    this.verify = this.verify.bind(this);
    this.proof = this.proof.bind(this);
  }

  /**
   * Read the configuration. Throws an `AIConfigError` with the code `config-not-found` if there is
   * none.
   *
   * @param {CallOptions & {include?: Include[]}} [options] `include`:
   *   members to add to every entry
   * @returns {Promise<AIConfig>}
   */
  async get({ include = [], signal } = {}) {
    const query = include.length ? `?include=${include.join(",")}` : "";
    try {
      return await this.#sendConfig("GET", `/get/ai-model-config${query}`, { signal });
    } catch (error) {
      if (error instanceof AIConfigError && error.status === 404) this.etag = null;
      throw error;
    }
  }

  /**
   * Store the first configuration. Fails with 409 `config-exists` if there is one already.
   *
   * @param {AIConfig} body
   * @param {CallOptions} [options]
   * @returns {Promise<AIConfig>} as it is stored, without keys
   */
  async create(body, { signal } = {}) {
    return this.#sendConfig("POST", "/create/ai-model-config", { body, signal });
  }

  /**
   * Replace the configuration.
   *
   * @param {AIConfig} body
   * @param {WriteOptions} [options]
   * @returns {Promise<AIConfig>} as it is stored, without keys
   */
  async update(body, { ifMatch, signal } = {}) {
    const condition = this.#condition(ifMatch);
    return this.#sendConfig("PUT", "/update/ai-model-config", { body, ifMatch: condition, signal });
  }

  /**
   * Delete the configuration.
   *
   * @param {WriteOptions} [options]
   */
  async remove({ ifMatch, signal } = {}) {
    const condition = this.#condition(ifMatch);
    await this.#send("DELETE", "/delete/ai-model-config", { ifMatch: condition, signal });
    this.etag = null;
  }

  /**
   * Fetch the encryption-key document for `sealApiKey`.
   *
   * @param {CallOptions} [options]
   * @returns {Promise<EncryptionKeyDocument>}
   */
  async encryptionKey({ signal } = {}) {
    const path = "/get/ai-model-config/encryption-key";
    return readJSON(await this.#send("GET", path, { signal }), false);
  }

  /**
   * Fetch what the operator offers.
   *
   * @param {CallOptions} [options]
   * @returns {Promise<Catalog>}
   */
  async catalog({ signal } = {}) {
    return readJSON(await this.#send("GET", "/get/ai-model-config/catalog", { signal }), false);
  }

  /**
   * Ask the provider about the stored key of an entry, by a call that costs nothing.
   *
   * @param {Identity} entry
   * @param {CallOptions} [options]
   * @returns {Promise<Verification>}
   */
  async verify({ provider, type, model, label }, { signal } = {}) {
    const body = { provider, type, model, label };
    return readJSON(await this.#send("POST", "/verify/ai-model-config", { body, signal }), false);
  }

  /**
   * Return a proof by this client's key (RFC 9449). The request that gets the access token sends it
   * in the header `DPoP`, which binds the token to the key.
   *
   * @param {{method: string, url: string}} request
   */
  async proof(request) {
    return createProof(await this.#proofKey(), request);
  }

  #proofKey() {
    return (this.#key ??= generateProofKey());
  }

  /** @param {string | null | undefined} given undefined stands for the remembered entity tag */
  #condition(given) {
    const tag = given === undefined ? this.etag : given;
    if (tag === null && given !== null) {
      throw new TypeError("Read the configuration before writing it, or pass ifMatch.");
    }
    return tag;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {WriteOptions & {body?: object}} options
   * @returns {Promise<AIConfig>}
   */
  async #sendConfig(method, path, options) {
    const reply = await this.#send(method, path, options);
    const config = readJSON(reply, method !== "GET");
    // Proxies that compress weaken the tag; it names a revision, not bytes.
    const etag = reply.headers.get("ETag")?.replace(/^W\//, "");
    if (!isConfig(config) || !etag) throw unexpected(reply, method !== "GET");
    this.etag = etag;
    return config;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {WriteOptions & {body?: object}} options
   * @returns {Promise<Reply>}
   */
  async #send(method, path, { body, ifMatch, signal: given }) {
    const timeout = AbortSignal.timeout(this.#timeout);
    const signal = given ? AbortSignal.any([given, timeout]) : timeout;
    const isWrite = method !== "GET";
    let sent = false;
    const call = async () => {
      const url = this.#base + path;
      const { headers, credentials } = await this.#authenticate({ method, url });
      if (body !== undefined) headers["Content-Type"] = "application/json";
      if (ifMatch) headers["If-Match"] = ifMatch;
      signal.throwIfAborted();
      sent = true;
      const text = body && JSON.stringify(body);
      const response = await this.#fetch(url, { method, headers, body: text, credentials, signal });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    const reply = await Promise.race([call(), aborted(signal)]).catch((cause) => {
      if (given?.aborted || cause instanceof AIConfigError) throw cause;
      const code = timeout.aborted ? "timeout" : "network-error";
      const detail = "The server is unreachable.";
      const outcome = isWrite && sent ? "unknown" : "nothing-changed";
      throw new AIConfigError({ code, status: 0, detail, outcome, cause });
    });
    if (reply.status < 200 || reply.status > 299) throw problemError(reply, isWrite);
    return reply;
  }

}

/** Where this module was served, if that was by the plugin: `/api/v1/web/<digest>/<name>`. */
function defaultBase() {
  const here = import.meta.url; // In one expression, bundlers would look for a file.
  return new URL("../..", here).href;
}

/** @type {typeof globalThis.fetch} */
function globalFetch(...request) {
  return globalThis.fetch(...request);
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<never>} rejected when the signal is aborted
 */
function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/**
 * @param {Reply} reply
 * @param {boolean} isWrite
 */
function readJSON(reply, isWrite) {
  try {
    return JSON.parse(reply.text);
  } catch (cause) {
    throw unexpected(reply, isWrite, cause);
  }
}

/**
 * @param {Reply} reply
 * @param {boolean} isWrite
 * @param {unknown} [cause]
 */
function unexpected({ status }, isWrite, cause) {
  const outcome = isWrite ? "unknown" : "nothing-changed";
  const detail = "The server sent an unexpected response.";
  return new AIConfigError({ code: "unexpected-response", status, detail, outcome, cause });
}

/**
 * @param {unknown} value
 * @returns {value is AIConfig}
 */
function isConfig(value) {
  if (!isObject(value) || typeof value.system_prompt !== "string") return false;
  const { models } = value;
  return Array.isArray(models) && models.every((entry) => isObject(entry) && hasNames(entry));
}

/** @param {Record<string, unknown>} entry */
function hasNames({ provider, type, model }) {
  return [provider, type, model].every((name) => typeof name === "string");
}

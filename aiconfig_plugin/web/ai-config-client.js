// Client for the HTTP API of aiconfig_plugin. Needs fetch and, to seal keys, WebCrypto.

export { MAX_API_KEY_BYTES, sealApiKey } from "./ai-config-seal.js";

/** @typedef {import("./ai-config-seal.js").EncryptionKeyDocument} EncryptionKeyDocument */

/** @typedef {"set" | "unset" | "unreadable"} KeyState */

/**
 * One model of a configuration. In an update an absent `apiKeyEncrypted` keeps the stored key, null
 * removes it, and a string replaces it.
 *
 * @typedef {object} ModelEntry
 * @property {string} provider
 * @property {string} type
 * @property {string} model
 * @property {boolean} isPaid
 * @property {string | null} [apiKeyEncrypted]
 * @property {KeyState} [keyState] in responses only
 */

/**
 * @typedef {object} AIConfig
 * @property {ModelEntry[]} models in the user's order of preference
 * @property {string} system_prompt
 */

/**
 * One error in a request body; `pointer` is a JSON Pointer (RFC 6901).
 * @typedef {{pointer: string, code: string, detail: string}} Violation
 */

/**
 * The error of every failed call. `status` is the HTTP status, or 0 if there was no response.
 *
 * | status | code |
 * | --- | --- |
 * | 0 | `network-error`: offline, or the server is unreachable |
 * | 401 | `missing-token`, `invalid-token`: log in again |
 * | 412 | `revision-mismatch`: the configuration was changed in the meantime |
 * | 422 | `schema-violation`, …: see `errors` |
 * | 503 | `storage-unavailable`, …: try again after `retryAfter` seconds |
 *
 * The code is `unexpected-response` if the response is not a problem document (RFC 9457), for
 * example an error page of a proxy.
 */
export class AIConfigError extends Error {
  /**
   * @param {{code: string, status: number, title?: string, detail?: string, errors?: Violation[],
   *   retryAfter?: number | null, cause?: unknown}} problem
   */
  constructor({ code, status, title = "", detail = "", errors = [], retryAfter = null, cause }) {
    super(detail || title || code, { cause });
    this.name = "AIConfigError";
    this.code = code;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
    /** Seconds, or null if the response has no `Retry-After`. */
    this.retryAfter = retryAfter;
  }
}

const PROBLEM = "urn:aiconfig:problem:";

/**
 * One user's configuration on the server.
 *
 * Remembers the `ETag` of the last read or write and sends it with the next write as `If-Match`, so
 * that a write fails with 412 instead of overwriting a change made elsewhere.
 */
export class AIConfigClient {
  #base;
  #getToken;
  #fetch;

  /** The entity tag of the last known revision; null if there is none. @type {string | null} */
  etag = null;

  /**
   * @param {object} options
   * @param {string} options.baseURL the prefix of the plugin's routes, for example `/api/v1`
   * @param {() => string | Promise<string>} options.getToken returns the access token; called for
   *   every request
   * @param {typeof globalThis.fetch} [options.fetch]
   */
  constructor({ baseURL, getToken, fetch = (...request) => globalThis.fetch(...request) }) {
    this.#base = baseURL.replace(/\/+$/, "");
    this.#getToken = getToken;
    this.#fetch = fetch;
  }

  /**
   * Read the configuration. Throws an `AIConfigError` with the code `config-not-found` if there is
   * none.
   *
   * @param {{include?: ("apiKeyEncrypted" | "keyState")[]}} [options] members to add to every entry
   * @returns {Promise<AIConfig>}
   */
  async get({ include = [] } = {}) {
    const query = include.length ? `?include=${include.join(",")}` : "";
    try {
      return await this.#readConfig("GET", `/get/ai-model-config${query}`);
    } catch (error) {
      if (error instanceof AIConfigError && error.status === 404) this.etag = null;
      throw error;
    }
  }

  /**
   * Store the first configuration. Fails with 409 `config-exists` if there is one already.
   *
   * @param {AIConfig} config
   * @returns {Promise<AIConfig>} as it is stored, without keys
   */
  async create(config) {
    return this.#readConfig("POST", "/create/ai-model-config", config);
  }

  /**
   * Replace the configuration.
   *
   * @param {AIConfig} config
   * @param {{ifMatch?: string | null}} [options] replaces the remembered entity tag; `*`
   *   matches any, null makes the write unconditional
   * @returns {Promise<AIConfig>} as it is stored, without keys
   */
  async update(config, { ifMatch = this.etag } = {}) {
    return this.#readConfig("PUT", "/update/ai-model-config", config, ifMatch);
  }

  /**
   * Delete the configuration.
   *
   * @param {{ifMatch?: string | null}} [options] as in `update`
   */
  async remove({ ifMatch = this.etag } = {}) {
    await this.#send("DELETE", "/delete/ai-model-config", undefined, ifMatch);
    this.etag = null;
  }

  /**
   * Fetch the encryption-key document for `sealApiKey`.
   * @returns {Promise<EncryptionKeyDocument>}
   */
  async encryptionKey() {
    return readJSON(await this.#send("GET", "/get/ai-model-config/encryption-key"));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {AIConfig} [body]
   * @param {string | null} [ifMatch]
   * @returns {Promise<AIConfig>}
   */
  async #readConfig(method, path, body, ifMatch) {
    const response = await this.#send(method, path, body, ifMatch);
    const config = await readJSON(response);
    this.etag = response.headers.get("ETag");
    return config;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {AIConfig} [body]
   * @param {string | null} [ifMatch]
   */
  async #send(method, path, body, ifMatch) {
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${await this.#getToken()}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (ifMatch) headers["If-Match"] = ifMatch;
    const request = { method, headers, body: body && JSON.stringify(body) };
    const response = await this.#fetch(this.#base + path, request).catch(failNetwork);
    if (!response.ok) throw await readProblem(response);
    return response;
  }
}

/**
 * @param {unknown} cause
 * @returns {never}
 */
function failNetwork(cause) {
  const detail = "The server is unreachable.";
  throw new AIConfigError({ code: "network-error", status: 0, detail, cause });
}

/** @param {Response} response */
async function readJSON(response) {
  const text = await response.text().catch(failNetwork);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AIConfigError({ code: "unexpected-response", status: response.status, cause });
  }
}

/**
 * @param {Response} response
 * @returns {Promise<AIConfigError>}
 */
async function readProblem(response) {
  const { status, headers } = response;
  const seconds = Number.parseInt(headers.get("Retry-After") ?? "", 10);
  const retryAfter = Number.isNaN(seconds) ? null : seconds;
  const isProblem = headers.get("Content-Type")?.startsWith("application/problem+json");
  const problem = isProblem ? await response.json().catch(() => ({})) : {};
  const { type = "", title, detail, errors } = problem;
  const code = type.startsWith(PROBLEM) ? type.slice(PROBLEM.length) : "unexpected-response";
  return new AIConfigError({ code, status, title, detail, errors, retryAfter });
}

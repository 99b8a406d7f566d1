// The HTTP interface of aiconfig_plugin, for a browser or any other host with fetch and WebCrypto.

export { MAX_API_KEY_BYTES, sealApiKey } from "./ai-config-seal.js";

/** @typedef {import("./ai-config-seal.js").EncryptionKeyDocument} EncryptionKeyDocument */

/** @typedef {"set" | "unset" | "unreadable"} KeyState */

/**
 * One model of a configuration. In an update an `apiKeyEncrypted` that is absent keeps the stored
 * key, null removes it, and a string replaces it.
 *
 * @typedef {object} ModelEntry
 * @property {string} provider
 * @property {string} type
 * @property {string} model
 * @property {boolean} isPaid
 * @property {string | null} [apiKeyEncrypted]
 * @property {KeyState} [keyState] only in what is read
 */

/**
 * @typedef {object} AIConfig
 * @property {ModelEntry[]} models in the user's order of preference
 * @property {string} system_prompt
 */

/**
 * One place in the body that is wrong; `pointer` is a JSON Pointer (RFC 6901).
 * @typedef {{pointer: string, code: string, detail: string}} Violation
 */

/**
 * Every failure of a call. `status` is the HTTP status, or 0 when no answer came at all.
 *
 * | status | code |
 * | --- | --- |
 * | 0 | `network-error`: offline, or the server is not reachable |
 * | 401 | `missing-token`, `invalid-token`: log in again |
 * | 412 | `revision-mismatch`: somebody else wrote in between |
 * | 422 | `schema-violation`, …: `errors` says where |
 * | 503 | `storage-unavailable`, …: try again after `retryAfter` seconds |
 *
 * An answer that is no problem document (RFC 9457), a proxy's for example, has the code
 * `unexpected-response`.
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
    /** Seconds, or null where the server does not say. */
    this.retryAfter = retryAfter;
  }
}

const PROBLEM = "urn:aiconfig:problem:";

/**
 * One user's configuration on the server.
 *
 * Remembers the `ETag` of what it read or wrote last and sends it with the next write as
 * `If-Match`, so that a write over somebody else's change fails with 412 instead of undoing it.
 */
export class AIConfigClient {
  #base;
  #getToken;
  #fetch;

  /** The entity tag of the revision seen last; null when there is none. @type {string | null} */
  etag = null;

  /**
   * @param {object} options
   * @param {string} options.baseURL the plugin's prefix, for example `/api/v1`
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
   * Read the configuration; without one it is an `AIConfigError` with the code `config-not-found`.
   *
   * @param {{include?: ("apiKeyEncrypted" | "keyState")[]}} [options] what to add to every entry
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
   * Store the first configuration; where there is one already it is a 409, `config-exists`.
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
   * @param {{ifMatch?: string | null}} [options] another entity tag than the one remembered, `*`
   *   for any, or null for a write without a condition
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
   * Read what `sealApiKey` needs.
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
  const detail = "The server could not be reached.";
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

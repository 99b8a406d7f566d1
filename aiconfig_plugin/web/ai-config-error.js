// The error of every failed call, made from a problem document (RFC 9457) where there is one.

/** @typedef {import("./ai-config-types.d.ts").Outcome} Outcome */
/** @typedef {import("./ai-config-types.d.ts").Violation} Violation */

/**
 * The error of every failed call. `status` is the HTTP status, or 0 if there was no response.
 *
 * | status | code |
 * | --- | --- |
 * | 0 | `network-error`, `timeout`, `token-unavailable` (`getToken` failed) |
 * | 401 | `missing-token`, `invalid-token`: log in again |
 * | 412 | `revision-mismatch`: the configuration was changed in the meantime |
 * | 422 | `schema-violation`, …: see `errors` |
 * | 503 | `storage-unavailable`, …: try again after `retryAfter` seconds |
 *
 * The code is `unexpected-response` if the response is not a problem document, for example an error
 * page of a proxy.
 */
export class AIConfigError extends Error {
  /**
   * @param {{code: string, status: number, title?: string, detail?: string, errors?: Violation[],
   *   retryAfter?: number | null, outcome?: Outcome, cause?: unknown}} problem
   */
  constructor(problem) {
    const { code, status, title = "", detail = "", errors = [], retryAfter = null } = problem;
    super(detail || title || code, { cause: problem.cause });
    this.name = "AIConfigError";
    this.code = code;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
    /** Seconds, or null if the response has no `Retry-After`. */
    this.retryAfter = retryAfter;
    /** Whether a write may have been stored although the call failed. @type {Outcome} */
    this.outcome = problem.outcome ?? "nothing-changed";
  }
}

/**
 * Return whether this is an `AIConfigError`, also one of another copy of this module.
 *
 * @param {unknown} error
 * @returns {error is AIConfigError}
 */
export function isAIConfigError(error) {
  return error instanceof Error && error.name === "AIConfigError";
}

const PROBLEM = "urn:aiconfig:problem:";

/**
 * @param {{status: number, headers: Headers, text: string}} response
 * @param {boolean} isWrite
 */
export function problemError({ status, headers, text }, isWrite) {
  const seconds = Number.parseInt(headers.get("Retry-After") ?? "", 10);
  const problem = headers.get("Content-Type")?.startsWith("application/problem+json")
    ? parseObject(text)
    : {};
  const type = asText(problem.type);
  const code = type.startsWith(PROBLEM) ? type.slice(PROBLEM.length) : "unexpected-response";
  // The token is checked before anything is written.
  const isRefusal = status < 500 || code === "authorization-server-unavailable";
  const mayBeStored = isWrite && !isRefusal && problem.outcome !== "nothing-changed";
  return new AIConfigError({
    code,
    status,
    title: asText(problem.title),
    detail: asText(problem.detail),
    errors: Array.isArray(problem.errors) ? problem.errors.filter(isObject).map(violation) : [],
    retryAfter: Number.isNaN(seconds) ? null : seconds,
    outcome: mayBeStored ? "unknown" : "nothing-changed",
  });
}

/**
 * @param {string} text
 * @returns {Record<string, unknown>}
 */
function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

/**
 * @param {Record<string, unknown>} given
 * @returns {Violation}
 */
function violation({ pointer, code, detail }) {
  return { pointer: asText(pointer), code: asText(code), detail: asText(detail) };
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null;
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === "string" ? value : "";
}

// Ask the host for a new access token, through the event `ai-config-unauthorized`.

import { AIConfigError } from "./ai-config-error.js";

/** How long the host may take if the user has nothing to do for it, in milliseconds. */
const RENEWAL_TIMEOUT = 30_000;

/**
 * @typedef {object} TokenRequest
 * @property {boolean} interactive whether the user has just asked for the log-in
 * @property {(answer: boolean | Promise<boolean>) => void} waitUntil takes whether there is a new
 *   token
 */

/**
 * Return whether there is a new token.
 *
 * @param {(detail: TokenRequest) => void} emit
 * @param {AbortSignal} signal
 */
export async function renewToken(emit, signal) {
  const answers = collect(emit, false);
  const { cancelled, cancel } = cancellable(signal);
  setTimeout(cancel, RENEWAL_TIMEOUT);
  return answers.length > 0 && Promise.race([anyOf(answers), cancelled]).catch(() => false);
}

/**
 * Wait until the user has logged in. Throws a 401 if that fails or is cancelled.
 *
 * @param {(detail: TokenRequest) => void} emit
 * @param {AbortSignal} signal
 * @param {(cancel: () => void) => void} waiting called at once
 */
export async function logIn(emit, signal, waiting) {
  const answers = collect(emit, true);
  const { cancelled, cancel } = cancellable(signal);
  waiting(cancel);
  const failed = (/** @type {unknown} */ cause) =>
    new AIConfigError({ code: "log-in-failed", status: 401, cause });
  const done = await Promise.race([anyOf(answers), cancelled]).catch((cause) => {
    throw failed(cause);
  });
  if (!done) throw failed(undefined);
}

/**
 * @param {(detail: TokenRequest) => void} emit
 * @param {boolean} interactive
 */
function collect(emit, interactive) {
  /** @type {(boolean | Promise<boolean>)[]} */
  const answers = [];
  emit({ interactive, waitUntil: (answer) => answers.push(answer) });
  return answers;
}

/** @param {(boolean | Promise<boolean>)[]} answers */
async function anyOf(answers) {
  return (await Promise.all(answers)).some(Boolean);
}

/** @param {AbortSignal} signal */
function cancellable(signal) {
  let cancel = () => {};
  /** @type {Promise<boolean>} */
  const cancelled = new Promise((resolve) => {
    cancel = () => resolve(false);
  });
  signal.addEventListener("abort", cancel, { once: true });
  return { cancelled, cancel };
}

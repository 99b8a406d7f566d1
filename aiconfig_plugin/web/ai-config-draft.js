// The unsaved state of the form and the request body that saves it. Uses no DOM.

import { AIConfigError, MAX_API_KEY_BYTES } from "./ai-config-client.js";

/** @typedef {import("./ai-config-client.js").AIConfig} AIConfig */
/** @typedef {import("./ai-config-client.js").KeyState} KeyState */
/** @typedef {import("./ai-config-client.js").ModelEntry} ModelEntry */

/** In code points, as on the server. */
export const MAX_PROMPT = 32768;
export const MAX_MODELS = 100;

/**
 * `origin` is the saved entry that this one was made from, or null for a new one. `newKey` is the
 * text of the key field; it is sealed when the draft is saved.
 *
 * @typedef {object} DraftEntry
 * @property {string} provider
 * @property {string} type
 * @property {string} model
 * @property {boolean} isPaid
 * @property {ModelEntry | null} origin
 * @property {"keep" | "replace" | "remove"} keyAction
 * @property {string} newKey
 */

/** @typedef {{models: DraftEntry[], prompt: string}} Draft */

/**
 * The key state shown for an entry. `moved`: the provider was changed, and a stored key is valid
 * only for the provider it was stored for.
 * @typedef {KeyState | "moved"} KeyStatus
 */

/** @returns {DraftEntry} */
export function newEntry() {
  const text = { provider: "", type: "chat", model: "" };
  return { ...text, isPaid: false, origin: null, keyAction: "keep", newKey: "" };
}

/**
 * @param {AIConfig | null} saved null where nothing is stored yet
 * @returns {Draft}
 */
export function draftOf(saved) {
  const models = (saved?.models ?? []).map((origin) => {
    const { provider, type, model, isPaid } = origin;
    return { ...newEntry(), provider, type, model, isPaid, origin };
  });
  return { models, prompt: saved?.system_prompt ?? "" };
}

/** @param {Draft} draft @param {AIConfig | null} saved */
export function isDirty(draft, saved) {
  return (
    draft.prompt !== (saved?.system_prompt ?? "") ||
    draft.models.length !== (saved?.models.length ?? 0) ||
    draft.models.some((entry, n) => entry.origin !== saved?.models[n] || isEdited(entry))
  );
}

/** @param {DraftEntry} entry */
function isEdited(entry) {
  const { origin } = entry;
  return (
    !isSameModel(entry, origin) ||
    entry.isPaid !== origin?.isPaid ||
    entry.newKey.trim() !== "" ||
    entry.keyAction === "remove"
  );
}

/**
 * @param {{provider: string, type: string, model: string}} entry
 * @param {{provider: string, type: string, model: string} | null} other
 */
function isSameModel(entry, other) {
  return (
    entry.provider.trim() === other?.provider &&
    entry.type.trim() === other.type &&
    entry.model.trim() === other.model
  );
}

/**
 * @param {DraftEntry} entry
 * @returns {KeyStatus}
 */
export function keyStatus({ origin, provider }) {
  const state = origin?.keyState ?? "unset";
  return state !== "unset" && origin?.provider !== provider.trim() ? "moved" : state;
}

/**
 * What saving does to an entry's key. `carry`: the type or model was changed, so the server would
 * not find the stored key by identity; its ciphertext is sent along.
 *
 * @param {DraftEntry} entry
 * @returns {"seal" | "remove" | "keep" | "carry"}
 */
function keyOperation(entry) {
  if (entry.newKey.trim()) return "seal";
  if (entry.keyAction === "remove" || keyStatus(entry) === "moved") return "remove";
  if (isSameModel(entry, entry.origin)) return "keep";
  return keyStatus(entry) === "unset" ? "remove" : "carry";
}

/**
 * Return the request body and, for each entry, the key state after it has been stored.
 *
 * @param {Draft} draft
 * @param {{seal: (apiKey: string) => Promise<string>, stored: () => Promise<AIConfig>}} given
 * @returns {Promise<{body: AIConfig, keyStates: KeyState[]}>}
 * @throws {AIConfigError} for an API key that is too long
 */
export async function submission(draft, { seal, stored }) {
  rejectLongKeys(draft);
  const operations = draft.models.map(keyOperation);
  const current = operations.includes("carry") ? await stored() : null;
  const models = draft.models.map(async (entry, n) => {
    const { provider, type, model, isPaid, origin } = entry;
    const plain = { provider: provider.trim(), type: type.trim(), model: model.trim(), isPaid };
    switch (operations[n]) {
      case "seal":
        return { ...plain, apiKeyEncrypted: await seal(entry.newKey.trim()) };
      case "remove":
        return { ...plain, apiKeyEncrypted: null };
      case "carry": {
        const found = current?.models.find((other) => origin && isSameModel(origin, other));
        return { ...plain, apiKeyEncrypted: found?.apiKeyEncrypted ?? null };
      }
      default:
        return plain;
    }
  });
  const keyStates = draft.models.map((entry, n) => {
    if (operations[n] === "seal") return "set";
    return operations[n] === "remove" ? "unset" : (entry.origin?.keyState ?? "unset");
  });
  return { body: { models: await Promise.all(models), system_prompt: draft.prompt }, keyStates };
}

/** @param {Draft} draft */
function rejectLongKeys(draft) {
  const errors = draft.models.flatMap(({ newKey }, n) => {
    if (new TextEncoder().encode(newKey.trim()).length <= MAX_API_KEY_BYTES) return [];
    const detail = `An API key has at most ${MAX_API_KEY_BYTES} bytes.`;
    return [{ pointer: `/models/${n}/apiKeyEncrypted`, code: "maxLength", detail }];
  });
  if (errors.length) throw new AIConfigError({ code: "schema-violation", status: 422, errors });
}

/**
 * Rebase a draft on a configuration that was saved since the draft was started. Returns the names
 * of the entries that relied on a stored key that no longer exists.
 *
 * @param {Draft} draft
 * @param {AIConfig | null} saved
 */
export function rebase(draft, saved) {
  const lost = [];
  for (const entry of draft.models) {
    const before = keyOperation(entry);
    const { origin } = entry;
    entry.origin = saved?.models.find((other) => origin && isSameModel(origin, other)) ?? null;
    const keeps = before === "keep" || before === "carry";
    if (keeps && origin?.keyState === "set" && keyStatus(entry) === "unset") {
      lost.push(nameOf(entry));
    }
  }
  return lost;
}

/** @param {{provider: string, model: string}} entry */
export function nameOf({ provider, model }) {
  return [provider.trim(), model.trim()].filter(Boolean).join(" · ");
}

/** @param {string} text */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

// The unsaved state of the form and the request body that saves it. Uses no DOM.

import { AIConfigError } from "./ai-config-error.js";
import { t } from "./ai-config-messages.js";
import { MAX_API_KEY_BYTES } from "./ai-config-seal.js";

/** @typedef {import("./ai-config-client.js").AIConfig} AIConfig */
/** @typedef {import("./ai-config-client.js").KeyState} KeyState */
/** @typedef {import("./ai-config-client.js").ModelEntry} ModelEntry */

/** In code points, as on the server. */
export const MAX_PROMPT = 32768;
export const MAX_MODELS = 100;

/**
 * `origin` is the saved entry that this one was made from, or null for a new one. `newKey` is the
 * text of the key field; it is sealed when the draft is saved. `newKeyProvider` is the provider
 * that the entry named when the key was typed; empty if it named none. `unshown` are the members
 * that the form does not show; they are sent back unchanged.
 *
 * @typedef {object} DraftEntry
 * @property {string} provider
 * @property {string} type
 * @property {string} model
 * @property {boolean} isPaid
 * @property {ModelEntry | null} origin
 * @property {"keep" | "replace" | "remove"} keyAction
 * @property {string} newKey
 * @property {string} newKeyProvider
 * @property {Partial<ModelEntry>} unshown
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
  const key = /** @type {const} */ ({ keyAction: "keep", newKey: "", newKeyProvider: "" });
  return { ...text, isPaid: false, origin: null, ...key, unshown: {} };
}

/**
 * @param {AIConfig | null} saved null where nothing is stored yet
 * @returns {Draft}
 */
export function draftOf(saved) {
  const models = (saved?.models ?? []).map((origin) => {
    const { provider, type, model, isPaid, apiKeyEncrypted, keyState, ...unshown } = origin;
    return { ...newEntry(), provider, type, model, isPaid, origin, unshown };
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
    typedKey(entry) !== "" ||
    entry.keyAction === "remove"
  );
}

/**
 * @param {DraftEntry} entry
 * @param {ModelEntry | null} other
 */
function isSameModel(entry, other) {
  return (
    entry.provider.trim() === other?.provider &&
    entry.type.trim() === other.type &&
    entry.model.trim() === other.model &&
    entry.unshown.label === other.label
  );
}

/** @param {ModelEntry} entry */
function identity({ provider, type, model, label }) {
  return JSON.stringify([provider, type, model, label]);
}

/**
 * Return what finds an entry of a configuration by the identity of another.
 * @param {AIConfig | null} config
 */
function finder(config) {
  const entries = new Map(config?.models.map((entry) => [identity(entry), entry]));
  return (/** @type {ModelEntry | null} */ entry) => entry && (entries.get(identity(entry)) ?? null);
}

/**
 * Return the typed key, if it is for the provider that the entry names now and its field is shown.
 * @param {DraftEntry} entry
 */
export function typedKey(entry) {
  return showsKeyField(entry) && !isKeyForOther(entry) ? entry.newKey.trim() : "";
}

/**
 * Return whether a key was typed while the entry named another provider than now.
 * @param {DraftEntry} entry
 */
export function isKeyForOther({ newKey, newKeyProvider, provider }) {
  return newKey.trim() !== "" && newKeyProvider !== "" && newKeyProvider !== provider.trim();
}

/** @param {DraftEntry} entry */
export function showsKeyField(entry) {
  const status = keyStatus(entry);
  if (entry.keyAction === "remove") return status === "unset" || status === "moved";
  return status !== "set" || entry.keyAction === "replace";
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
  if (typedKey(entry)) return "seal";
  if (entry.keyAction === "remove" || keyStatus(entry) === "moved") return "remove";
  if (isSameModel(entry, entry.origin)) return "keep";
  return keyStatus(entry) === "unset" ? "remove" : "carry";
}

/** @typedef {{body: AIConfig, keyStates: KeyState[], sealed: boolean}} Submission */

/**
 * Return the request body and, for each entry, the key state after it has been stored.
 *
 * @param {Draft} draft
 * @param {object} given
 * @param {(apiKey: string, provider: string) => Promise<string>} given.seal
 * @param {() => Promise<AIConfig>} given.stored reads the configuration with its stored keys
 * @returns {Promise<Submission>}
 * @throws {AIConfigError} for an API key that is too long
 */
export async function submission(draft, { seal, stored }) {
  rejectLongKeys(draft);
  const operations = draft.models.map(keyOperation);
  const find = finder(operations.includes("carry") ? await stored() : null);
  const models = draft.models.map(async (entry, n) => {
    const { type, model, isPaid, origin, unshown } = entry;
    const provider = entry.provider.trim();
    const plain = { provider, type: type.trim(), model: model.trim(), isPaid, ...unshown };
    switch (operations[n]) {
      case "seal":
        return { ...plain, apiKeyEncrypted: await seal(typedKey(entry), provider) };
      case "remove":
        return { ...plain, apiKeyEncrypted: null };
      case "carry": {
        return { ...plain, apiKeyEncrypted: find(origin)?.apiKeyEncrypted ?? null };
      }
      default:
        return plain;
    }
  });
  const keyStates = draft.models.map((entry, n) => {
    if (operations[n] === "seal") return "set";
    return operations[n] === "remove" ? "unset" : (entry.origin?.keyState ?? "unset");
  });
  const body = { models: await Promise.all(models), system_prompt: draft.prompt };
  return { body, keyStates, sealed: operations.includes("seal") };
}

/** @param {Draft} draft */
function rejectLongKeys(draft) {
  const errors = draft.models.flatMap((entry, n) => {
    if (new TextEncoder().encode(typedKey(entry)).length <= MAX_API_KEY_BYTES) return [];
    const detail = t.keyTooLong(MAX_API_KEY_BYTES);
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
  const find = finder(saved);
  for (const entry of draft.models) {
    const before = keyOperation(entry);
    const { origin } = entry;
    entry.origin = find(origin);
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

/**
 * Return whether the stored configuration is the one that was sent, as far as a client can tell.
 *
 * @param {AIConfig | null} stored with the states of its keys
 * @param {Submission} sent
 */
export function isStored(stored, { body, keyStates }) {
  return (
    stored?.system_prompt === body.system_prompt &&
    stored.models.length === body.models.length &&
    stored.models.every(
      (entry, n) =>
        entry.keyState === keyStates[n] && canonical(entry) === canonical(body.models[n]),
    )
  );
}

/** @param {ModelEntry} entry */
function canonical({ keyState, apiKeyEncrypted, options = {}, ...members }) {
  const sorted = (/** @type {object} */ value) => Object.entries(value).sort();
  return JSON.stringify([sorted(members), sorted(options)]);
}

// The unsaved state of the form. Uses no DOM.

import { identity, keyOperation, keyStatus, typedKey } from "./ai-config-key.js";
import { formatOptions, parseOptions } from "./ai-config-options.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").ModelEntry} ModelEntry */
/** @typedef {import("./ai-config-types.d.ts").OptionValue} OptionValue */

/** In code points, as on the server. */
export const MAX_PROMPT = 32768;
export const MAX_MODELS = 100;

/** @returns {DraftEntry} */
export function newEntry() {
  const text = { provider: "", type: "chat", model: "", label: "", baseUrl: "", options: "" };
  const key = { keyAction: /** @type {const} */ ("keep"), newKey: "", newKeyFor: "", keyFrom: null };
  return { ...text, isPaid: false, enabled: true, origin: null, ...key };
}

/**
 * @param {ModelEntry} origin
 * @returns {DraftEntry}
 */
export function entryOf(origin) {
  const { provider, type, model, label = "", isPaid, enabled = true, baseUrl = "" } = origin;
  const options = formatOptions(origin.options);
  return { ...newEntry(), provider, type, model, label, isPaid, enabled, baseUrl, options, origin };
}

/**
 * @param {AIConfig | null} saved null where nothing is stored yet
 * @returns {Draft}
 */
export function draftOf(saved) {
  return { models: (saved?.models ?? []).map(entryOf), prompt: saved?.system_prompt ?? "" };
}

/**
 * Return what the request body says of an entry, without its key. Members that are absent from the
 * saved entry stay absent.
 *
 * @param {DraftEntry} entry
 * @returns {ModelEntry}
 */
export function membersOf(entry) {
  const { isPaid, enabled, origin } = entry;
  const options = parseOptions(entry.options);
  const isAbsent = options && !origin?.options && !Object.keys(options).length;
  return {
    provider: entry.provider.trim(),
    type: entry.type.trim(),
    model: entry.model.trim(),
    isPaid,
    label: entry.label.trim() || undefined,
    enabled: enabled && origin?.enabled === undefined ? undefined : enabled,
    baseUrl: entry.baseUrl.trim() || undefined,
    options: isAbsent ? undefined : /** @type {Record<string, OptionValue>} */ (options),
  };
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
export function isEdited(entry) {
  const { origin } = entry;
  return (
    !origin ||
    canonical(membersOf(entry)) !== canonical(origin) ||
    typedKey(entry) !== "" ||
    entry.keyAction === "remove" ||
    keyStatus(entry) === "copied"
  );
}

/**
 * Return what finds an entry of a configuration by the identity of another.
 * @param {AIConfig | null} config
 */
export function finder(config) {
  const entries = new Map(config?.models.map((entry) => [identity(entry), entry]));
  return (/** @type {ModelEntry | null} */ entry) => entry && (entries.get(identity(entry)) ?? null);
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
    const relied = reliesOnKey(entry);
    entry.origin = find(entry.origin);
    if (!entry.keyFrom?.apiKeyEncrypted) entry.keyFrom = find(entry.keyFrom);
    if (relied && keyStatus(entry) === "unset") lost.push(nameOf(entry));
  }
  return lost;
}

/**
 * Return whether saving an entry keeps a stored key.
 * @param {DraftEntry} entry
 */
export function reliesOnKey(entry) {
  return keyStatus(entry) !== "unset" && /keep|carry/.test(keyOperation(entry));
}

/** @param {{provider: string, model: string, label?: string}} entry */
export function nameOf({ provider, model, label = "" }) {
  return [provider, model, label].map((name) => name.trim()).filter(Boolean).join(" · ");
}

/** @param {string} text */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** @param {ModelEntry} entry */
export function canonical({ keyState, keyUse, offered, apiKeyEncrypted, options, ...members }) {
  const sorted = (/** @type {object} */ value) =>
    Object.entries(value).filter(([, member]) => member !== undefined).sort();
  return JSON.stringify([sorted(members), options === undefined || (options && sorted(options))]);
}

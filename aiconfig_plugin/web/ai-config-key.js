// The rules of an entry's key: what is shown of it, and what saving does to it. Uses no DOM.

/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").Identity} Identity */
/** @typedef {import("./ai-config-types.d.ts").KeyOperation} KeyOperation */
/** @typedef {import("./ai-config-types.d.ts").KeyStatus} KeyStatus */

/** @param {Identity} entry */
export function identity({ provider, type, model, label }) {
  return JSON.stringify([provider, type, model, label].map((name) => name?.trim() || undefined));
}

/**
 * Return what a stored key is bound to: the provider, and the origin of the endpoint if there is one.
 * @param {{provider: string, baseUrl?: string}} entry
 */
export function destinationOf({ provider, baseUrl = "" }) {
  const url = baseUrl.trim();
  const host = URL.canParse(url) ? new URL(url).origin : url;
  return [provider.trim(), host].filter(Boolean).join("\n");
}

/**
 * Return the typed key, if it is for the entry's present destination and its field is shown.
 * @param {DraftEntry} entry
 */
export function typedKey(entry) {
  return showsKeyField(entry) && !isKeyForOther(entry) ? entry.newKey.trim() : "";
}

/**
 * Return whether a key was typed while the entry had another destination than now.
 * @param {DraftEntry} entry
 */
export function isKeyForOther(entry) {
  const { newKey, newKeyFor } = entry;
  return newKey.trim() !== "" && newKeyFor !== "" && newKeyFor !== destinationOf(entry);
}

/** @param {DraftEntry} entry */
export function showsKeyField(entry) {
  const status = keyStatus(entry);
  if (status === "copied") return false;
  if (entry.keyAction === "remove") return status === "unset" || status === "moved";
  return status !== "set" || entry.keyAction === "replace";
}

/**
 * @param {DraftEntry} entry
 * @returns {KeyStatus}
 */
export function keyStatus(entry) {
  const { origin, keyFrom } = entry;
  const destination = destinationOf(entry);
  if (keyFrom && destinationOf(keyFrom) === destination) return "copied";
  const state = origin?.keyState ?? "unset";
  return origin && state !== "unset" && destinationOf(origin) !== destination ? "moved" : state;
}

/**
 * @param {DraftEntry} entry
 * @returns {KeyOperation}
 */
export function keyOperation(entry) {
  const status = keyStatus(entry);
  if (typedKey(entry)) return "seal";
  if (status === "copied") return "carry";
  if (entry.keyAction === "remove") return "remove";
  if (status === "moved") return "ask";
  if (entry.origin && identity(entry) === identity(entry.origin)) return "keep";
  return status === "unset" ? "remove" : "carry";
}

/**
 * Return the entries whose key another one could have, by the destination of the key.
 * @param {DraftEntry[]} models
 */
export function keySources(models) {
  /** @type {Map<string, DraftEntry[]>} */
  const sources = new Map();
  for (const entry of models) {
    const hasKey = typedKey(entry) || (keyStatus(entry) === "set" && entry.keyAction === "keep");
    const destination = destinationOf(entry);
    if (hasKey) sources.set(destination, [...(sources.get(destination) ?? []), entry].slice(0, 4));
  }
  return sources;
}

// Settings as a file, without keys: what is written, and what reading it changes. Uses no DOM.

import { MAX_MODELS, canonical, draftOf, membersOf, nameOf } from "./ai-config-draft.js";
import { isObject } from "./ai-config-error.js";
import { identity } from "./ai-config-key.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").ModelEntry} ModelEntry */

/**
 * What reading a file changes; names of entries.
 * @typedef {{added: string[], removed: string[], changed: string[], order: boolean, prompt: boolean}} Changes
 */

/** By the members of an entry, what `typeof` says of their values. */
const TYPES = {
  provider: "string",
  type: "string",
  model: "string",
  isPaid: "boolean",
  label: "string",
  enabled: "boolean",
  baseUrl: "string",
  options: "object",
};
const REQUIRED = ["provider", "type", "model", "isPaid"];

/** @param {Draft} draft */
export function writeFile({ models, prompt }) {
  const entries = models.map((entry) => {
    const { options, ...members } = membersOf(entry);
    return { ...members, options: options ?? undefined };
  });
  return `${JSON.stringify({ models: entries, system_prompt: prompt }, null, 2)}\n`;
}

/**
 * @param {string} text
 * @returns {AIConfig | null} null if these are no settings
 */
export function readFile(text) {
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(given) || typeof given.system_prompt !== "string") return null;
  if (!Array.isArray(given.models) || given.models.length > MAX_MODELS) return null;
  const models = given.models.map(readEntry);
  if (models.includes(null) || new Set(models.map(identityOf)).size < models.length) return null;
  return { models: /** @type {ModelEntry[]} */ (models), system_prompt: given.system_prompt };
}

/**
 * @param {unknown} given
 * @returns {ModelEntry | null}
 */
function readEntry(given) {
  if (!isObject(given) || !REQUIRED.every((name) => Object.hasOwn(given, name))) return null;
  const members = Object.entries(TYPES).filter(([name]) => Object.hasOwn(given, name));
  if (members.some(([name, type]) => typeof given[name] !== type || given[name] === null)) return null;
  const entry = Object.fromEntries(members.map(([name]) => [name, given[name]]));
  return /** @type {any} */ (entry);
}

/** @param {ModelEntry | null} entry */
function identityOf(entry) {
  return entry && identity(entry);
}

/**
 * Return a draft with the settings of a file. Entries that are in both keep their keys.
 *
 * @param {Draft} draft
 * @param {AIConfig} file
 * @returns {{draft: Draft, changes: Changes}}
 */
export function applyFile(draft, file) {
  const present = new Map(draft.models.map((entry) => [identity(entry), entry]));
  const { models, prompt } = draftOf(file);
  const applied = models.map((entry) => {
    const { origin, keyAction, newKey, newKeyFor, keyFrom, ...members } = entry;
    const before = present.get(identity(entry));
    return before ? { ...before, ...members } : { ...entry, origin: null };
  });
  const names = new Set(applied.map(identity));
  const isChanged = (/** @type {DraftEntry} */ entry) => {
    const before = present.get(identity(entry));
    return before && canonical(membersOf(before)) !== canonical(membersOf(entry));
  };
  const kept = (/** @type {DraftEntry[]} */ entries) =>
    entries.map(identity).filter((name) => names.has(name) && present.has(name)).join();
  const changes = {
    added: applied.filter((entry) => !present.has(identity(entry))).map(nameOf),
    removed: draft.models.filter((entry) => !names.has(identity(entry))).map(nameOf),
    changed: applied.filter(isChanged).map(nameOf),
    order: kept(applied) !== kept(draft.models),
    prompt: prompt !== draft.prompt,
  };
  return { draft: { models: applied, prompt }, changes };
}

// Put together changes that were made here and elsewhere, field by field. Uses no DOM.

import {
  canonical, draftOf, entryOf, finder, isEdited, membersOf, nameOf, rebase, reliesOnKey,
} from "./ai-config-draft.js";
import { identity, keyStatus, typedKey } from "./ai-config-key.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-types.d.ts").Clash} Clash */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").Merged} Merged */
/** @typedef {import("./ai-config-types.d.ts").ModelEntry} ModelEntry */
/** @typedef {import("./ai-config-types.d.ts").Side} Side */

const FIELDS = /** @type {const} */ (["isPaid", "enabled", "baseUrl", "options"]);

/**
 * Merge a draft that was made from `base` with what was saved elsewhere since. The draft that is
 * returned is one of `theirs`; the one that was given is not changed.
 *
 * @param {AIConfig | null} base
 * @param {Draft} mine
 * @param {AIConfig | null} theirs
 * @param {Record<string, Side>} [choices] by the id of a clash; mine where there is none
 * @returns {Merged}
 */
export function merge(base, mine, theirs, choices = {}) {
  const models = mine.models.map((entry) => ({ ...entry }));
  if (theirs || !base) return new Merge(base, theirs, choices).run({ ...mine, models });
  // All settings were deleted elsewhere.
  const kept = { ...mine, models };
  const lost = rebase(kept, null);
  const clashes = /** @type {Clash[]} */ ([{ id: "all", field: "all", mine, theirs: null }]);
  if (choices.all === "theirs") return { draft: draftOf(null), clashes, lost: [] };
  return { draft: kept, clashes, lost };
}

class Merge {
  #base;
  #theirs;
  #choices;
  #prompts;
  #inBase;
  #inTheirs;
  /** By what an entry is called in the order: its name before it was changed. */
  #names = new Map();
  /** @type {Clash[]} */
  #clashes = [];
  /** @type {string[]} */
  #lost = [];

  /**
   * @param {AIConfig | null} base
   * @param {AIConfig | null} theirs
   * @param {Record<string, Side>} choices
   */
  constructor(base, theirs, choices) {
    this.#base = base?.models ?? [];
    this.#theirs = theirs?.models ?? [];
    this.#choices = choices;
    this.#inBase = finder(base);
    this.#inTheirs = finder(theirs);
    this.#prompts = [base, theirs].map((config) => config?.system_prompt ?? "");
  }

  /** @param {Draft} mine a copy */
  run({ models, prompt }) {
    const ours = models.map((entry) => identity(entry.origin ?? entry));
    models.forEach((entry, n) => this.#names.set(entry, ours[n]));
    const merged = models.flatMap((entry) => this.#entry(entry));
    const present = new Set([...ours, ...merged.map(identity)]);
    for (const entry of this.#theirs) {
      if (!present.has(identity(entry))) merged.push(...this.#added(entry));
    }
    const order = this.#order(models, ours);
    const placeOf = (/** @type {DraftEntry} */ entry) =>
      order.indexOf(this.#names.get(entry) ?? identity(entry));
    merged.sort((a, b) => placeOf(a) - placeOf(b));
    const draft = { models: merged, prompt: this.#prompt(prompt) };
    return { draft, clashes: this.#clashes, lost: this.#lost };
  }

  /**
   * @param {DraftEntry} entry
   * @returns {DraftEntry[]} none if it is gone
   */
  #entry(entry) {
    const before = entry.origin;
    const after = this.#inTheirs(before);
    const relies = reliesOnKey(entry) && (!after || keyStatus(entry) === "copied");
    if (before && !after && !isEdited(entry)) return [];
    entry.origin = after;
    if (!entry.keyFrom?.apiKeyEncrypted) entry.keyFrom = this.#inTheirs(entry.keyFrom);
    if (before && after) this.#fields(entry, entryOf(before), entryOf(after));
    const isKept = after || !before || this.#clash("entry", entry, null, entry) === "mine";
    if (!isKept) return [];
    if (relies && keyStatus(entry) === "unset") this.#lost.push(nameOf(entry));
    return this.#renamed(entry);
  }

  /**
   * Decide about an entry that got a name here which another one got elsewhere.
   * @param {DraftEntry} entry
   */
  #renamed(entry) {
    const other = this.#inTheirs(membersOf(entry));
    if (!other || other === entry.origin || this.#inBase(other)) return [entry];
    const { origin } = entry;
    if (!origin) entry.origin = other;
    if (!origin && !isEdited(entry)) return [entry];
    const theirs = entryOf(other);
    if (this.#clash("entry", entry, theirs, entry) === "mine") return [entry];
    return origin ? [entryOf(origin), theirs] : [theirs];
  }

  /**
   * Take an entry that is not here: it was added elsewhere, or removed here.
   * @param {ModelEntry} after
   */
  #added(after) {
    const before = this.#inBase(after);
    const entry = entryOf(after);
    if (!before) return [entry];
    const isSame = before.keyState === after.keyState && canonical(before) === canonical(after);
    return !isSame && this.#clash("entry", null, entry, entry) === "theirs" ? [entry] : [];
  }

  /**
   * @param {DraftEntry} entry
   * @param {DraftEntry} before
   * @param {DraftEntry} after
   */
  #fields(entry, before, after) {
    for (const field of FIELDS) {
      const [mine, old, theirs] = [entry[field], before[field], after[field]];
      const isTheirs =
        mine === old ||
        (theirs !== old && theirs !== mine && this.#clash(field, mine, theirs, entry) === "theirs");
      if (isTheirs) Object.assign(entry, { [field]: theirs });
    }
    const change = keyChange(entry);
    const [old, state] = [before, after].map(({ origin }) => origin?.keyState);
    if (!change || state === old) return;
    const isAgreed = change === "removing" && state === "unset";
    if (isAgreed || this.#clash("key", change, state, entry) === "theirs") {
      Object.assign(entry, { keyAction: "keep", newKey: "", newKeyFor: "", keyFrom: null });
    }
  }

  /** @param {string} mine */
  #prompt(mine) {
    const [old, theirs] = this.#prompts;
    if (mine === old || mine === theirs) return theirs;
    return theirs === old || this.#clash("prompt", mine, theirs) === "mine" ? mine : theirs;
  }

  /**
   * Return all names in the order of the side that has changed it.
   *
   * @param {DraftEntry[]} models
   * @param {string[]} ours
   */
  #order(models, ours) {
    const [old, theirs] = [this.#base, this.#theirs].map((entries) => entries.map(identity));
    const inAll = old.filter((name) => ours.includes(name) && theirs.includes(name));
    const common = (/** @type {string[]} */ names) =>
      JSON.stringify(names.filter((name) => inAll.includes(name)));
    const [a, b, c] = [ours, theirs, old].map(common);
    const isClash = a !== b && a !== c && b !== c;
    const isTheirs = isClash
      ? this.#clash("order", models.map(nameOf), this.#theirs.map(nameOf)) === "theirs"
      : a === c;
    return isTheirs ? arrange(theirs, ours) : arrange(ours, theirs);
  }

  /**
   * Record two changes of the same thing, and return whose is to be used.
   *
   * @param {Clash["field"]} field
   * @param {unknown} mine
   * @param {unknown} theirs
   * @param {DraftEntry} [entry]
   * @returns {Side}
   */
  #clash(field, mine, theirs, entry) {
    const id = JSON.stringify([field, entry && identity(entry)]);
    this.#clashes.push(/** @type {Clash} */ ({ id, field, entry, mine, theirs }));
    return this.#choices[id] ?? "mine";
  }
}

/**
 * Return all names, in the order of the first list; what only the second has comes after what it
 * comes after there.
 *
 * @param {string[]} first
 * @param {string[]} second
 */
function arrange(first, second) {
  const order = [...first];
  let at = 0;
  for (const name of second) {
    if (first.includes(name)) at = order.indexOf(name) + 1;
    else order.splice(at++, 0, name);
  }
  return order;
}

/**
 * What was done here to the key of an entry.
 * @param {DraftEntry} entry
 */
function keyChange(entry) {
  if (typedKey(entry)) return "new";
  if (keyStatus(entry) === "copied") return "copied";
  return entry.keyAction === "remove" ? "removing" : "";
}

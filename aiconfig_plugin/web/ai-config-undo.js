// What was removed can be had back: until it is saved, and for some seconds after.

import { entryOf, finder } from "./ai-config-draft.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */

/** In milliseconds. */
const GRACE = 10_000;

/**
 * `before` is what the entry said of its key; `isSaved`: what is stored has it no more.
 *
 * @typedef {object} Removed
 * @property {DraftEntry} entry
 * @property {number} at
 * @property {Partial<DraftEntry>} before
 * @property {string} text
 * @property {boolean} [isSaved]
 */

export class Undo {
  #view;
  #restore;
  /** The latest last. @type {Removed[]} */
  #removed = [];
  #timer = 0;

  /**
   * @param {import("./ai-config-view.js").SettingsView} view
   * @param {(removed: Removed) => void} restore
   */
  constructor(view, restore) {
    this.#view = view;
    this.#restore = restore;
  }

  /** @param {Removed} removed */
  add(removed) {
    if (this.#timer) this.clear();
    this.#removed.push(removed);
    this.#view.announce(removed.text);
    this.#show();
  }

  /** What was removed of an entry is back. @param {DraftEntry} entry */
  forget(entry) {
    this.#removed = this.#removed.filter((removed) => removed.entry !== entry);
    this.#show();
  }

  clear() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#removed = [];
    this.#show();
  }

  /** Whether stored keys have to be read before they are gone. */
  get needsKeys() {
    return this.#removed.some(({ entry, isSaved }) => !isSaved && entry.origin?.keyState === "set");
  }

  /** @param {AIConfig | null} before what was stored, with its keys */
  saved(before) {
    if (!this.#removed.length || this.#timer) return;
    const find = finder(before);
    this.#removed = this.#removed.map((removed) => {
      const { origin } = removed.entry;
      const keyFrom = find(origin)?.apiKeyEncrypted ? find(origin) : null;
      const entry = origin ? { ...entryOf(origin), origin: null, keyFrom } : removed.entry;
      return { ...removed, entry, isSaved: true };
    });
    this.#timer = setTimeout(() => this.clear(), GRACE);
  }

  #show() {
    this.#view.showUndo(this.#removed.at(-1)?.text ?? "", () => {
      const last = this.#removed.pop();
      this.#show();
      if (last) this.#restore(last);
    });
  }
}

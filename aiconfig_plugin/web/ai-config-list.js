// The ordered list of entries: add, move and remove, with focus management.

import { MAX_MODELS, nameOf, newEntry } from "./ai-config-draft.js";
import { EntryView } from "./ai-config-entry.js";
import { t } from "./ai-config-messages.js";

/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-view.js").SettingsView} SettingsView */

export class EntryList {
  #view;
  #changed;
  /** The draft's array, modified in place. @type {DraftEntry[]} */
  #models = [];
  /** @type {Map<DraftEntry, EntryView>} */
  #views = new Map();

  /**
   * @param {SettingsView} view
   * @param {() => void} changed
   */
  constructor(view, changed) {
    this.#view = view;
    this.#changed = changed;
  }

  /** @param {DraftEntry[]} models */
  show(models) {
    this.#models = models;
    this.#views = new Map(models.map((entry) => [entry, this.#makeView(entry)]));
    this.#place();
  }

  add() {
    const entry = newEntry();
    this.#models.push(entry);
    this.#views.set(entry, this.#makeView(entry));
    this.#place();
    this.#changed();
    this.#viewOf(entry).fields.provider.control.focus();
  }

  get isFull() {
    return this.#models.length >= MAX_MODELS;
  }

  clearErrors() {
    for (const view of this.#views.values()) {
      for (const field of Object.values(view.fields)) field.setError("");
    }
  }

  /**
   * Return the field of an entry's member, made visible; undefined if there is none.
   *
   * @param {number} index
   * @param {string} member
   */
  fieldAt(index, member) {
    const entry = this.#models[index];
    return entry && this.#viewOf(entry).reveal(member);
  }

  /** @param {DraftEntry} entry */
  #makeView(entry) {
    return new EntryView(entry, {
      changed: this.#changed,
      move: (by) => this.#move(entry, by),
      remove: () => this.#remove(entry),
    });
  }

  #viewOf(/** @type {DraftEntry} */ entry) {
    return /** @type {EntryView} */ (this.#views.get(entry));
  }

  /** Show the entries in their order, with their numbers. */
  #place() {
    this.#models.forEach((entry, n) => this.#viewOf(entry).place(n, this.#models.length));
    this.#view.order(this.#models.map((entry) => this.#viewOf(entry).root));
  }

  /**
   * @param {DraftEntry} entry
   * @param {-1 | 1} by
   */
  #move(entry, by) {
    const to = this.#models.indexOf(entry) + by;
    this.#models.splice(to, 0, ...this.#models.splice(to - by, 1));
    this.#place();
    this.#changed();
    const { up, down } = this.#viewOf(entry);
    const [pressed, other] = by < 0 ? [up, down] : [down, up];
    (pressed.disabled ? other : pressed).focus();
    const name = nameOf(entry) || t.theModel;
    this.#view.announce(t.moved(name, to + 1, this.#models.length));
  }

  /** @param {DraftEntry} entry */
  #remove(entry) {
    const at = this.#models.indexOf(entry);
    this.#models.splice(at, 1);
    this.#views.delete(entry);
    this.#place();
    this.#changed();
    const next = this.#models[at] ?? this.#models[at - 1];
    (next ? this.#viewOf(next).remove : this.#view.add).focus();
    this.#view.announce(t.removed(nameOf(entry) || t.theModel));
  }
}

// The ordered list of entries: add, copy, move, remove, search; which are open; and the focus.

import { dragEntry } from "./ai-config-drag.js";
import { MAX_MODELS, entryOf, nameOf, newEntry } from "./ai-config-draft.js";
import { EntryView } from "./ai-config-entry.js";
import { destinationOf, identity, keySources, keyStatus } from "./ai-config-key.js";
import { formatNumber, t } from "./ai-config-language.js";
import { Undo } from "./ai-config-undo.js";

/** @typedef {import("./ai-config-types.d.ts").Catalog} Catalog */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").ModelEntry} ModelEntry */
/** @typedef {import("./ai-config-view.js").SettingsView} SettingsView */

/** From how many entries on there is a search field. */
const SEARCH_FROM = 8;

/**
 * @typedef {object} Page
 * @property {() => void} changed
 * @property {(entry: ModelEntry) => Promise<string>} test returns what to say beside the key's use
 * @property {() => boolean} isDirty
 * @property {() => void} save
 */

export class EntryList {
  #view;
  #page;
  /** The draft's array, modified in place. @type {DraftEntry[]} */
  #models = [];
  /** @type {Map<DraftEntry, EntryView>} */
  #views = new Map();
  /** Whose key others could have; null after an edit. @type {Map<string, DraftEntry[]> | null} */
  #sources = null;
  /** What the operator offers. @type {Catalog | null} */
  catalog = null;

  /**
   * @param {SettingsView} view
   * @param {Page} page
   */
  constructor(view, page) {
    this.#view = view;
    this.#page = page;
    this.undo = new Undo(view, (removed) => this.#restore(removed));
    view.search.addEventListener("input", () => this.#filter());
    view.openAll.addEventListener("click", () => this.#openAll());
  }

  /**
   * Show the entries of a draft. What was open stays so, and so does the focus.
   * @param {DraftEntry[]} models
   */
  show(models) {
    const before = new Map([...this.#views].map(([entry, view]) => [identity(entry), view]));
    this.#models = models;
    this.#views = new Map();
    for (const entry of models) {
      const view = before.get(identity(entry)) ?? new EntryView(entry, this);
      before.delete(identity(entry));
      view.show(entry);
      this.#views.set(entry, view);
    }
    this.#place();
  }

  get isFull() {
    return this.#models.length >= MAX_MODELS;
  }

  add() {
    this.#insert(newEntry(), this.#models.length).fields.provider.control.focus();
  }

  /** @param {DraftEntry} source its key goes along */
  duplicate(source) {
    if (this.isFull) return;
    const hasKey = keyStatus(source) === "set" && source.keyAction === "keep";
    const keyFrom = hasKey ? source.origin : source.keyFrom;
    const entry = { ...source, origin: null, keyFrom, keyAction: /** @type {const} */ ("keep") };
    const control = this.#insert(entry, this.#models.indexOf(source) + 1).fields.model.control;
    control.focus();
    control.select();
  }

  /**
   * Make an entry whose provider was changed a new one beside the one that is saved.
   * @param {DraftEntry} entry
   */
  keepOld(entry) {
    const { origin } = entry;
    if (!origin || this.isFull) return;
    Object.assign(entry, { origin: null, keyAction: "keep" });
    const old = entryOf(origin);
    this.#insert(old, this.#models.indexOf(entry), false);
    this.edited(entry);
    this.#viewOf(entry).reveal("apiKeyEncrypted")?.control.focus();
    this.announce(t.added(nameOf(old)));
  }

  /**
   * @param {DraftEntry} entry
   * @param {number} at
   * @param {boolean} [isOpen] the only one
   */
  #insert(entry, at, isOpen = true) {
    this.#models.splice(at, 0, entry);
    const view = new EntryView(entry, this);
    this.#views.set(entry, view);
    this.#view.search.value = "";
    this.#place();
    if (isOpen) this.#openOnly(entry);
    this.#page.changed();
    return view;
  }

  clearErrors() {
    for (const view of this.#views.values()) view.clearErrors();
  }

  /**
   * Return the field of an entry's member, made visible; undefined if there is none.
   *
   * @param {number} index
   * @param {string} member
   */
  fieldAt(index, member) {
    const entry = this.#models[index];
    if (!entry) return;
    if (this.#viewOf(entry).root.hidden) this.#view.search.value = "";
    this.#filter();
    return this.#viewOf(entry).reveal(member);
  }

  /** Show what follows from an edit. @param {DraftEntry} entry */
  edited(entry) {
    this.#sources = null;
    this.#views.get(entry)?.update();
    for (const view of this.#views.values()) view.updateKey();
    this.#page.changed();
  }

  /** @param {string} text */
  announce(text) {
    this.#view.announce(text);
  }

  /** Return the entries whose key this one could have. @param {DraftEntry} entry */
  keySources(entry) {
    this.#sources ??= keySources(this.#models);
    const sources = entry.provider.trim() ? this.#sources.get(destinationOf(entry)) : [];
    return (sources ?? []).filter((other) => other !== entry).slice(0, 3);
  }

  /** Whether what is stored is the entry as it is named now. @param {DraftEntry} entry */
  isSaved(entry) {
    return entry.origin !== null && identity(entry) === identity(entry.origin);
  }

  /** @param {DraftEntry} entry */
  async test({ origin }) {
    return origin ? this.#page.test(origin) : "";
  }

  /** @param {DraftEntry} entry */
  toggle(entry) {
    const view = this.#viewOf(entry);
    const open = [...this.#views.values()].filter((other) => other.isOpen);
    // Who has opened several wants to see them side by side.
    if (view.isOpen || open.length > 1) view.open(!view.isOpen);
    else this.#openOnly(entry);
    this.#showOpenAll();
    if (view.isOpen) view.root.scrollIntoView({ block: "nearest" });
  }

  /** @param {DraftEntry} entry */
  #openOnly(entry) {
    for (const [other, view] of this.#views) {
      if (view.isOpen !== (other === entry)) view.open(other === entry);
    }
    this.#showOpenAll();
  }

  get #isAllOpen() {
    return [...this.#views.values()].every((view) => view.isOpen);
  }

  #openAll() {
    const isOpen = !this.#isAllOpen;
    for (const view of this.#views.values()) view.open(isOpen);
    this.#showOpenAll();
  }

  #showOpenAll() {
    this.#view.openAll.hidden = this.#models.length < 2;
    this.#view.openAll.textContent = this.#isAllOpen ? t.closeAll : t.openAll;
  }

  #viewOf(/** @type {DraftEntry} */ entry) {
    return /** @type {EntryView} */ (this.#views.get(entry));
  }

  /** Show the entries in their order, with their numbers. */
  #place() {
    this.#sources = null;
    this.#models.forEach((entry, n) => this.#viewOf(entry).place(n, this.#models.length));
    this.#view.order(this.#models.map((entry) => this.#viewOf(entry).root));
    this.#view.search.closest("div")?.toggleAttribute("hidden", this.#models.length < SEARCH_FROM);
    this.#showOpenAll();
    this.#filter();
  }

  #filter() {
    const { search } = this.#view;
    const words = search.value.toLowerCase().split(" ").filter(Boolean);
    let found = 0;
    for (const [entry, { root }] of this.#views) {
      const text = `${nameOf(entry)} ${entry.type}`.toLowerCase();
      root.hidden = !words.every((word) => text.includes(word));
      if (!root.hidden) found += 1;
    }
    const total = this.#models.length;
    if (words.length) this.announce(t.found(formatNumber(found), formatNumber(total)));
  }

  /**
   * @param {DraftEntry} entry
   * @param {number} to
   */
  move(entry, to) {
    this.#put(entry, Math.min(Math.max(to, 0), this.#models.length - 1));
    this.#page.changed();
    const place = this.#models.indexOf(entry) + 1;
    this.announce(t.moved(nameOf(entry) || t.theModel, place, this.#models.length));
  }

  /** @param {DraftEntry} entry @param {number} to */
  #put(entry, to) {
    this.#models.splice(to, 0, ...this.#models.splice(this.#models.indexOf(entry), 1));
    this.#place();
  }

  /**
   * @param {DraftEntry} entry
   * @param {PointerEvent} event
   */
  drag(entry, event) {
    const { root, grip } = this.#viewOf(entry);
    const others = () =>
      this.#models.filter((one) => one !== entry).map((one) => this.#viewOf(one).root);
    const from = this.#models.indexOf(entry);
    dragEntry(event, root, {
      others,
      put: (to) => to !== this.#models.indexOf(entry) && this.#put(entry, to),
      end: (isCancelled) => {
        if (isCancelled) this.#put(entry, from);
        this.move(entry, this.#models.indexOf(entry));
        grip.focus();
      },
    });
  }

  /** @param {DraftEntry} entry */
  remove(entry) {
    const at = this.#models.indexOf(entry);
    this.remember(entry, t.removed);
    this.#models.splice(at, 1);
    this.#views.delete(entry);
    this.#place();
    this.#page.changed();
    const next = this.#models[at] ?? this.#models[at - 1];
    (next ? this.#viewOf(next).toggle : this.#view.add).focus();
  }

  /**
   * What is about to be removed of an entry, or all of it, can be had back.
   *
   * @param {DraftEntry} entry
   * @param {(name: string) => string} describe
   */
  remember(entry, describe) {
    const { keyAction, newKey } = entry;
    const text = describe(nameOf(entry) || t.theModel);
    this.undo.add({ entry, at: this.#models.indexOf(entry), before: { keyAction, newKey }, text });
  }

  /** @param {import("./ai-config-undo.js").Removed} removed */
  #restore({ entry, at, before, isSaved }) {
    const wasDirty = this.#page.isDirty();
    const same = (/** @type {DraftEntry} */ other) => identity(other) === identity(entry);
    const present = isSaved ? this.#models.find(same) : this.#views.has(entry) && entry;
    if (!isSaved) Object.assign(entry, before);
    if (present) present.keyFrom = entry.keyFrom;
    else this.#insert(entry, Math.min(at, this.#models.length), false);
    this.edited(present || entry);
    this.#viewOf(present || entry).toggle.focus();
    if (isSaved && !wasDirty) this.#page.save();
  }
}

// The key of an entry: what is known of it, its field, and what can be done with it.

import { Field, button, h, isolate } from "./ai-config-dom.js";
import { nameOf } from "./ai-config-draft.js";
import { destinationOf, isKeyForOther, keyStatus, showsKeyField, typedKey } from "./ai-config-key.js";
import { formatAgo, t } from "./ai-config-language.js";
import { sharedKey } from "./ai-config-offer.js";
import { SecretField } from "./ai-config-secret.js";

/** @typedef {import("./ai-config-list.js").EntryList} EntryList */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").KeyStatus} KeyStatus */
/** @typedef {import("./ai-config-types.d.ts").KeyUse} KeyUse */
/** A text, a name for screen readers, what is done. @typedef {[string, ((name: string) => string) | null, () => void]} Action */

/**
 * Return which state of the key is shown.
 *
 * @param {DraftEntry} entry
 * @returns {KeyStatus | "removing"}
 */
export function keyBadge(entry) {
  const status = keyStatus(entry);
  if (typedKey(entry)) return "copied";
  const isStored = status !== "unset" && status !== "copied";
  return isStored && entry.keyAction === "remove" ? "removing" : status;
}

/**
 * Say in words what is known of the use of a stored key.
 * @param {DraftEntry} entry
 */
export function keyUseText(entry) {
  const isKept = keyStatus(entry) === "set" && entry.keyAction === "keep";
  return isKept && entry.origin?.keyUse ? describeUse(entry.origin.keyUse) : "";
}

/** @param {KeyUse} use */
function describeUse({ lastUsedAt, lastResult, lastResultAt }) {
  if (!lastResult) return lastUsedAt ? t.keyUsed(formatAgo(lastUsedAt)) : t.keyNotUsed;
  const result = lastResultAt ?? "";
  if (lastResult !== "accepted") return t.keyRefused[lastResult](formatAgo(result));
  // A use and what the provider says of it are some seconds apart.
  const isUsed = lastUsedAt && Date.parse(result) - Date.parse(lastUsedAt) < 60_000;
  return isUsed ? t.keyWorksUsed(formatAgo(lastUsedAt)) : t.keyWorksTested(formatAgo(result));
}

export class KeyView {
  #entry;
  #list;
  #text;
  #secret = new SecretField();
  #actions = h("div", { class: "key-actions" });
  #shown = "";
  /** What a test has said that is not part of the use of the key. */
  #result = "";

  /**
   * @param {DraftEntry} entry
   * @param {EntryList} list
   * @param {string} id
   * @param {string} badge the id of what shows the state
   */
  constructor(entry, list, id, badge) {
    this.#entry = entry;
    this.#list = list;
    this.#text = h("p", { class: "key-text", id: `${id}-key-text` });
    const { control, toggle, note } = this.#secret;
    control.addEventListener("input", () => {
      this.#entry.newKey = control.value;
      this.#adopt();
    });
    const describedBy = [badge, this.#text.id];
    this.field = new Field({ id: `${id}-key`, label: t.key, control, class: "key", describedBy });
    const row = h("div", { class: "key-row" });
    control.replaceWith(row);
    row.append(this.#text, control, toggle, this.#actions);
    row.after(note);
    this.update();
  }

  /** @param {DraftEntry} entry what is shown from now on */
  show(entry) {
    this.#entry = entry;
    this.#result = "";
    this.update();
  }

  /** Show the field. */
  reveal() {
    if (this.field.control.hidden) this.#act({ keyAction: "replace", newKey: "", keyFrom: null });
  }

  /** The typed key is for what the entry names now. */
  #adopt() {
    const entry = this.#entry;
    entry.newKeyFor = entry.provider.trim() && destinationOf(entry);
    this.#list.edited(entry);
  }

  /** @param {Partial<DraftEntry>} change */
  #act(change) {
    if (change.keyAction !== "remove") this.#list.undo.forget(this.#entry);
    Object.assign(this.#entry, change);
    this.field.setError("");
    this.#list.edited(this.#entry);
    const { control } = this.field;
    (control.hidden ? this.#actions.querySelector("button") : control)?.focus();
  }

  #remove() {
    this.#list.remember(this.#entry, t.keyRemovedOf);
    this.#act({ keyAction: "remove", newKey: "" });
  }

  async #test() {
    if (this.#result === t.testing) return;
    this.#result = t.testing;
    this.update();
    const entry = this.#entry;
    const said = await this.#list.test(entry);
    if (entry !== this.#entry) return;
    this.#result = said;
    this.#list.edited(entry);
    this.#list.announce(`${nameOf(entry)}: ${said || keyUseText(entry)}`);
  }

  /** Show what has changed. */
  update() {
    const entry = this.#entry;
    const { control, root } = this.field;
    const typed = isKeyForOther(entry) ? "" : entry.newKey;
    control.hidden = !showsKeyField(entry);
    this.#secret.update(typed, entry.provider);
    const text = [keyText(entry, this.#list.catalog), this.#result || keyUseText(entry)];
    const actions = this.#offered();
    const names = actions.map(([name]) => name);
    const shown = JSON.stringify([text, names, showsKeyField(entry), nameOf(entry)]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const status = keyStatus(entry);
    root.dataset.status = status;
    this.#text.textContent = text.filter(Boolean).join(" ");
    this.#text.hidden = !this.#text.textContent;
    control.placeholder = status === "unset" ? t.keyOptional : t.keyEnter;
    const buttons = actions.map(([name, long, run]) => {
      const made = button(name, run, "quiet");
      if (long) made.setAttribute("aria-label", long(nameOf(entry)));
      return made;
    });
    const held = this.#actions.querySelector(":focus")?.textContent;
    this.#actions.replaceChildren(...buttons);
    buttons.find(({ textContent }) => textContent === held)?.focus();
    this.#actions.hidden = !actions.length;
  }

  /** @returns {Action[]} */
  #offered() {
    const entry = this.#entry;
    const status = keyStatus(entry);
    const isRemoved = entry.keyAction === "remove";
    /** @type {Action[]} */
    const actions = [];
    const cancel = () => this.#act({ keyAction: "keep", newKey: "", keyFrom: null });
    if (status === "copied") return [[t.cancel, t.cancelCopyOf, cancel]];
    if (isRemoved && (status === "set" || status === "unreadable")) {
      return [[t.keepKey, t.keepKeyOf, cancel]];
    }
    if (status === "set" && showsKeyField(entry)) actions.push([t.cancel, t.cancelKeyOf, cancel]);
    if (isKeyForOther(entry) && showsKeyField(entry)) {
      actions.push([t.useKey, t.useKeyFor, () => this.#take(entry)]);
    }
    if (showsKeyField(entry) && !typedKey(entry)) {
      for (const source of this.#list.keySources(entry)) {
        actions.push([t.useKeyOf(nameOf(source)), null, () => this.#take(source)]);
      }
    }
    if (status === "moved" && !typedKey(entry)) {
      const { origin } = entry;
      if (origin) actions.push([t.keepOld(nameOf(origin)), null, () => this.#list.keepOld(entry)]);
      if (!isRemoved) actions.push([t.dropKey, t.dropKeyOf, () => this.#remove()]);
    }
    if (status === "set" && !showsKeyField(entry)) {
      const replace = () => this.#act({ keyAction: "replace" });
      if (this.#list.isSaved(entry)) actions.push([t.test, t.testKeyOf, () => this.#test()]);
      actions.push([t.replaceKey, t.replaceKeyOf, replace]);
    }
    if (/set|unreadable/.test(status) && status !== "unset" && !entry.newKey) {
      actions.push([t.removeKey, t.removeKeyOf, () => this.#remove()]);
    }
    return actions;
  }

  /** Take the key of another entry, or the one that was typed for another destination. @param {DraftEntry} source */
  #take(source) {
    const entry = this.#entry;
    const { newKey, origin } = source;
    if (newKey.trim()) {
      Object.assign(entry, { keyAction: "replace", newKey });
      this.#adopt();
      this.field.control.focus();
    } else this.#act({ keyAction: "keep", newKey: "", keyFrom: origin });
  }
}

/**
 * @param {DraftEntry} entry
 * @param {EntryList["catalog"]} catalog
 */
function keyText(entry, catalog) {
  const status = keyStatus(entry);
  const isRemoved = entry.keyAction === "remove";
  const shared = sharedKey(catalog, entry);
  if (shared === "only") return t.keyShared;
  if (status === "copied") return t.keyCopied(nameOf(entry.keyFrom ?? entry));
  if (showsKeyField(entry)) {
    if (isKeyForOther(entry)) return t.keyForOther(isolate(entry.newKeyFor));
    if (status === "set" || typedKey(entry)) return "";
  } else if (isRemoved) return t.keyRemoved;
  switch (status) {
    case "set":
      return t.keyStored;
    case "unreadable":
      return t.keyUnreadable;
    case "moved":
      return isRemoved ? t.keyRemoved : t.keyMoved(isolate(destinationOf(entry.origin ?? entry)));
    default:
      return shared === "fallback" ? t.keyFallback : "";
  }
}

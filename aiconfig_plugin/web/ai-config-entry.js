// The view of one entry: its fields, its key, and the buttons that move and remove it.

import { Field, button, h, iconButton, isolate, nameNodes } from "./ai-config-dom.js";
import { nameOf } from "./ai-config-draft.js";
import { destinationOf, isKeyForOther, keyStatus, showsKeyField } from "./ai-config-key.js";
import { t } from "./ai-config-messages.js";

/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").KeyStatus} KeyStatus */

/** @typedef {{changed: () => void, move: (by: -1 | 1) => void, remove: () => void}} Callbacks */

/**
 * A field that is masked and that password managers ignore: Chrome offers to save what is in a
 * password field, and looks it up among leaked passwords, whatever its autocomplete attribute says.
 */
const SECRET = {
  type: CSS.supports("-webkit-text-security", "disc") ? "text" : "password",
  autocomplete: "one-time-code",
  autocapitalize: "none",
  "data-1p-ignore": true,
  "data-bwignore": true,
  "data-lpignore": "true",
};

let lastId = 0;

export class EntryView {
  #entry;
  #callbacks;
  #id = `entry-${(lastId += 1)}`;
  #title = h("h3", { id: `${this.#id}-title` });
  #number = h("span", { class: "number", "aria-hidden": "true" });
  #badge = h("span", { class: "badge", id: `${this.#id}-badge` });
  #keyText = h("p", { class: "key-text", id: `${this.#id}-key-text` });
  #keyActions = h("div", { class: "key-actions" });
  #position = { index: 0, count: 1 };
  #shownName = "";
  #shownKey = "";

  /**
   * @param {DraftEntry} entry modified in place
   * @param {Callbacks} callbacks
   */
  constructor(entry, callbacks) {
    this.#entry = entry;
    this.#callbacks = callbacks;
    this.up = iconButton("up", () => callbacks.move(-1));
    this.down = iconButton("down", () => callbacks.move(1));
    this.remove = iconButton("remove", callbacks.remove);

    /** By the member of the entry that the field edits. @type {Record<string, Field>} */
    this.fields = {
      provider: this.#text("provider", t.provider, { list: "providers" }),
      model: this.#text("model", t.model, { placeholder: t.modelExample }),
      type: this.#text("type", t.type, { list: "types" }),
      apiKeyEncrypted: this.#key(),
      isPaid: this.#paid(),
    };
    const { provider, model, type, apiKeyEncrypted, isPaid } = this.fields;
    const actions = h("div", { class: "entry-actions" }, this.up, this.down, this.remove);
    this.root = h(
      "li",
      {},
      h(
        "div",
        { class: "entry", role: "group", "aria-labelledby": this.#title.id },
        h("div", { class: "entry-head" }, this.#number, this.#title, actions),
        h("div", { class: "entry-fields" }, provider.root, model.root, type.root),
        h("div", { class: "entry-fields" }, apiKeyEncrypted.root, isPaid.root),
      ),
    );
    this.#showKey();
    this.place(0, 1);
  }

  /**
   * Return the field of a member, made visible.
   * @param {string} member
   */
  reveal(member) {
    const field = Object.hasOwn(this.fields, member) ? this.fields[member] : undefined;
    if (field?.control.hidden) this.#act("replace");
    return field;
  }

  /**
   * @param {number} index
   * @param {number} count
   */
  place(index, count) {
    this.#position = { index, count };
    this.up.disabled = index === 0;
    this.down.disabled = index === count - 1;
    this.#showName();
  }

  #showName() {
    const { provider, model } = this.#entry;
    const number = String(this.#position.index + 1);
    const name = nameOf(this.#entry);
    const shown = JSON.stringify([number, provider, model]);
    if (shown === this.#shownName) return;
    this.#shownName = shown;
    this.#number.textContent = number;
    this.#title.replaceChildren(...(name ? nameNodes(this.#entry) : [t.newModel]));
    const subject = name || t.numbered(number);
    label(this.up, t.moveUp(subject));
    label(this.down, t.moveDown(subject));
    label(this.remove, t.remove(subject));
  }

  /**
   * @param {"provider" | "model" | "type"} name
   * @param {string} text
   * @param {Record<string, string>} attributes
   */
  #text(name, text, attributes) {
    /** @type {Record<string, string>} */
    const plain = { autocomplete: "off", autocapitalize: "none", spellcheck: "false" };
    const control = h("input", { ...plain, ...attributes, name, required: true });
    control.value = this.#entry[name];
    control.addEventListener("input", () => {
      this.#entry[name] = control.value;
      this.#showName();
      this.#showKey();
      this.#callbacks.changed();
    });
    return new Field({ id: `${this.#id}-${name}`, label: text, control });
  }

  #paid() {
    const control = h("input", { type: "checkbox", role: "switch", name: "isPaid" });
    control.checked = this.#entry.isPaid;
    control.addEventListener("change", () => {
      this.#entry.isPaid = control.checked;
      this.#callbacks.changed();
    });
    const id = `${this.#id}-paid`;
    return new Field({ id, label: t.paid, control, hint: t.paidHint, class: "switch" });
  }

  #key() {
    const control = h("input", { ...SECRET, name: "apiKey", spellcheck: "false" });
    control.addEventListener("input", () => {
      this.#entry.newKey = control.value;
      this.#entry.newKeyFor = this.#entry.provider.trim() && destinationOf(this.#entry);
      this.#showKey();
      this.#callbacks.changed();
    });
    const describedBy = [this.#badge.id, this.#keyText.id];
    const id = `${this.#id}-key`;
    const field = new Field({ id, label: t.key, control, class: "key", describedBy });
    const head = h("div", { class: "key-head" });
    control.before(head);
    head.append(/** @type {Node} */ (head.previousSibling), this.#badge);
    const row = h("div", { class: "key-row" });
    control.replaceWith(row);
    row.append(this.#keyText, control, this.#keyActions);
    return field;
  }

  /** @param {DraftEntry["keyAction"]} action */
  #act(action) {
    this.#entry.keyAction = action;
    this.#entry.newKey = "";
    const { control } = this.fields.apiKeyEncrypted;
    this.fields.apiKeyEncrypted.setError("");
    this.#showKey();
    this.#callbacks.changed();
    const target = control.hidden ? this.#keyActions.querySelector("button") : control;
    target?.focus();
  }

  /** Use a key that was typed for another provider. */
  #adoptKey() {
    this.#entry.newKeyFor = this.#entry.provider.trim() && destinationOf(this.#entry);
    this.#showKey();
    this.#callbacks.changed();
    this.fields.apiKeyEncrypted.control.focus();
  }

  #showKey() {
    const entry = this.#entry;
    const status = keyStatus(entry);
    const { control, root } = this.fields.apiKeyEncrypted;
    const removing = entry.keyAction === "remove" && status !== "unset" && status !== "moved";
    const typing = showsKeyField(entry);
    const isForOther = isKeyForOther(entry);
    const typed = isForOther ? "" : entry.newKey;
    if (control.value !== typed) control.value = typed;
    const { newKeyFor, keyAction } = entry;
    const shown = JSON.stringify([status, typing, isForOther && newKeyFor, keyAction, nameOf(entry)]);
    if (shown === this.#shownKey) return;
    this.#shownKey = shown;
    this.#badge.textContent = t.keyStatus[removing ? "removing" : status];
    root.dataset.status = this.#badge.dataset.status = removing ? "removing" : status;
    this.#keyText.textContent = keyText(entry, status);
    this.#keyText.hidden = !this.#keyText.textContent;
    control.hidden = !typing;
    control.placeholder = status === "unset" ? t.keyOptional : t.keyEnter;
    const name = nameOf(entry);
    const actions = [];
    if (removing) actions.push(act(t.keepKey, t.keepKeyOf(name), () => this.#act("keep")));
    else if (typing && status === "set") {
      actions.push(act(t.cancel, t.cancelKeyOf(name), () => this.#act("keep")));
    } else {
      if (typing && isForOther) {
        actions.push(act(t.useKey, t.useKeyFor(name), () => this.#adoptKey()));
      }
      if (status === "set") {
        actions.push(act(t.replaceKey, t.replaceKeyOf(name), () => this.#act("replace")));
      }
      if (status !== "unset" && entry.keyAction !== "remove") {
        actions.push(act(t.removeKey, t.removeKeyOf(name), () => this.#act("remove")));
      }
    }
    this.#keyActions.replaceChildren(...actions);
    this.#keyActions.hidden = !actions.length;
  }
}

/**
 * @param {DraftEntry} entry
 * @param {KeyStatus} status
 */
function keyText(entry, status) {
  if (showsKeyField(entry)) {
    if (isKeyForOther(entry)) return t.keyForOther(isolate(entry.newKeyFor));
    if (status === "set") return "";
  } else if (entry.keyAction === "remove") return t.keyRemoved;
  switch (status) {
    case "set":
      return t.keyStored;
    case "unreadable":
      return t.keyUnreadable;
    case "moved":
      return t.keyMoved(isolate(entry.origin?.provider ?? ""));
    default:
      return "";
  }
}

/**
 * @param {string} text
 * @param {string} name
 * @param {() => void} click
 */
function act(text, name, click) {
  const made = button(text, click, "quiet");
  made.setAttribute("aria-label", name);
  return made;
}

/**
 * @param {HTMLButtonElement} control
 * @param {string} text
 */
function label(control, text) {
  control.setAttribute("aria-label", text);
  control.title = text;
}

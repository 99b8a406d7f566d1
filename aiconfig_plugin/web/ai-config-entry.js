// The view of one entry: its fields, its key, and the buttons that move and remove it.

import { keyStatus, nameOf } from "./ai-config-draft.js";
import { Field, button, h, iconButton } from "./ai-config-dom.js";

/** @typedef {import("./ai-config-draft.js").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-draft.js").KeyStatus} KeyStatus */

/** @type {Record<KeyStatus, string>} */
export const KEY_STATUS = {
  set: "Set",
  unset: "Not set",
  unreadable: "Needs re-entry",
  moved: "Needs re-entry",
};

/** @typedef {{changed: () => void, move: (by: -1 | 1) => void, remove: () => void}} Callbacks */

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
      provider: this.#text("provider", "Provider", { list: "providers" }),
      model: this.#text("model", "Model", { placeholder: "e.g. gpt-4" }),
      type: this.#text("type", "Type", { list: "types" }),
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
    const field = this.fields[member];
    if (field?.control.hidden) this.#act("replace");
    return field;
  }

  /**
   * @param {number} index
   * @param {number} count
   */
  place(index, count) {
    this.#number.textContent = String(index + 1);
    this.up.disabled = index === 0;
    this.down.disabled = index === count - 1;
    const name = nameOf(this.#entry);
    this.#title.textContent = name || "New model";
    const subject = name || `model ${index + 1}`;
    label(this.up, `Move ${subject} up`);
    label(this.down, `Move ${subject} down`);
    label(this.remove, `Remove ${subject}`);
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
    const hint = "Paid model";
    const id = `${this.#id}-paid`;
    return new Field({ id, label: "Paid", control, hint, class: "switch" });
  }

  #key() {
    const control = h("input", { type: "password", name: "apiKey", autocomplete: "off" });
    control.spellcheck = false;
    control.value = this.#entry.newKey;
    control.addEventListener("input", () => {
      this.#entry.newKey = control.value;
      this.#callbacks.changed();
    });
    const describedBy = [this.#badge.id, this.#keyText.id];
    const id = `${this.#id}-key`;
    const field = new Field({ id, label: "API key", control, class: "key", describedBy });
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
    control.value = "";
    this.fields.apiKeyEncrypted.setError("");
    this.#showKey();
    this.#callbacks.changed();
    const target = control.hidden ? this.#keyActions.querySelector("button") : control;
    target?.focus();
  }

  #showKey() {
    const entry = this.#entry;
    const status = keyStatus(entry);
    const { control, root } = this.fields.apiKeyEncrypted;
    const removing = entry.keyAction === "remove" && status !== "unset" && status !== "moved";
    const typing = !removing && (status !== "set" || entry.keyAction === "replace");
    this.#badge.textContent = removing ? "Will be removed" : KEY_STATUS[status];
    root.dataset.status = this.#badge.dataset.status = removing ? "removing" : status;
    this.#keyText.textContent = removing ? "Removed when you save." : keyText(entry, status);
    this.#keyText.hidden = !this.#keyText.textContent || (typing && status === "set");
    control.hidden = !typing;
    control.placeholder = status === "unset" ? "Not needed for every provider" : "Enter the key";
    const of = (/** @type {string} */ text) => `${text} ${nameOf(entry)}`;
    const actions = [];
    if (removing) actions.push(act("Keep the key", of("Keep the key of"), () => this.#act("keep")));
    else if (typing && status === "set") {
      actions.push(act("Cancel", of("Cancel replacing the key of"), () => this.#act("keep")));
    } else {
      if (status === "set") {
        actions.push(act("Replace", of("Replace the key of"), () => this.#act("replace")));
      }
      if (status === "set" || status === "unreadable") {
        actions.push(act("Remove", of("Remove the key of"), () => this.#act("remove")));
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
  switch (status) {
    case "set":
      return "Stored encrypted and never shown.";
    case "unreadable":
      return "The stored key can no longer be decrypted. Enter it again.";
    case "moved":
      return `The stored key belongs to ${entry.origin?.provider}. Enter a key for this provider.`;
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

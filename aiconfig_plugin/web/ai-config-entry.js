// One entry: a line that tells the most important of it, and its form, made when it is opened.

import { makeCombobox } from "./ai-config-combobox.js";
import { Field, h, icon, iconButton, nameNodes } from "./ai-config-dom.js";
import { nameOf } from "./ai-config-draft.js";
import { keyOperation } from "./ai-config-key.js";
import { KeyView, keyBadge, keyUseText } from "./ai-config-key-view.js";
import { t } from "./ai-config-language.js";
import { operatorsPaid, refusedMember, suggestions } from "./ai-config-offer.js";

/** @typedef {import("./ai-config-list.js").EntryList} EntryList */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {"provider" | "model" | "type" | "label" | "baseUrl" | "options"} TextMember */

const PLAIN = { autocomplete: "off", autocapitalize: "none", spellcheck: "false" };

let lastId = 0;

export class EntryView {
  #entry;
  #list;
  #id = `entry-${(lastId += 1)}`;
  #index = -1;
  #shown = "";
  #number = h("span", { class: "number", "aria-hidden": "true" });
  #name = h("span", { class: "name" });
  #title = h("h3", { id: `${this.#id}-title` });
  #badge = h("span", { class: "badge", id: `${this.#id}-badge` });
  #use = h("span", { class: "use" });
  #paid = h("span", { class: "tag" }, t.paid);
  #enabled = h("input", { type: "checkbox", role: "switch", name: "enabled" });
  #form = h("div", { class: "entry-form", id: `${this.#id}-form`, hidden: true });
  /** @type {KeyView | null} */
  #key = null;

  /** By the member of the entry that the field edits; made with the form. @type {Record<string, Field>} */
  fields = {};

  /**
   * @param {DraftEntry} entry modified in place
   * @param {EntryList} list
   */
  constructor(entry, list) {
    this.#entry = entry;
    this.#list = list;
    const controls = { "aria-controls": this.#form.id, "aria-expanded": "false" };
    const toggle = () => list.toggle(this.#entry);
    this.toggle = h("button", { type: "button", class: "toggle", ...controls, click: toggle });
    this.toggle.append(this.#name, icon("open"));
    this.#title.append(this.toggle);
    this.grip = iconButton("grip", () => {});
    this.grip.classList.add("grip");
    this.grip.addEventListener("pointerdown", (event) => list.drag(this.#entry, event));
    this.grip.addEventListener("keydown", (event) => this.#reorder(event));
    this.up = iconButton("up", () => this.#move(this.#index - 1, this.up));
    this.down = iconButton("down", () => this.#move(this.#index + 1, this.down));
    this.top = iconButton("top", () => this.#move(0, this.top));
    this.duplicate = iconButton("copy", () => list.duplicate(this.#entry));
    this.remove = iconButton("remove", () => list.remove(this.#entry));
    this.#enabled.addEventListener("change", () => {
      this.#entry.enabled = this.#enabled.checked;
      list.edited(this.#entry);
    });
    const facts = h("span", { class: "facts" }, this.#use, this.#paid, this.#badge);
    const line = h("div", { class: "entry-line" }, this.grip, this.#number, this.#title, facts);
    line.append(this.#enabled);
    const group = { class: "entry", role: "group", "aria-labelledby": this.#title.id };
    this.root = h("li", {}, h("div", group, line, this.#form));
    this.update();
  }

  get isOpen() {
    return !this.#form.hidden;
  }

  open(isOpen = true) {
    if (isOpen && !this.#key) this.#makeForm();
    this.#form.hidden = !isOpen;
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.update();
  }

  /**
   * Return the field of a member, made visible.
   * @param {string} member
   */
  reveal(member) {
    this.open();
    const field = Object.hasOwn(this.fields, member) ? this.fields[member] : undefined;
    if (member === "apiKeyEncrypted") this.#key?.reveal();
    field?.root.closest("details")?.setAttribute("open", "");
    return field;
  }

  /**
   * Show another entry that takes the place of this one, such as what was saved of it.
   * @param {DraftEntry} entry
   */
  show(entry) {
    this.#entry = entry;
    this.#key?.show(entry);
    for (const [member, { control }] of Object.entries(this.fields)) {
      if (member in entry && control.type !== "checkbox") {
        const text = entry[/** @type {TextMember} */ (member)];
        if (control.value !== text) control.value = text;
      }
    }
    this.clearErrors();
    this.update();
  }

  clearErrors() {
    for (const field of Object.values(this.fields)) field.setError("");
  }

  /**
   * @param {number} index
   * @param {number} count
   */
  place(index, count) {
    this.up.disabled = this.top.disabled = index === 0;
    this.down.disabled = index === count - 1;
    if (index === this.#index) return this.updateKey();
    this.#index = index;
    this.update();
  }

  /** Show what has changed. */
  update() {
    const entry = this.#entry;
    const paid = operatorsPaid(this.#list.catalog, entry);
    const isPaid = paid ?? entry.isPaid;
    const { provider, model, label, enabled, origin } = entry;
    const [badge, number] = [keyBadge(entry), String(this.#index + 1)];
    const isOffered = origin?.offered !== false || !this.#list.isSaved(entry);
    const use = isOffered ? keyUseText(entry) : t.notOffered;
    const isWrong = !isOffered || /^(rejected|quota)/.test(origin?.keyUse?.lastResult ?? "");
    const shown = JSON.stringify([badge, use, number, provider, model, label, enabled, isPaid]);
    if (shown !== this.#shown) {
      this.#shown = shown;
      const name = nameOf(entry);
      this.#number.textContent = number;
      this.#name.replaceChildren(...(name ? nameNodes(entry) : [t.newModel]));
      this.#badge.textContent = t.keyStatus[badge];
      this.#badge.dataset.status = badge;
      this.#use.textContent = use;
      this.#use.toggleAttribute("data-refused", isWrong);
      this.#paid.hidden = !isPaid;
      this.#enabled.checked = enabled;
      this.root.toggleAttribute("data-off", !enabled);
      this.#nameControls(name || t.numbered(number));
    }
    if (!this.isOpen) return;
    this.#key?.update();
    const switched = /** @type {HTMLInputElement} */ (this.fields.isPaid.control);
    switched.checked = isPaid;
    switched.disabled = paid !== undefined;
    this.fields.isPaid.setHint(paid === undefined ? t.paidHint : t.fixed);
    const { baseUrls = null } = this.#list.catalog ?? {};
    const isFixed = baseUrls !== null && !baseUrls.length;
    this.fields.baseUrl.control.readOnly = isFixed && !this.#entry.origin?.baseUrl;
    this.fields.baseUrl.setHint(isFixed ? t.fixed : t.baseUrlHint);
  }

  /** Another entry was edited, whose key this one could have. */
  updateKey() {
    if (this.isOpen) this.#key?.update();
  }

  /** @param {string} name */
  #nameControls(name) {
    label(this.grip, t.reorder(name));
    label(this.up, t.moveUp(name));
    label(this.down, t.moveDown(name));
    label(this.top, t.moveTop(name));
    label(this.duplicate, t.duplicate(name));
    label(this.remove, t.remove(name));
    label(this.#enabled, t.enable(name));
  }

  /**
   * @param {number} to
   * @param {HTMLButtonElement} control
   */
  #move(to, control) {
    this.#list.move(this.#entry, to);
    const other = control === this.down ? this.up : this.down;
    (control.disabled ? other : control).focus();
  }

  /** @param {KeyboardEvent} event */
  #reorder(event) {
    const index = this.#index;
    const to = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: Infinity }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#move(to, this.grip);
  }

  #makeForm() {
    this.#key = new KeyView(this.#entry, this.#list, this.#id, this.#badge.id);
    const fields = (this.fields = {
      provider: this.#text("provider", t.provider, { required: true }),
      model: this.#text("model", t.model, { required: true, placeholder: t.modelExample }),
      type: this.#text("type", t.type, { required: true }),
      apiKeyEncrypted: this.#key.field,
      isPaid: this.#makePaid(),
      label: this.#text("label", t.label, { placeholder: t.optional }),
      baseUrl: this.#text("baseUrl", t.baseUrl, { inputmode: "url" }),
      options: this.#text("options", t.entryOptions, { rows: 3 }, t.optionsHint),
    });
    const row = (/** @type {Field[]} */ ...row) =>
      h("div", { class: "entry-fields" }, ...row.map(({ root }) => root));
    const advanced = h("details", { class: "advanced" }, h("summary", {}, t.advanced));
    advanced.append(row(fields.baseUrl, fields.options));
    if (this.#entry.baseUrl || this.#entry.options) advanced.open = true;
    const actions = h("div", { class: "entry-actions" });
    actions.append(this.up, this.down, this.top, this.duplicate, this.remove);
    this.#form.append(
      row(fields.provider, fields.model, fields.type),
      row(fields.apiKeyEncrypted, fields.isPaid),
      row(fields.label),
      advanced,
      actions,
    );
    for (const member of /** @type {const} */ (["provider", "model", "type"])) {
      const control = /** @type {HTMLInputElement} */ (fields[member].control);
      makeCombobox(control, () => suggestions(this.#list.catalog, member, this.#entry));
      control.addEventListener("change", () => this.#checkOffer());
    }
    for (const { control } of [fields.provider, fields.baseUrl]) {
      control.addEventListener("change", () => {
        if (keyOperation(this.#entry) === "ask") this.#list.announce(t.keyUndecided);
      });
    }
  }

  /**
   * @param {TextMember} name
   * @param {string} text
   * @param {Record<string, string | number | boolean>} attributes
   * @param {string} [hint]
   */
  #text(name, text, attributes, hint) {
    const tag = name === "options" ? "textarea" : "input";
    const control = h(tag, { ...PLAIN, ...attributes, name });
    control.value = this.#entry[name];
    control.addEventListener("input", () => {
      this.#entry[name] = control.value;
      this.#list.edited(this.#entry);
    });
    return new Field({ id: `${this.#id}-${name}`, label: text, control, hint });
  }

  #makePaid() {
    const control = h("input", { type: "checkbox", role: "switch", name: "isPaid" });
    control.addEventListener("change", () => {
      this.#entry.isPaid = control.checked;
      this.#list.edited(this.#entry);
    });
    const id = `${this.#id}-paid`;
    return new Field({ id, label: t.paid, control, hint: t.paidHint, class: "switch" });
  }

  /** Take over what the catalogue says of the entry, or say that it is not offered. */
  #checkOffer() {
    const { catalog } = this.#list;
    const entry = this.#entry;
    const types = suggestions(catalog, "type", entry);
    if (types.length === 1 && entry.model.trim()) {
      this.fields.type.control.value = entry.type = types[0];
    }
    entry.isPaid = operatorsPaid(catalog, entry) ?? entry.isPaid;
    const refused = refusedMember(catalog, entry);
    for (const member of /** @type {const} */ (["provider", "model"])) {
      const isRefused = member === refused && entry[member].trim();
      if (isRefused) this.fields[member].setError(t.notOffered);
    }
    this.#list.edited(entry);
  }
}

/**
 * @param {HTMLElement} control
 * @param {string} text
 */
function label(control, text) {
  if (control.title === text) return;
  control.setAttribute("aria-label", text);
  control.title = text;
}

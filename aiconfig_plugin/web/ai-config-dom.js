// DOM helpers. No HTML is ever parsed from a string.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | null | ((event: any) => void)>} [attributes]
 *   a function becomes a listener for the event of that name; true sets an empty attribute, false
 *   and null set none
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null) {
      element.setAttribute(name, value === true ? "" : String(value));
      // Pages style what is documented of these by ::part().
      if (name === "class") element.setAttribute("part", String(value));
    }
  }
  element.append(...children);
  return element;
}

const ICONS = {
  up: "M8 13V3M3.5 7.5 8 3l4.5 4.5",
  down: "M8 3v10M3.5 8.5 8 13l4.5-4.5",
  remove: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.5 8.5h6l.5-8.5M6.8 7v3.5M9.2 7v3.5",
  add: "M8 3v10M3 8h10",
  top: "M8 13V6M4 9.5 8 5.5l4 4M3 3h10",
  copy: "M6 6h7v7H6zM10 3H3v7",
  open: "m4 6 4 4 4-4",
  grip: "M6 4v.01M6 8v.01M6 12v.01M10 4v.01M10 8v.01M10 12v.01",
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * @param {string} text
 * @param {() => void} click
 * @param {string} [kind] `primary`, `danger`, `quiet`
 */
export function button(text, click, kind = "") {
  return h("button", { type: "button", class: kind, click }, text);
}

/**
 * @param {keyof typeof ICONS} name
 * @param {() => void} click
 */
export function iconButton(name, click) {
  return h("button", { type: "button", class: "icon", click }, icon(name));
}

/**
 * Render the name of an entry; its parts do not change the direction of what surrounds them.
 * @param {{provider: string, model: string, label: string}} entry
 */
export function nameNodes({ provider, model, label }) {
  const parts = [provider, model, label].map((part) => part.trim());
  const [first, ...rest] = parts.filter(Boolean);
  return [h("bdi", {}, first ?? ""), ...rest.flatMap((text) => [" · ", h("bdi", {}, text)])];
}

/**
 * Return a text that does not change the direction of the sentence around it.
 * @param {string} text
 */
export function isolate(text) {
  return /[^\u0020-\u007e]/.test(text) ? `\u2068${text}\u2069` : text;
}

/** @typedef {HTMLInputElement | HTMLTextAreaElement} Control */

/** A form control with its label, hint and error message. */
export class Field {
  #describedBy;

  /**
   * @param {object} given
   * @param {string} given.id unique in its shadow tree
   * @param {string} given.label
   * @param {Control} given.control
   * @param {string} [given.hint]
   * @param {string} [given.class]
   * @param {string[]} [given.describedBy] ids of further elements that describe the control
   */
  constructor({ id, label, control, hint = "", class: kind = "", describedBy = [] }) {
    this.control = control;
    this.error = h("p", { class: "error", id: `${id}-error`, hidden: true });
    this.hint = h("p", { class: "hint", id: `${id}-hint` });
    this.#describedBy = describedBy;
    control.id = id;
    control.part.add("control");
    const labels = h("label", { for: id }, label);
    this.root = h("div", { class: `field ${kind}` }, labels, control, this.hint, this.error);
    control.addEventListener("input", () => this.setError(""));
    this.setHint(hint);
  }

  /** @param {string} text */
  setHint(text) {
    this.hint.textContent = text;
    this.hint.hidden = !text;
    this.setError(this.error.textContent ?? "");
  }

  /** @param {string} text empty to clear the error */
  setError(text) {
    this.error.textContent = text;
    this.error.hidden = !text;
    const own = [this.hint, this.error].filter((part) => !part.hidden).map((part) => part.id);
    const ids = [...this.#describedBy, ...own];
    if (text) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
    if (ids.length) this.control.setAttribute("aria-describedby", ids.join(" "));
    else this.control.removeAttribute("aria-describedby");
  }
}

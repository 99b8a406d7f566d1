// A text field with a list of options: the combobox of the ARIA Authoring Practices. What is chosen
// or typed arrives as the events `input` and `change` of the text field.

import { h, icon } from "./ai-config-dom.js";
import { t } from "./ai-config-language.js";

/**
 * @param {HTMLInputElement} input with an id, and in its place in the tree
 * @param {() => string[]} options
 */
export function makeCombobox(input, options) {
  const list = h("ul", { role: "listbox", id: `${input.id}-options`, "aria-label": t.options });
  const chevron = h("button", { type: "button", class: "chevron", tabindex: -1 }, icon("open"));
  chevron.setAttribute("aria-label", t.showOptions);
  const root = h("div", { class: "combobox" });
  input.replaceWith(root);
  root.append(input, chevron);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);

  const items = () => /** @type {HTMLElement[]} */ ([...list.children]);
  const active = () => items().findIndex((item) => item.dataset.active);

  const activate = (/** @type {number} */ index) => {
    items().forEach((item, n) => item.toggleAttribute("data-active", n === index));
    const item = items()[index];
    if (item) {
      item.dataset.active = "true";
      input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };

  /** @param {string} [filter] */
  const open = (filter = "") => {
    const present = input.value.trim();
    const at = (/** @type {string} */ text) => text.toLowerCase().indexOf(filter.toLowerCase());
    const found = options().filter((text) => at(text) >= 0);
    // First what begins so.
    if (filter) found.sort((a, b) => Math.sign(at(a)) - Math.sign(at(b)));
    // What is typed in full needs no list over the fields below.
    if (!found.length || found.includes(filter)) return close();
    const option = (/** @type {string} */ text, /** @type {number} */ n) => {
      const id = `${list.id}-${n}`;
      return h("li", { role: "option", id, "aria-selected": String(text === present) }, text);
    };
    list.replaceChildren(...found.map(option));
    activate(-1);
    if (!list.isConnected) {
      root.append(list);
      list.scrollIntoView({ block: "nearest" });
    }
    input.setAttribute("aria-expanded", "true");
  };

  const close = () => {
    list.remove();
    activate(-1);
    input.setAttribute("aria-expanded", "false");
  };

  const choose = (/** @type {Element} */ item) => {
    input.value = item.textContent ?? "";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
    close();
  };

  /** @param {number} by */
  const step = (by) => {
    if (!list.isConnected) open();
    const count = items().length;
    if (count) activate(active() < 0 && by < 0 ? count - 1 : (active() + by + count) % count);
  };

  /** @type {Record<string, (event: KeyboardEvent) => boolean | void>} */
  const keys = {
    ArrowDown: ({ altKey }) => (altKey ? open() : step(1)),
    ArrowUp: ({ altKey }) => (altKey ? close() : step(-1)),
    // False leaves the key to the form.
    Enter() {
      if (active() < 0) return false;
      choose(items()[active()]);
    },
    Escape() {
      if (!list.isConnected) return false;
      close();
    },
  };
  input.addEventListener("keydown", (event) => {
    const run = Object.hasOwn(keys, event.key) && !event.isComposing && keys[event.key];
    if (!run || run(event) === false) return;
    event.preventDefault();
    event.stopPropagation();
  });
  input.addEventListener("input", () => open(input.value.trim()));
  input.addEventListener("blur", close);
  chevron.addEventListener("click", () => {
    const isOpen = list.isConnected;
    input.focus();
    if (isOpen) close();
    else open();
  });
  // The focus stays in the text field.
  for (const part of [chevron, list]) part.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", ({ target }) => {
    const item = /** @type {Element} */ (target).closest("li");
    if (item) choose(item);
  });
  close();
}

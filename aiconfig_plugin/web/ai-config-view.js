// The layout of <ai-config-settings> around the entries: phases, notices, live regions.

import { Field, button, h, icon } from "./ai-config-dom.js";
import { MAX_PROMPT, codePoints } from "./ai-config-draft.js";
import { formatNumber, language, t } from "./ai-config-language.js";
import { renderNotice } from "./ai-config-notice.js";
import { resolvedPrompt } from "./ai-config-offer.js";

/** @typedef {import("./ai-config-notice.js").Notice} Notice */
/** @typedef {import("./ai-config-types.d.ts").Catalog} Catalog */
/** @typedef {import("./ai-config-notice.js").Operation} Operation */

// Spelled out, so that bundlers find them. The last has the exceptions, such as for printing.
const STYLES = [
  new URL("./ai-config-controls.css", import.meta.url),
  new URL("./ai-config-entries.css", import.meta.url),
  new URL("./ai-config-notices.css", import.meta.url),
  new URL("./ai-config-settings.css", import.meta.url),
];

/**
 * @typedef {object} Callbacks
 * @property {() => void} add
 * @property {() => void} save
 * @property {() => void} discard
 * @property {() => void} remove
 * @property {(text: string) => void} prompt
 */

/** `empty`: there is no client; `choosing`: both versions of a conflict are shown. */
/** @typedef {"empty" | "loading" | "ready" | "choosing"} Phase */

export class SettingsView {
  /** @type {Phase} */
  #phase = "empty";
  #shown = "";
  #root;
  /** What had the focus when an operation began. @type {HTMLElement | null} */
  #focused = null;
  #notice = h("div", { role: "alert" });
  #conflict = h("div", {});
  #live = h("div", { class: "visually-hidden", role: "status" });
  #loading = h("p", { class: "loading", hidden: true }, t.loading);
  #none = h("p", { class: "none" }, t.noModels);
  #state = h("p", { class: "state" });
  #counter = h("span", { class: "counter", dir: "ltr" });
  #list = h("ol", { role: "list" });
  #main;
  #form;
  #discard;
  #save;
  #removeAll;
  #operators = h("div", { class: "operators", hidden: true });
  #preview = h("div", { class: "version-text", tabindex: 0, role: "region", "aria-label": t.preview });
  #previewPart = h("details", { hidden: true }, h("summary", {}, t.preview), this.#preview);
  /** @type {Catalog["systemPrompt"]} */
  #operatorsPrompt = null;
  #undo = h("p", { class: "undo", hidden: true });
  /** The search field, and what opens or closes all entries; the list of entries uses them. */
  search = h("input", { type: "search", id: "search", autocomplete: "off" });
  openAll = button("", () => {}, "quiet");
  /** Holds the buttons that save settings in a file and read them from one. */
  transfer = h("div", {});

  /**
   * @param {ShadowRoot} root
   * @param {Callbacks} callbacks
   */
  constructor(root, callbacks) {
    this.#root = root;
    this.prompt = this.#makePrompt(callbacks.prompt);
    this.add = h("button", { type: "button", class: "add", click: callbacks.add });
    this.add.append(icon("add"), t.addModel);
    this.#discard = button(t.discard, callbacks.discard, "quiet");
    this.#save = button(t.save, callbacks.save, "primary");
    this.#removeAll = button(t.deleteAll, callbacks.remove, "danger delete");
    this.#form = this.#makeForm();
    const main = (this.#main = h("div", { class: "settings", lang: language, hidden: true }));
    main.append(this.#notice, this.#conflict, this.#loading, this.#form, this.#live);
    main.addEventListener("keydown", (event) => {
      if (!isSaveKey(event) || this.#phase !== "ready" || main.querySelector("dialog")) return;
      event.preventDefault();
      callbacks.save();
    });
    // Hidden until styled, to avoid a flash; shown without its style if that fails to load.
    let missing = STYLES.length;
    const loaded = () => main.toggleAttribute("hidden", (missing -= 1) > 0);
    const links = STYLES.map(({ href }) =>
      h("link", { rel: "stylesheet", href, load: loaded, error: loaded }),
    );
    root.replaceChildren(...links, main);
    this.setPhase("empty");
  }

  get phase() {
    return this.#phase;
  }

  /** Hide all of it, such as until the words of its language are there. @param {boolean} hidden */
  hide(hidden) {
    this.#main.style.visibility = hidden ? "hidden" : "";
  }

  /** @param {Phase} phase */
  setPhase(phase) {
    this.#phase = phase;
    this.#loading.hidden = phase !== "loading";
    this.#form.hidden = phase !== "ready";
    if (phase !== "choosing") this.#conflict.replaceChildren();
  }

  /** @param {HTMLElement} conflict */
  showConflict(conflict) {
    this.setPhase("choosing");
    this.#conflict.replaceChildren(conflict);
    conflict.querySelector("h2")?.focus();
  }

  /**
   * @param {Notice | null} notice
   * @param {{scroll?: boolean}} [options] `scroll`: it answers something that the user has done
   */
  showNotice(notice, { scroll = false } = {}) {
    this.#notice.replaceChildren(...(notice ? [renderNotice(notice)] : []));
    if (scroll) this.#notice.scrollIntoView?.({ block: "nearest" });
  }

  /** Announce a text to screen readers. @param {string} text */
  announce(text) {
    this.#live.textContent = text;
  }

  /** @param {string} text */
  setPrompt(text) {
    this.prompt.control.value = text;
    this.#count();
  }

  /** Show the operator's prompt, and what it means for the user's. @param {Catalog["systemPrompt"]} prompt */
  setOperatorsPrompt(prompt) {
    this.#operators.hidden = !prompt;
    this.prompt.control.readOnly = prompt?.mode === "only";
    this.#operatorsPrompt = prompt;
    this.#count();
    if (!prompt) return;
    const shown = h("div", { class: "version-text", tabindex: 0, role: "region" }, prompt.text ?? "");
    shown.setAttribute("aria-label", t.operatorsPrompt);
    const hint = h("p", { class: "hint" }, t.promptMode[prompt.mode]);
    this.#operators.replaceChildren(hint, ...(prompt.text ? [shown] : []));
  }

  /**
   * @param {string} text what was removed; empty to hide
   * @param {() => void} undo
   */
  showUndo(text, undo) {
    this.#undo.hidden = !text;
    this.#undo.replaceChildren(text, " ", button(t.undo, undo, "quiet"));
  }

  /** @param {HTMLElement[]} entries */
  order(entries) {
    const stale = new Set(this.#list.children);
    for (const entry of entries) stale.delete(entry);
    for (const entry of stale) entry.remove();
    // Only what is out of place is moved: with many entries layout is what takes the time.
    entries.forEach((entry, n) => {
      const present = this.#list.children[n];
      if (present !== entry) this.#list.insertBefore(entry, present ?? null);
    });
    this.#none.hidden = entries.length > 0;
  }

  /**
   * @param {{busy: Operation | "", dirty: boolean, stored: boolean, full: boolean}} state `busy`
   *   is the operation in progress; the form is inert until it ends
   */
  setState({ busy, dirty, stored, full }) {
    const shown = JSON.stringify([busy, dirty, stored, full]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const rest = stored ? t.allSaved : t.nothingSaved;
    const text = busy ? t.busy[busy] : dirty ? t.unsaved : rest;
    this.#state.textContent = text;
    this.#state.dataset.state = busy ? "busy" : dirty ? "dirty" : "clean";
    this.#form.setAttribute("aria-busy", String(Boolean(busy)));
    const focused = /** @type {HTMLElement | null} */ (this.#root.activeElement);
    if (busy && focused) this.#focused = focused;
    for (const part of this.#form.children) {
      if (!part.contains(this.#save)) part.toggleAttribute("inert", Boolean(busy));
    }
    // "disabled" would remove the focus from the button that was just pressed.
    this.#save.setAttribute("aria-disabled", String(!dirty || Boolean(busy)));
    this.#discard.setAttribute("aria-disabled", String(!dirty || Boolean(busy)));
    this.#removeAll.hidden = !stored;
    this.add.disabled = full;
    // What is inert loses the focus.
    if (!busy && !focused) this.#focused?.focus({ preventScroll: true });
    if (!busy) this.#focused = null;
  }

  #makeForm() {
    const label = h("label", { for: "search", class: "visually-hidden" }, t.search);
    this.search.placeholder = t.search;
    const tools = h("div", { class: "tools" }, h("div", { hidden: true }, label, this.search), this.openAll);
    return h(
      "div",
      { class: "form", hidden: true },
      h(
        "section",
        { "aria-labelledby": "models-title" },
        h("h2", { id: "models-title", class: "heading" }, t.models),
        h("p", { class: "hint" }, t.modelsHint),
        ...(globalThis.isSecureContext ? [] : [renderInsecure()]),
        tools,
        this.#none,
        this.#list,
        this.add,
      ),
      h(
        "section",
        { "aria-labelledby": "prompt-title" },
        h("h2", { id: "prompt-title", class: "heading" }, t.prompt),
        this.#operators,
        this.prompt.root,
        this.#previewPart,
      ),
      h("div", { class: "foot" }, this.transfer, this.#removeAll),
      h("div", { class: "bar" }, this.#undo, this.#state, this.#discard, this.#save),
    );
  }

  /** @param {(text: string) => void} changed */
  #makePrompt(changed) {
    const control = h("textarea", { rows: 6, name: "system_prompt" });
    const labels = { label: t.promptLabel, hint: t.promptHint };
    const field = new Field({ id: "prompt", control, ...labels });
    control.addEventListener("input", () => {
      this.#count();
      changed(control.value);
    });
    const foot = h("div", { class: "prompt-foot" }, field.hint, this.#counter);
    control.after(foot);
    return field;
  }

  #count() {
    const resolved = resolvedPrompt(this.#operatorsPrompt, this.prompt.control.value);
    this.#previewPart.hidden = resolved === null;
    this.#preview.textContent = resolved;
    const used = codePoints(this.prompt.control.value);
    this.#counter.textContent = t.count(formatNumber(used), formatNumber(MAX_PROMPT));
    this.#counter.toggleAttribute("data-over", used > MAX_PROMPT);
    const over = used - MAX_PROMPT;
    this.prompt.setError(over > 0 ? t.tooLong(formatNumber(over)) : "");
  }

  /**
   * Ask a question. True if the user says yes.
   * @param {{title: string, text: string, no: string, yes: string}} question
   * @returns {Promise<boolean>}
   */
  confirm({ title, text, no, yes }) {
    return new Promise((resolve) => {
      const dialog = h("dialog", { "aria-labelledby": "dialog-title" });
      const refuse = button(no, () => dialog.close());
      const accept = button(yes, () => dialog.close("yes"), "danger filled");
      const heading = h("h2", { id: "dialog-title", class: "heading" }, title);
      dialog.append(heading, h("p", {}, text), h("div", { class: "dialog-actions" }, refuse, accept));
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(dialog.returnValue === "yes");
      });
      this.#main.append(dialog);
      dialog.showModal();
    });
  }
}

/**
 * Return whether a key saves: Ctrl or Cmd with S, or Enter in a field of one line.
 * @param {KeyboardEvent} event
 */
function isSaveKey({ key, ctrlKey, metaKey, altKey, shiftKey, isComposing, target }) {
  if (isComposing || altKey || shiftKey) return false;
  if (ctrlKey || metaKey) return key.toLowerCase() === "s";
  const field = /** @type {Element} */ (target);
  return key === "Enter" && field.matches("input:not([type=checkbox], [type=search])");
}

function renderInsecure() {
  return renderNotice({ tone: "warning", title: t.insecure, text: t.insecureText });
}

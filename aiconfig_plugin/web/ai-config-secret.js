// The field for an API key: masked, and cleaned of what is pasted along.

import { button, h } from "./ai-config-dom.js";
import { t } from "./ai-config-language.js";
import { cleanKey, foreignProvider } from "./ai-config-paste.js";

/**
 * A field that is masked and that password managers ignore: Chrome offers to save what is in a
 * password field, and looks it up among leaked passwords, whatever its autocomplete attribute says.
 */
const SECRET = {
  type: CSS.supports("-webkit-text-security", "disc") ? "text" : "password",
  autocomplete: "one-time-code",
  autocapitalize: "none",
  spellcheck: "false",
  "data-1p-ignore": true,
  "data-bwignore": true,
  "data-lpignore": "true",
};

export class SecretField {
  control = h("input", { ...SECRET, name: "apiKey" });
  toggle = button("", () => this.#mask(this.control.hasAttribute("data-shown")), "quiet");
  note = h("p", { class: "hint", role: "status" });
  /** What was cleaned off, in words. */
  #cleaned = "";

  constructor() {
    this.control.addEventListener("input", (event) => {
      const { inputType = "" } = /** @type {InputEvent} */ (event);
      this.#cleaned = inputType.startsWith("insertFrom") ? this.#clean() : "";
    });
    this.#mask(true);
  }

  /**
   * Show a key, with a warning if it seems to be of another provider.
   *
   * @param {string} key
   * @param {string} provider
   */
  update(key, provider) {
    const { control, toggle, note } = this;
    if (control.value !== key) control.value = key;
    if (!key) this.#cleaned = "";
    toggle.toggleAttribute("hidden", control.hidden || !key);
    if (toggle.hidden && control.hasAttribute("data-shown")) this.#mask(true);
    const owner = foreignProvider(key, provider);
    note.textContent = [this.#cleaned, owner && t.keyLooksForeign(owner)].filter(Boolean).join(" ");
  }

  #clean() {
    const { key, extras } = cleanKey(this.control.value);
    if (!extras.length) return "";
    this.control.value = key;
    return t.pasteCleaned(extras.map((extra) => t.pasteExtra[extra]).join(", "));
  }

  /** @param {boolean} isMasked */
  #mask(isMasked) {
    this.control.type = isMasked ? SECRET.type : "text";
    this.control.toggleAttribute("data-shown", !isMasked);
    this.toggle.textContent = isMasked ? t.showKey : t.hideKey;
  }
}

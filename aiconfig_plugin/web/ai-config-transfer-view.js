// Buttons that save the settings in a file and read them from one; what reading changes is shown.

import { button, h, isolate } from "./ai-config-dom.js";
import { t } from "./ai-config-language.js";
import { applyFile, readFile, writeFile } from "./ai-config-transfer.js";

/** @typedef {import("./ai-config-conflict.js").Form} Form */
/** @typedef {import("./ai-config-transfer.js").Changes} Changes */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-view.js").SettingsView} SettingsView */

const FILE = "ai-settings.json";

export class TransferView {
  #view;
  #form;
  #import = button(t.importFile, () => this.#input.click(), "quiet");
  #input = h("input", { type: "file", accept: ".json", hidden: true, change: () => this.#read() });

  /**
   * @param {SettingsView} view
   * @param {Form} form
   */
  constructor(view, form) {
    this.#view = view;
    this.#form = form;
    const write = button(t.exportFile, () => this.#write(), "quiet");
    view.transfer.replaceChildren(write, this.#import, this.#input);
  }

  #write() {
    const [draft] = this.#form.current();
    const href = URL.createObjectURL(new Blob([writeFile(draft)], { type: "application/json" }));
    h("a", { href, download: FILE }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  }

  async #read() {
    const [given] = this.#input.files ?? [];
    const file = given && readFile(await given.text());
    // The same file again is a change as well.
    this.#input.value = "";
    const [draft] = this.#form.current();
    const { draft: applied, changes } = file ? applyFile(draft, file) : { draft, changes: null };
    const lines = changes && describe(changes);
    if (lines?.length) this.#ask(applied, lines);
    else {
      const tone = file ? "info" : "error";
      const title = file ? t.importSame : t.importWrong;
      this.#view.showNotice({ tone, title }, { scroll: true });
    }
  }

  /**
   * @param {Draft} applied
   * @param {string[]} lines
   */
  #ask(applied, lines) {
    const close = () => {
      this.#view.setPhase("ready");
      this.#import.focus();
    };
    const use = () => {
      const [, stored] = this.#form.current();
      this.#form.show(stored, applied);
      close();
    };
    const heading = h("h2", { id: "import-title", class: "heading", tabindex: -1 }, t.importTitle);
    const section = h("section", { class: "conflict", "aria-labelledby": heading.id }, heading);
    section.append(
      h("ul", {}, ...lines.map((line) => h("li", {}, line))),
      h("p", { class: "hint" }, t.importHint),
      h("div", { class: "notice-actions" }, button(t.importUse, use, "primary"), button(t.cancel, close)),
    );
    this.#view.showNotice(null);
    this.#view.showConflict(section);
  }
}

/** @param {Changes} changes */
function describe({ added, removed, changed, order, prompt }) {
  const list = (/** @type {string[]} */ names) => names.map(isolate).join(", ");
  return [
    added.length && t.importAdded(list(added)),
    removed.length && t.importRemoved(list(removed)),
    changed.length && t.importChanged(list(changed)),
    order && t.importOrder,
    prompt && t.importPrompt,
  ].filter((line) => typeof line === "string");
}

// The settings were changed elsewhere: show both versions and let the user choose one.

import { button, h } from "./ai-config-dom.js";
import { draftOf, nameOf, rebase } from "./ai-config-draft.js";
import { keyStatus, typedKey } from "./ai-config-key.js";
import { t } from "./ai-config-messages.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-connection.js").Stored} Stored */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-view.js").SettingsView} SettingsView */

/**
 * @typedef {object} Form
 * @property {() => [Draft, Stored]} current
 * @property {(stored: Stored, draft?: Draft) => void} show
 * @property {() => void} save
 * @property {(stored: Stored) => void} remove
 */

export class ConflictView {
  #view;
  #form;

  /**
   * @param {SettingsView} view
   * @param {Form} form
   */
  constructor(view, form) {
    this.#view = view;
    this.#form = form;
  }

  /**
   * Show both versions; nothing is written or discarded until the user has chosen.
   *
   * @param {Draft} mine
   * @param {Stored} theirs
   */
  ask(mine, theirs) {
    const keepMine = () => {
      if (this.#resume(mine, theirs)) this.#form.save();
    };
    const takeTheirs = () => this.#take(mine, theirs);
    this.#view.showConflict(renderConflict({ mine, theirs: theirs.config, keepMine, takeTheirs }));
  }

  /**
   * Nothing was deleted: say so, and delete only what the user has seen.
   *
   * @param {Draft} mine
   * @param {Stored} theirs
   */
  refuseDelete(mine, theirs) {
    const actions = [
      { text: t.showSaved, run: () => this.#take(mine, theirs) },
      { text: t.deleteAnyway, run: () => this.#form.remove(theirs) },
    ];
    const notice = { title: t.conflict, text: t.notDeleted, actions };
    this.#view.showNotice({ tone: "warning", ...notice }, { scroll: true });
  }

  /**
   * @param {Draft} mine
   * @param {Stored} theirs
   */
  #take(mine, theirs) {
    this.#form.show(theirs);
    this.#view.setPhase("ready");
    this.#view.add.focus();
    this.#offer(mine, true);
  }

  /**
   * Offer to switch to the other version; edits of the one that is shown are kept for the way back.
   *
   * @param {Draft} other
   * @param {boolean} isMine whether the other version is the user's
   */
  #offer(other, isMine) {
    const title = isMine ? t.showingSaved : t.showingMine;
    const text = isMine ? t.backToMine : t.useSaved;
    const run = () => {
      const [current, stored] = this.#form.current();
      if (this.#resume(other, stored)) this.#offer(current, !isMine);
    };
    this.#view.showNotice({ tone: "info", title, actions: [{ text, run }] }, { scroll: true });
  }

  /**
   * Continue with a draft, rebased on what is stored. False if a key that it relied on is gone.
   *
   * @param {Draft} draft
   * @param {Stored} stored
   */
  #resume(draft, stored) {
    const lost = rebase(draft, stored.config);
    this.#form.show(stored, draft);
    this.#view.setPhase("ready");
    this.#view.showNotice(null);
    this.#view.add.focus();
    if (!lost.length) return true;
    const text = t.keyGoneText(lost.join(", "));
    this.#view.showNotice({ tone: "warning", title: t.keyGone, text });
    return false;
  }
}

/**
 * Render both versions of a configuration that was changed in two places, such as two tabs.
 *
 * @param {object} given
 * @param {Draft} given.mine
 * @param {AIConfig | null} given.theirs null if it was deleted
 * @param {() => void} given.keepMine
 * @param {() => void} given.takeTheirs
 */
function renderConflict({ mine, theirs, keepMine, takeTheirs }) {
  const heading = h("h2", { id: "conflict-title", tabindex: -1 }, t.conflict);
  const [ours, others] = [versionOf(mine), theirs && versionOf(draftOf(theirs))];
  return h(
    "section",
    { class: "conflict", "aria-labelledby": heading.id },
    heading,
    h("p", {}, t.conflictText),
    h(
      "div",
      { class: "versions" },
      renderVersion(t.mine, ours, others, button(t.saveMine, keepMine, "primary")),
      renderVersion(t.theirs, others, ours, button(t.useSaved, takeTheirs)),
    ),
  );
}

/** @typedef {{models: {name: string, text: string}[], prompt: string}} Version */

/**
 * @param {Draft} draft
 * @returns {Version}
 */
function versionOf({ models, prompt }) {
  const lines = models.map((entry) => {
    const removing = entry.keyAction === "remove" ? t.keyRemoving : "";
    const typed = typedKey(entry) ? t.keyNew : removing;
    const key = typed || t.keyStatus[keyStatus(entry)].toLowerCase();
    const text = t.entryLine(entry.type.trim(), entry.isPaid, key);
    return { name: nameOf(entry) || t.newModel, text };
  });
  return { models: lines, prompt };
}

/**
 * @param {string} title
 * @param {Version | null} version
 * @param {Version | null} other differences from it are highlighted
 * @param {HTMLElement} choose
 */
function renderVersion(title, version, other, choose) {
  const heading = h("h3", {}, title);
  if (!version) {
    const text = h("p", { class: "hint" }, t.allDeleted);
    return h("div", { class: "version" }, heading, text, choose);
  }
  const others = new Set(other?.models.map(({ name, text }) => name + text));
  const models = version.models.map(({ name, text }) => {
    const isSame = others.has(name + text);
    return h("li", {}, marked([h("bdi", {}, name), text], isSame));
  });
  const prompt = h("div", { class: "version-prompt", tabindex: 0, role: "region" });
  prompt.setAttribute("aria-label", t.promptOf(title));
  prompt.append(marked([version.prompt || t.noPrompt], version.prompt === other?.prompt));
  return h("div", { class: "version" }, heading, h("ol", {}, ...models), prompt, choose);
}

/**
 * @param {(Node | string)[]} parts
 * @param {boolean} isSame
 */
function marked(parts, isSame) {
  return h(isSame ? "span" : "mark", {}, ...parts);
}

// The settings were changed elsewhere: where changes touch, the user decides.

import { button, h, nameNodes } from "./ai-config-dom.js";
import { draftOf, rebase } from "./ai-config-draft.js";
import { keyStatus, typedKey } from "./ai-config-key.js";
import { merge } from "./ai-config-merge.js";
import { t } from "./ai-config-language.js";

/** @typedef {import("./ai-config-stored.js").Stored} Stored */
/** @typedef {import("./ai-config-types.d.ts").Clash} Clash */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").Side} Side */
/** @typedef {import("./ai-config-view.js").SettingsView} SettingsView */

/**
 * @typedef {object} Form
 * @property {() => [Draft, Stored]} current the draft, and what it was made from
 * @property {(stored: Stored, draft: Draft) => void} show
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
   * Let the user decide; nothing is written or discarded until then.
   * @param {Stored} theirs
   */
  ask(theirs) {
    const [mine, base] = this.#form.current();
    /** @type {Record<string, Side>} */
    const choices = {};
    const save = () => {
      const { draft, lost } = merge(base.config, mine, theirs.config, choices);
      if (this.#show(theirs, draft, lost)) this.#form.save();
    };
    const { clashes } = merge(base.config, mine, theirs.config);
    const choose = (/** @type {string} */ id, /** @type {Side} */ side) => (choices[id] = side);
    const heading = h("h2", { id: "conflict-title", class: "heading", tabindex: -1 }, t.conflict);
    const section = h("section", { class: "conflict", "aria-labelledby": heading.id }, heading);
    section.append(
      h("p", {}, t.conflictText),
      ...clashes.map((clash, n) => renderClash(clash, n, choose)),
      h(
        "div",
        { class: "notice-actions" },
        button(t.save, save, "primary"),
        button(t.useSaved, () => this.#take(theirs)),
      ),
    );
    this.#view.showConflict(section);
  }

  /**
   * Show what was changed elsewhere, together with what was changed here.
   * @param {Stored} theirs
   */
  receive(theirs) {
    const [mine, base] = this.#form.current();
    const { draft, clashes, lost } = merge(base.config, mine, theirs.config);
    const isApart = !clashes.length && !lost.length;
    if (isApart) this.#form.show(theirs, draft);
    const actions = isApart ? [] : [{ text: t.compare, run: () => this.ask(theirs) }];
    const title = isApart ? t.changedElsewhere : t.conflict;
    this.#view.showNotice({ tone: isApart ? "info" : "warning", title, actions });
  }

  /**
   * Nothing was deleted: say so, and delete only what the user has seen.
   * @param {Stored} theirs
   */
  refuseDelete(theirs) {
    const actions = [
      { text: t.showSaved, run: () => this.#take(theirs) },
      { text: t.deleteAnyway, run: () => this.#form.remove(theirs) },
    ];
    const notice = { title: t.conflict, text: t.notDeleted, actions };
    this.#view.showNotice({ tone: "warning", ...notice }, { scroll: true });
  }

  /**
   * Show what is saved, without what was changed here.
   * @param {Stored} theirs
   */
  #take(theirs) {
    const [mine, base] = this.#form.current();
    this.#show(theirs, draftOf(theirs.config), []);
    this.#offer(merge(base.config, mine, theirs.config).draft, true);
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
      const lost = rebase(other, stored.config);
      if (this.#show(stored, other, lost)) this.#offer(current, !isMine);
    };
    this.#view.showNotice({ tone: "info", title, actions: [{ text, run }] }, { scroll: true });
  }

  /**
   * Show a draft. False if a key that it relied on is gone.
   *
   * @param {Stored} stored what the draft is made from
   * @param {Draft} draft
   * @param {string[]} lost the names of the entries whose key is gone
   */
  #show(stored, draft, lost) {
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
 * @param {Clash} clash
 * @param {number} number
 * @param {(id: string, side: Side) => void} choose
 */
function renderClash(clash, number, choose) {
  const versions = /** @type {Side[]} */ (["mine", "theirs"]).map((side) => {
    const id = `clash-${number}-${side}`;
    const change = () => choose(clash.id, side);
    const radio = h("input", { type: "radio", id, name: `clash-${number}`, change });
    radio.checked = side === "mine";
    const label = h("label", { for: id }, radio, t[side]);
    return h("div", { class: "version" }, label, renderValue(clash, side));
  });
  const name = clash.entry ? [...nameNodes(clash.entry), ": "] : [];
  const title = h("legend", {}, ...name, t.clash[clash.field]);
  return h("fieldset", { class: "versions" }, title, ...versions);
}

/**
 * @param {Clash} clash
 * @param {Side} side
 */
function renderValue(clash, side) {
  const value = /** @type {any} */ (clash[side]);
  switch (clash.field) {
    case "isPaid":
      return value ? t.paid : t.free;
    case "enabled":
      return value ? t.on : t.off;
    case "key":
      return side === "mine" ? t.keyChange[/** @type {"new"} */ (value)] : t.keyStatus[/** @type {"set"} */ (value)];
    case "entry":
      return value ? renderEntry(value) : t.entryRemoved;
    case "order":
      return h("ol", {}, ...value.map((/** @type {string} */ name) => h("li", {}, h("bdi", {}, name))));
    case "all":
      return value ? t.allKept : t.allDeleted;
    default: {
      const text = h("div", { class: "version-text", tabindex: 0, role: "region" }, value || t.none);
      text.setAttribute("aria-label", `${t.clash[clash.field]}: ${t[side]}`);
      return text;
    }
  }
}

/** @param {DraftEntry} entry */
function renderEntry(entry) {
  const key = typedKey(entry) ? t.keyChange.new : t.keyStatus[keyStatus(entry)];
  const facts = [entry.type.trim(), entry.isPaid ? t.paid : t.free, `${t.key}: ${key}`];
  return h("p", {}, ...nameNodes(entry), ` (${facts.join(", ")})`);
}

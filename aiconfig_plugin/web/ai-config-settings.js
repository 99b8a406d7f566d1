// <ai-config-settings>: a form for a user's AI models, API keys and system prompt.
//
//   const settings = document.querySelector("ai-config-settings");
//   settings.client = new AIConfigClient({ baseURL: "/api/v1", getToken });
//
// The events that it raises are in ai-config.d.ts.

import { ConflictView } from "./ai-config-conflict.js";
import * as drafts from "./ai-config-draft.js";
import { isAIConfigError } from "./ai-config-error.js";
import { EntryList } from "./ai-config-list.js";
import { bestLanguage, listeners, t, useLanguage } from "./ai-config-language.js";
import { describeFailure } from "./ai-config-notice.js";
import { Operations } from "./ai-config-operations.js";
import { Conflict, NOTHING, OwnerChanged } from "./ai-config-stored.js";
import { TransferView } from "./ai-config-transfer-view.js";
import { SettingsView } from "./ai-config-view.js";
import { showViolations } from "./ai-config-violations.js";

/** @typedef {import("./ai-config-stored.js").Stored} Stored */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-notice.js").Operation} Operation */
/** @typedef {import("./ai-config-operations.js").Result} Result */

export class AIConfigSettings extends HTMLElement {
  static observedAttributes = ["lang"];
  #root = this.attachShadow({ mode: "open" });
  #operations = new Operations({
    changed: () => this.#changed(),
    waiting: (cancel) => this.#showWaiting(cancel),
    unauthorized: (detail) => this.#emit("ai-config-unauthorized", detail),
    failed: (error, operation, again) => this.#fail(error, operation, again),
  });
  #stored = NOTHING;
  #draft = drafts.draftOf(null);
  /** The words that are shown. */
  #words = t;
  #view = this.#makeView();
  #list = this.#makeList();
  #conflict = this.#makeConflict();

  #makeView() {
    return new SettingsView(this.#root, {
      add: () => this.#list.add(),
      save: () => this.save(),
      discard: () => this.#discard(),
      remove: () => this.#deleteAll(),
      prompt: (text) => {
        this.#draft.prompt = text;
        this.#changed();
      },
    });
  }

  #makeList() {
    return new EntryList(this.#view, {
      changed: () => this.#changed(),
      isDirty: () => this.dirty,
      save: () => this.save(),
      test: (entry) => this.#operations.test(entry),
    });
  }

  /** Make what can replace the draft: other versions of it, and files. */
  #makeConflict() {
    const form = {
      current: () => /** @type {[Draft, Stored]} */ ([this.#draft, this.#stored]),
      show: (/** @type {Stored} */ stored, /** @type {Draft} */ draft) => this.#show(stored, draft),
      save: () => this.save(),
      remove: (/** @type {Stored} */ stored) => this.#delete(stored),
    };
    new TransferView(this.#view, form);
    return new ConflictView(this.#view, form);
  }

  connectedCallback() {
    if (Object.hasOwn(this, "client")) {
      // Set before the element was defined: an own property that shadows the accessor.
      const { client } = this;
      Reflect.deleteProperty(this, "client");
      this.client = client;
    }
    window.addEventListener("beforeunload", this.#beforeUnload);
    document.addEventListener("visibilitychange", this.#look);
    listeners.add(this.#translate);
    this.#translate();
  }

  disconnectedCallback() {
    window.removeEventListener("beforeunload", this.#beforeUnload);
    document.removeEventListener("visibilitychange", this.#look);
    listeners.delete(this.#translate);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#translate();
  }

  /** Show the words of the page's language; notices are closed, and what was typed stays. */
  #translate = async () => {
    const closest = /** @type {HTMLElement | null} */ (this.closest("[lang]"));
    this.#view.hide(true);
    await useLanguage(bestLanguage(closest?.lang ?? ""));
    this.#view.hide(false);
    if (this.#words === t) return;
    this.#words = t;
    const { phase } = this.#view;
    this.#view = this.#makeView();
    const { catalog } = this.#list;
    this.#list = this.#makeList();
    this.#offer(catalog);
    this.#conflict = this.#makeConflict();
    this.#view.setPhase(phase === "choosing" ? "ready" : phase);
    this.#show(this.#stored, this.#draft);
  };

  get client() {
    return this.#operations.client;
  }

  /** Setting another one loads its configuration; null clears the form. */
  set client(client) {
    if (client === this.client) return;
    this.#operations.connect(client);
    this.#show(NOTHING);
    this.#view.showNotice(null);
    this.#view.setPhase("empty");
    this.load();
  }

  /** Whether there are unsaved changes. */
  get dirty() {
    return drafts.isDirty(this.#draft, this.#stored.config);
  }

  /**
   * Load the stored configuration, replacing the contents of the form.
   * @returns {Promise<Result>}
   */
  load() {
    const before = this.#view.phase;
    return this.#operations.run("load", async (connection) => {
      this.#view.setPhase("loading");
      const stored = await connection.load().catch((error) => {
        if (!connection.signal.aborted) this.#view.setPhase(before);
        throw error;
      });
      return () => {
        this.#offer(connection.catalog);
        this.#show(stored);
        this.#view.setPhase("ready");
      };
    });
  }

  /**
   * Save the form.
   * @returns {Promise<Result>}
   */
  async save() {
    if (!this.dirty) return this.client ? "unchanged" : "disconnected";
    return this.#operations.run("save", async (connection) => {
      this.#list.clearErrors();
      this.#view.prompt.setError("");
      const { needsKeys } = this.#list.undo;
      const keys = needsKeys ? await connection.readKeys(this.#stored.etag).catch(() => null) : null;
      const stored = await connection.save(this.#draft, this.#stored);
      return () => {
        this.#show(stored, drafts.draftOf(stored.config));
        this.#list.undo.saved(keys);
        this.#view.announce(t.saved);
        if (stored.merged) this.#view.showNotice({ tone: "info", title: t.merged });
        this.#emit("ai-config-saved", { config: stored.config });
      };
    });
  }

  async #deleteAll() {
    const words = { title: t.deleteTitle, text: t.deleteText, no: t.deleteKeep, yes: t.deleteConfirm };
    if (await this.#view.confirm(words)) this.#delete();
  }

  /** @param {Stored} [stored] what is to be deleted */
  #delete(stored = this.#stored) {
    return this.#operations.run("delete", async (connection) => {
      await connection.remove(stored);
      return () => {
        this.#show(NOTHING);
        this.#view.announce(t.deleted);
        this.#view.add.focus();
        this.#emit("ai-config-saved", { config: null });
      };
    });
  }

  /**
   * @param {unknown} error
   * @param {Operation} operation
   * @param {import("./ai-config-operations.js").Again} again
   */
  #fail(error, operation, again) {
    if (error instanceof Conflict) {
      if (operation === "delete") this.#conflict.refuseDelete(error.stored);
      else this.#conflict.ask(error.stored);
      return "conflict";
    }
    if (error instanceof OwnerChanged) this.#replaceOwner(error.stored);
    else if (isAIConfigError(error) && error.status === 422 && error.errors.length) {
      showViolations(error.errors, this.#view, this.#list);
    } else {
      const notice = describeFailure(error, { operation, ...again });
      this.#view.showNotice(notice, { scroll: operation !== "load" });
    }
    this.#emit("ai-config-error", { error, operation });
    return "failed";
  }

  /** @param {(() => void) | null} cancel */
  #showWaiting(cancel) {
    const actions = [{ text: t.cancel, run: () => cancel?.() }];
    this.#view.showNotice(cancel && { tone: "info", title: t.logInWaiting, actions });
  }

  /**
   * Another user has logged in: nothing of what the one before has typed is kept.
   * @param {Stored} stored
   */
  #replaceOwner(stored) {
    this.#show(stored);
    this.#view.setPhase("ready");
    const notice = { title: t.otherUser, text: t.otherUserText };
    this.#view.showNotice({ tone: "warning", ...notice }, { scroll: true });
  }

  /** The page is shown again: show what was changed elsewhere meanwhile. */
  #look = async () => {
    const before = this.#stored;
    if (document.hidden || this.#view.phase !== "ready") return;
    const now = await this.#operations.look(before).catch((error) => {
      if (error instanceof OwnerChanged) this.#replaceOwner(error.stored);
    });
    if (now && !this.#operations.busy && this.#stored === before) this.#conflict.receive(now);
  };

  /**
   * @param {Stored} stored
   * @param {Draft} [draft] goes on with what was removed; without one the draft begins anew
   */
  #show(stored, draft) {
    if (!draft) this.#list.undo.clear();
    this.#stored = stored;
    this.#draft = draft ?? drafts.draftOf(stored.config);
    this.#list.show(this.#draft.models);
    this.#view.setPrompt(this.#draft.prompt);
    this.#changed();
  }

  /** Show what the operator offers. @param {EntryList["catalog"]} catalog */
  #offer(catalog) {
    this.#list.catalog = catalog;
    this.#view.setOperatorsPrompt(catalog?.systemPrompt ?? null);
  }

  async #discard() {
    if (!this.dirty || this.#operations.busy) return;
    const typed = this.#draft.models.filter((entry) => entry.newKey.trim()).map((entry) => drafts.nameOf(entry) || t.newModel);
    const text = t.discardText(typed.join(", "));
    const words = { title: t.discardTitle, text, no: t.discardKeep, yes: t.discard };
    if (typed.length && !(await this.#view.confirm(words))) return;
    this.#show(this.#stored);
    this.#view.showNotice(null);
    this.#view.announce(t.discarded);
  }

  #changed() {
    this.#view.setState({
      busy: this.#operations.busy,
      dirty: this.dirty,
      stored: this.#stored.config !== null,
      full: this.#list.isFull,
    });
  }

  /**
   * @param {string} name
   * @param {object} detail
   */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail }));
  }

  #beforeUnload = (/** @type {BeforeUnloadEvent} */ event) => {
    if (this.dirty) event.preventDefault();
  };
}

if (!customElements.get("ai-config-settings")) {
  customElements.define("ai-config-settings", AIConfigSettings);
}

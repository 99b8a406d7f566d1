// <ai-config-settings>: a form for a user's AI models, API keys and system prompt.
//
//   const settings = document.querySelector("ai-config-settings");
//   settings.client = new AIConfigClient({ baseURL: "/api/v1", getToken });
//
// Events (all bubble):
//
//   ai-config-unauthorized  A request was answered with 401. Pass detail.waitUntil a promise that
//                           resolves to true once there is a new token; the request is then
//                           repeated. If detail.interactive is true, the user has just clicked
//                           "Log in again", so a window may be opened.
//   ai-config-saved         detail.config is the stored configuration, null after a deletion.

import { AIConfigError } from "./ai-config-client.js";
import { NOTHING, isConflict, read, write } from "./ai-config-connection.js";
import * as drafts from "./ai-config-draft.js";
import { EntryList } from "./ai-config-list.js";
import { describeFailure, describeViolation, renderConflict } from "./ai-config-notice.js";
import { SettingsView } from "./ai-config-view.js";

/** @typedef {import("./ai-config-client.js").AIConfigClient} AIConfigClient */
/** @typedef {import("./ai-config-client.js").Violation} Violation */
/** @typedef {import("./ai-config-dom.js").Field} Field */
/** @typedef {import("./ai-config-connection.js").Stored} Stored */

export class AIConfigSettings extends HTMLElement {
  /** @type {AIConfigClient | null} */
  #client = null;
  #stored = NOTHING;
  #draft = drafts.draftOf(null);
  #busy = "";
  #view;
  #list;

  constructor() {
    super();
    this.#view = new SettingsView(this.attachShadow({ mode: "open" }), {
      add: () => this.#list.add(),
      save: () => this.save(),
      discard: () => this.#discard(),
      remove: () => this.#removeAll(),
      prompt: (text) => {
        this.#draft.prompt = text;
        this.#changed();
      },
    });
    this.#list = new EntryList(this.#view, () => this.#changed());
  }

  connectedCallback() {
    if (Object.hasOwn(this, "client")) {
      // Set before the element was defined: an own property that shadows the accessor.
      const { client } = this;
      Reflect.deleteProperty(this, "client");
      this.client = client;
    }
    window.addEventListener("beforeunload", this.#beforeUnload);
  }

  disconnectedCallback() {
    window.removeEventListener("beforeunload", this.#beforeUnload);
  }

  get client() {
    return this.#client;
  }

  /** Setting it loads the configuration; null clears the form. */
  set client(client) {
    this.#client = client;
    this.#show(NOTHING);
    this.#view.showNotice(null);
    this.#view.setPhase("empty");
    this.load();
  }

  /** Whether there are unsaved changes. */
  get dirty() {
    return drafts.isDirty(this.#draft, this.#stored.config);
  }

  /** Load the stored configuration, replacing the contents of the form. */
  async load() {
    await this.#run("Loading…", async (client) => {
      const before = this.#view.setPhase("loading");
      const stored = await read(client).catch((error) => {
        this.#view.setPhase(before);
        throw error;
      });
      this.#show(stored);
      this.#view.setPhase("ready");
    });
  }

  /** Save the form; does nothing if there are no unsaved changes. */
  async save() {
    if (!this.dirty) return;
    await this.#run("Saving…", async (client) => {
      this.#list.clearErrors();
      this.#view.prompt.setError("");
      this.#show(await write(client, this.#draft, this.#stored));
      this.#view.announce("Saved.");
      this.#emit("ai-config-saved", { config: this.#stored.config });
    });
  }

  async #removeAll() {
    await this.#run("Deleting…", async (client) => {
      await client.remove({ ifMatch: this.#stored.etag });
      this.#show(NOTHING);
      this.#view.announce("Deleted.");
      this.#view.add.focus();
      this.#emit("ai-config-saved", { config: null });
    });
  }

  /**
   * Run one operation at a time. A failed one can be retried, and is after a new log-in.
   *
   * @param {string} busy
   * @param {(client: AIConfigClient) => Promise<void>} work
   * @param {boolean} [renewed] whether the token was just renewed for it
   */
  async #run(busy, work, renewed = false) {
    const client = this.#client;
    if (!client || this.#busy) return;
    this.#setBusy(busy);
    this.#view.showNotice(null);
    /** @type {unknown} */
    let failure = null;
    try {
      await work(client).catch(async (error) => {
        if (!isConflict(error)) throw error;
        this.#choose(await read(client));
      });
    } catch (error) {
      failure = error;
    }
    if (client !== this.#client) return;
    this.#setBusy("");
    if (failure) this.#fail(failure, busy, work, renewed);
  }

  /**
   * @param {unknown} error
   * @param {string} busy
   * @param {(client: AIConfigClient) => Promise<void>} work
   * @param {boolean} renewed
   */
  async #fail(error, busy, work, renewed) {
    if (error instanceof AIConfigError && error.status === 422 && this.#place(error.errors)) return;
    const login = async (/** @type {boolean} */ interactive) => {
      const again = await this.#askForToken(interactive);
      if (again) await this.#run(busy, work, true);
      return again;
    };
    if (error instanceof AIConfigError && error.status === 401 && !renewed) {
      if (await login(false)) return;
    }
    const saving = busy !== "Loading…";
    const retry = () => this.#run(busy, work);
    this.#view.showNotice(describeFailure(error, { saving, retry, login: () => login(true) }));
  }

  /** @param {boolean} interactive */
  async #askForToken(interactive) {
    const client = this.#client;
    /** @type {Promise<boolean>[]} */
    const answers = [];
    const waitUntil = (/** @type {Promise<boolean>} */ answer) => answers.push(answer);
    this.#emit("ai-config-unauthorized", { interactive, waitUntil });
    const renewed = await Promise.all(answers).catch(() => [false]);
    return client === this.#client && renewed.some(Boolean);
  }

  /**
   * Show both versions; nothing is written or discarded until the user has chosen.
   * @param {Stored} theirs
   */
  #choose(theirs) {
    const mine = this.#draft;
    const keepMine = () => {
      if (this.#resume(mine, theirs)) this.save();
    };
    const takeTheirs = () => {
      this.#show(theirs);
      this.#view.setPhase("ready");
      this.#view.add.focus();
      const back = { text: "Go back to mine", run: () => this.#resume(mine, theirs) };
      const title = "Showing the saved version";
      this.#view.showNotice({ tone: "info", title, actions: [back] });
    };
    const theirConfig = theirs.config;
    this.#view.showConflict(renderConflict({ mine, theirs: theirConfig, keepMine, takeTheirs }));
  }

  /**
   * Continue with a draft, rebased on what is stored. False if a key that it relied on is gone.
   *
   * @param {drafts.Draft} draft
   * @param {Stored} stored
   */
  #resume(draft, stored) {
    const lost = drafts.rebase(draft, stored.config);
    this.#show(stored, draft);
    this.#view.setPhase("ready");
    this.#view.showNotice(null);
    this.#view.add.focus();
    if (!lost.length) return true;
    const text = `Enter it again or save without it: ${lost.join(", ")}.`;
    this.#view.showNotice({ tone: "warning", title: "A key was removed elsewhere", text });
    return false;
  }

  /**
   * @param {Stored} stored
   * @param {drafts.Draft} [draft]
   */
  #show(stored, draft = drafts.draftOf(stored.config)) {
    this.#stored = stored;
    this.#draft = draft;
    this.#list.show(draft.models);
    this.#view.setPrompt(draft.prompt);
    this.#changed();
  }

  #discard() {
    if (!this.dirty || this.#busy) return;
    this.#show(this.#stored);
    this.#view.showNotice(null);
    this.#view.announce("Changes discarded.");
  }

  #changed() {
    this.#list.place();
    this.#view.setState({
      busy: this.#busy,
      dirty: this.dirty,
      stored: this.#stored.config !== null,
      full: this.#list.isFull,
    });
  }

  /** @param {string} busy */
  #setBusy(busy) {
    this.#busy = busy;
    this.#changed();
  }

  /**
   * Show each violation at its field and focus the first. False if there are none.
   * @param {Violation[]} violations
   */
  #place(violations) {
    /** @type {Field[]} */
    const wrong = [];
    const elsewhere = [];
    for (const violation of violations) {
      const field = this.#fieldAt(violation.pointer);
      const text = describeViolation(violation);
      if (!field) elsewhere.push(text);
      else if (!wrong.includes(field)) {
        field.setError(text);
        wrong.push(field);
      }
    }
    const number = wrong.length === 1 ? "One field needs" : `${wrong.length} fields need`;
    const title = wrong.length ? `${number} your attention` : "This cannot be saved";
    const text = [...elsewhere, "Nothing was saved."].join(" ");
    this.#view.showNotice({ tone: "error", title, text });
    const before = Node.DOCUMENT_POSITION_PRECEDING;
    wrong.sort((a, b) => (a.control.compareDocumentPosition(b.control) & before ? 1 : -1));
    (wrong[0]?.control ?? this.#view.add).focus();
    return violations.length > 0;
  }

  /** @param {string} pointer a JSON Pointer (RFC 6901) into the request body */
  #fieldAt(pointer) {
    const [, top, index, member = "model"] = pointer.split("/");
    if (top === "system_prompt") return this.#view.prompt;
    return top === "models" && index ? this.#list.fieldAt(Number(index), member) : undefined;
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

customElements.define("ai-config-settings", AIConfigSettings);

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
//   ai-config-error         An operation has failed; detail.error and detail.operation say which.

import { ConflictView } from "./ai-config-conflict.js";
import { Conflict, Connection, NOTHING, OwnerChanged } from "./ai-config-connection.js";
import * as drafts from "./ai-config-draft.js";
import { isAIConfigError } from "./ai-config-error.js";
import { EntryList } from "./ai-config-list.js";
import { logIn, renewToken } from "./ai-config-login.js";
import { describeFailure } from "./ai-config-notice.js";
import { SettingsView } from "./ai-config-view.js";
import { showViolations } from "./ai-config-violations.js";

/** @typedef {import("./ai-config-client.js").AIConfigClient} AIConfigClient */
/** @typedef {import("./ai-config-connection.js").Stored} Stored */
/** @typedef {import("./ai-config-notice.js").Operation} Operation */

/**
 * What became of an operation: `unchanged`, there was nothing to save; `busy`, another one was
 * running; `disconnected`, there is no client, or it was replaced meanwhile.
 *
 * @typedef {"done" | "unchanged" | "conflict" | "failed" | "busy" | "disconnected"} Result
 */

const BUSY = { load: "Loading…", save: "Saving…", delete: "Deleting…" };

export class AIConfigSettings extends HTMLElement {
  /** @type {Connection | null} */
  #connection = null;
  #stored = NOTHING;
  #draft = drafts.draftOf(null);
  #busy = "";
  #view;
  #list;
  #conflict;

  constructor() {
    super();
    this.#view = new SettingsView(this.attachShadow({ mode: "open" }), {
      add: () => this.#list.add(),
      save: () => this.save(),
      discard: () => this.#discard(),
      remove: () => this.#delete(),
      prompt: (text) => {
        this.#draft.prompt = text;
        this.#changed();
      },
    });
    this.#list = new EntryList(this.#view, () => this.#changed());
    this.#conflict = new ConflictView(this.#view, {
      current: () => [this.#draft, this.#stored],
      show: (stored, draft) => this.#show(stored, draft),
      save: () => this.save(),
      remove: (stored) => this.#delete(stored),
    });
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
    return this.#connection?.client ?? null;
  }

  /** Setting another one loads its configuration; null clears the form. */
  set client(client) {
    if (client === this.client) return;
    this.#connection?.close();
    this.#connection = client ? new Connection(client) : null;
    this.#busy = "";
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
    return this.#run("load", async (connection) => {
      this.#view.setPhase("loading");
      const stored = await connection.load().catch((error) => {
        if (!connection.signal.aborted) this.#view.setPhase(before);
        throw error;
      });
      return () => {
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
    if (!this.dirty) return this.#connection ? "unchanged" : "disconnected";
    return this.#run("save", async (connection) => {
      this.#list.clearErrors();
      this.#view.prompt.setError("");
      const stored = await connection.save(this.#draft, this.#stored);
      return () => {
        this.#show(stored);
        this.#view.announce("Saved.");
        this.#emit("ai-config-saved", { config: stored.config });
      };
    });
  }

  /** @param {Stored} [stored] what is to be deleted */
  #delete(stored = this.#stored) {
    return this.#run("delete", async (connection) => {
      await connection.remove(stored);
      return () => {
        this.#show(NOTHING);
        this.#view.announce("Deleted.");
        this.#view.add.focus();
        this.#emit("ai-config-saved", { config: null });
      };
    });
  }

  /**
   * Run one operation at a time, including a log-in that it needs. What was started with a client
   * that has been replaced meanwhile has no effect.
   *
   * @param {Operation} operation
   * @param {(connection: Connection) => Promise<() => void>} work requests; returns what shows
   *   their result
   * @param {boolean} [login] whether the user has to log in first
   * @returns {Promise<Result>}
   */
  async #run(operation, work, login = false) {
    const connection = this.#connection;
    if (!connection) return "disconnected";
    if (this.#busy) return "busy";
    this.#setBusy(BUSY[operation]);
    this.#view.showNotice(null);
    /** @type {unknown} */
    let failure = null;
    let finish = () => {};
    try {
      finish = await this.#attempt(connection, work, login);
    } catch (error) {
      failure = error;
    }
    if (connection !== this.#connection) return "disconnected";
    this.#setBusy("");
    if (!failure) {
      finish();
      return "done";
    }
    if (failure instanceof Conflict) {
      if (operation === "delete") this.#conflict.refuseDelete(this.#draft, failure.stored);
      else this.#conflict.ask(this.#draft, failure.stored);
      return "conflict";
    }
    this.#fail(failure, operation, work);
    return "failed";
  }

  /**
   * @param {Connection} connection
   * @param {(connection: Connection) => Promise<() => void>} work
   * @param {boolean} login
   */
  async #attempt(connection, work, login) {
    const emit = (/** @type {object} */ detail) => this.#emit("ai-config-unauthorized", detail);
    try {
      if (login) {
        await logIn(emit, connection.signal, (cancel) => this.#showWaiting(cancel));
        if (connection === this.#connection) this.#view.showNotice(null);
      }
      return await work(connection);
    } catch (error) {
      if (login || !isAIConfigError(error) || error.status !== 401) throw error;
      if (!(await renewToken(emit, connection.signal))) throw error;
      return work(connection);
    }
  }

  /**
   * @param {unknown} error
   * @param {Operation} operation
   * @param {(connection: Connection) => Promise<() => void>} work
   */
  #fail(error, operation, work) {
    if (error instanceof OwnerChanged) this.#replaceOwner(error.stored);
    else if (isAIConfigError(error) && error.status === 422 && error.errors.length) {
      showViolations(error.errors, this.#view, this.#list);
    } else {
      const retry = () => this.#run(operation, work);
      const login = () => this.#run(operation, work, true);
      const notice = describeFailure(error, { operation, retry, login });
      this.#view.showNotice(notice, { scroll: operation !== "load" });
    }
    this.#emit("ai-config-error", { error, operation });
  }

  /** @param {() => void} cancel */
  #showWaiting(cancel) {
    const actions = [{ text: "Cancel", run: cancel }];
    this.#view.showNotice({ tone: "info", title: "Waiting for the log-in…", actions });
  }

  /**
   * Another user has logged in: nothing of what the one before has typed is kept.
   * @param {Stored} stored
   */
  #replaceOwner(stored) {
    this.#show(stored);
    this.#view.setPhase("ready");
    const title = "You are logged in as another user";
    const text = "Unsaved changes of the previous user were discarded.";
    this.#view.showNotice({ tone: "warning", title, text }, { scroll: true });
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

// Run one operation at a time, with the log-in that it may need.

import { Connection } from "./ai-config-connection.js";
import { isAIConfigError } from "./ai-config-error.js";
import { logIn, renewToken } from "./ai-config-login.js";
import { t } from "./ai-config-language.js";
import { describeFailure } from "./ai-config-notice.js";
import { OwnerChanged } from "./ai-config-stored.js";

/** @typedef {import("./ai-config-client.js").AIConfigClient} AIConfigClient */
/** @typedef {import("./ai-config-notice.js").Operation} Operation */
/** @typedef {import("./ai-config-stored.js").Stored} Stored */
/** @typedef {import("./ai-config-types.d.ts").ModelEntry} ModelEntry */

/**
 * What became of an operation: `unchanged`, there was nothing to save; `busy`, another one was
 * running; `disconnected`, there is no client, or it was replaced meanwhile.
 *
 * @typedef {"done" | "unchanged" | "conflict" | "failed" | "busy" | "disconnected"} Result
 */

/** Requests; returns what shows their result. @typedef {(to: Connection) => Promise<() => void>} Work */

/** Run the operation again, without and with a log-in. @typedef {{retry: () => void, login: () => void}} Again */

/**
 * @typedef {object} Page
 * @property {() => void} changed an operation has begun or has ended
 * @property {(cancel: (() => void) | null) => void} waiting the user has to log in; null: no longer
 * @property {(detail: object) => void} unauthorized asks the host for a token
 * @property {(error: unknown, operation: Operation, again: Again) => "conflict" | "failed"} failed
 */

export class Operations {
  #page;
  /** @type {Connection | null} */
  #connection = null;
  /** The operation in progress. @type {Operation | ""} */
  busy = "";

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
  }

  get client() {
    return this.#connection?.client ?? null;
  }

  /**
   * Use another client. What was started with the one before has no effect.
   * @param {AIConfigClient | null} client
   */
  connect(client) {
    this.#connection?.close();
    this.#connection = client ? new Connection(client) : null;
    this.busy = "";
  }

  /**
   * @param {Operation} operation
   * @param {Work} work
   * @param {boolean} [login] whether the user has to log in first
   * @returns {Promise<Result>}
   */
  async run(operation, work, login = false) {
    const connection = this.#connection;
    if (!connection) return "disconnected";
    if (this.busy) return "busy";
    this.#setBusy(operation);
    this.#page.waiting(null);
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
    const retry = () => this.run(operation, work);
    const again = { retry, login: () => this.run(operation, work, true) };
    return this.#page.failed(failure, operation, again);
  }

  /**
   * Ask the provider about the stored key of an entry, whatever else is in progress. What it says is
   * put into the entry; returned is what else there is to say.
   *
   * @param {ModelEntry} entry
   * @returns {Promise<string>}
   */
  async test(entry) {
    const connection = this.#connection;
    if (!connection) return "";
    try {
      const { result, detail } = await this.#attempt(connection, () => connection.verify(entry), false);
      if (result === "unreachable" || result === "unknown") return detail || t.testUnknown;
      const lastUsedAt = entry.keyUse?.lastUsedAt ?? null;
      entry.keyUse = { lastUsedAt, lastResult: result, lastResultAt: new Date().toISOString() };
      return "";
    } catch (error) {
      const notice = describeFailure(error, { operation: "load", retry() {}, login() {} });
      return [notice.title, notice.text].filter(Boolean).join(". ");
    }
  }

  /**
   * Return what is stored if it is not what is shown any more. Failures are of no interest: nobody
   * has asked.
   *
   * @param {Stored} shown
   * @throws {OwnerChanged}
   */
  async look(shown) {
    const connection = this.#connection;
    if (!connection || this.busy) return null;
    const now = await connection.changed(shown).catch((error) => {
      if (error instanceof OwnerChanged && connection === this.#connection) throw error;
    });
    return connection === this.#connection ? now : null;
  }

  /**
   * @template T
   * @param {Connection} connection
   * @param {(connection: Connection) => Promise<T>} work
   * @param {boolean} login
   */
  async #attempt(connection, work, login) {
    const ask = this.#page.unauthorized;
    try {
      if (login) {
        await logIn(ask, connection.signal, this.#page.waiting);
        connection.renewed();
        if (connection === this.#connection) this.#page.waiting(null);
      }
      return await work(connection);
    } catch (error) {
      if (login || !isAIConfigError(error) || error.status !== 401) throw error;
      if (!(await renewToken(ask, connection.signal))) throw error;
      connection.renewed();
      return work(connection);
    }
  }

  /** @param {Operation | ""} busy */
  #setBusy(busy) {
    this.busy = busy;
    this.#page.changed();
  }
}

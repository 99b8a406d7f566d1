// Read and write one user's configuration for the settings element, through one client.

import { AIConfigError, isAIConfigError } from "./ai-config-error.js";
import { sealApiKey } from "./ai-config-seal.js";
import { isDirty, rebase } from "./ai-config-draft.js";
import { merge } from "./ai-config-merge.js";
import { Conflict, OwnerChanged, readStored } from "./ai-config-stored.js";
import { isStored, submission } from "./ai-config-submission.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-client.js").AIConfigClient} AIConfigClient */
/** @typedef {import("./ai-config-types.d.ts").Catalog} Catalog */
/** @typedef {import("./ai-config-types.d.ts").ModelEntry} ModelEntry */
/** @typedef {import("./ai-config-stored.js").Stored} Stored */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-types.d.ts").Submission} Submission */
/** @typedef {import("./ai-config-types.d.ts").EncryptionKeyDocument} EncryptionKeyDocument */

/** Everything that one client is asked; closed when the element gets another client. */
export class Connection {
  #client;
  #abort = new AbortController();
  #options = { signal: this.#abort.signal };
  /** Of the user whose settings are shown. @type {EncryptionKeyDocument | null} */
  #document = null;
  /** Whether the token may have become another user's since that was read. */
  #isRenewed = false;
  /** What the operator offers. @type {Catalog | null} */
  catalog = null;
  /** A write that may have been stored. @type {{sent: Submission, draft: string} | null} */
  #uncertain = null;

  /** @param {AIConfigClient} client */
  constructor(client) {
    this.#client = client;
  }

  get client() {
    return this.#client;
  }

  get signal() {
    return this.#abort.signal;
  }

  close() {
    this.#abort.abort();
  }

  /** There is a new token: before the next write the user is confirmed. */
  renewed() {
    this.#isRenewed = true;
  }

  /** Read the configuration of whoever is logged in. */
  async load() {
    const catalog = this.#client.catalog(this.#options).catch(() => null);
    const [document, stored] = await Promise.all([this.#encryptionKey(), this.#read()]);
    this.#document = document;
    this.#isRenewed = false;
    this.catalog = await catalog;
    this.#uncertain = null;
    return stored;
  }

  /**
   * Save a draft that was made from `stored`. Changes made elsewhere since are kept if they do not
   * touch those of the draft; throws a `Conflict` if they do.
   *
   * @param {Draft} draft
   * @param {Stored} stored
   * @returns {Promise<Stored>}
   */
  async save(draft, stored) {
    await this.#prepareWrite(stored);
    /** @type {Submission | null} */
    let sent = null;
    try {
      sent = await this.#prepare(draft, stored);
      return await this.#write(sent, draft, stored);
    } catch (error) {
      if (!isAIConfigError(error)) throw error;
      if (isConflict(error)) return this.#resolveConflict(draft, stored);
      if (error.outcome !== "unknown" || !sent) throw error;
      this.#uncertain = { sent, draft: snapshot(draft) };
      const now = await this.#readAfter(error, stored);
      if (!isStored(now.config, sent)) return this.#merge(draft, stored, now);
      this.#uncertain = null;
      return now;
    }
  }

  /**
   * Return what is stored if it is not what is shown any more, else null.
   * @param {Stored} stored
   */
  async changed(stored) {
    const now = await this.#read();
    if (now.etag === stored.etag) return null;
    await this.#confirmOwner(stored);
    return now;
  }

  /**
   * Delete what is stored.
   * @param {Stored} stored
   */
  async remove(stored) {
    await this.#prepareWrite(stored);
    try {
      await this.#client.remove({ ifMatch: stored.etag, ...this.#options });
    } catch (error) {
      if (!isAIConfigError(error)) throw error;
      if (isConflict(error)) await this.#confirmOwner(stored);
      if (error.code === "config-not-found") return;
      if (error.code === "revision-mismatch") throw new Conflict(await this.#read());
      if (error.outcome !== "unknown") throw error;
      const now = await this.#readAfter(error, stored);
      if (now.config) throw new Conflict(now);
    }
  }

  /**
   * Build the request body.
   *
   * @param {Draft} draft
   * @param {Stored} stored
   */
  #prepare(draft, { etag }) {
    const document = /** @type {EncryptionKeyDocument} */ (this.#document);
    return submission(draft, {
      seal: (apiKey, provider) => sealApiKey(document, apiKey, { provider }),
      stored: () => this.readKeys(etag),
    });
  }

  /**
   * Read the configuration with its stored keys, if it is still at this revision.
   * @param {string | null} etag
   */
  async readKeys(etag) {
    const current = await this.#client.get({ include: ["apiKeyEncrypted"], ...this.#options });
    if (this.#client.etag === etag) return current;
    throw new AIConfigError({ code: "revision-mismatch", status: 412 });
  }

  /**
   * Ask the provider about a stored key.
   * @param {ModelEntry} entry
   */
  verify(entry) {
    return this.#client.verify(entry, this.#options);
  }

  /**
   * @param {Submission} sent
   * @param {Draft} draft
   * @param {Stored} stored
   * @returns {Promise<Stored>}
   */
  async #write(sent, draft, stored) {
    const written = await this.#put(sent.body, stored).catch(async (error) => {
      // The gateway may have a new sealing key since the document was fetched.
      if (!sent.sealed || error.code !== "key-not-accepted") throw error;
      await this.#confirmOwner(stored);
      return this.#put((await this.#prepare(draft, stored)).body, stored);
    });
    this.#uncertain = null;
    const models = written.models.map((entry, n) => {
      const { keyUse, offered } = draft.models[n].origin ?? {};
      const isKept = sent.body.models[n].apiKeyEncrypted === undefined;
      return { ...entry, keyState: sent.keyStates[n], ...(isKept && { keyUse, offered }) };
    });
    return { config: { ...written, models }, etag: this.#client.etag };
  }

  /**
   * @param {AIConfig} body
   * @param {Stored} stored
   */
  #put(body, { config, etag }) {
    if (!config) return this.#client.create(body, this.#options);
    return this.#client.update(body, { ifMatch: etag, ...this.#options });
  }

  /**
   * A conflict with an earlier write of ours, whose outcome was unknown, is none.
   *
   * @param {Draft} draft
   * @param {Stored} stored
   * @returns {Promise<Stored>}
   */
  async #resolveConflict(draft, stored) {
    await this.#confirmOwner(stored);
    const now = await this.#read();
    const earlier = this.#uncertain;
    this.#uncertain = null;
    if (!earlier || !isStored(now.config, earlier.sent)) return this.#merge(draft, stored, now);
    if (snapshot(draft) === earlier.draft) return now;
    rebase(draft, now.config);
    return this.save(draft, now);
  }

  /**
   * @param {Draft} draft
   * @param {Stored} before what it was made from
   * @param {Stored} now
   * @returns {Promise<Stored>}
   */
  async #merge(draft, before, now) {
    const merged = merge(before.config, draft, now.config);
    if (merged.clashes.length || merged.lost.length) throw new Conflict(now);
    const stored = isDirty(merged.draft, now.config) ? await this.save(merged.draft, now) : now;
    return { ...stored, merged: true };
  }

  /**
   * Read again after a write whose outcome is unknown.
   *
   * @param {AIConfigError} error of the write; thrown if nothing was stored, or that is not known
   * @param {Stored} before
   */
  async #readAfter(error, before) {
    const now = await this.changed(before).catch((failure) => {
      throw failure instanceof OwnerChanged ? failure : error;
    });
    if (now) return now;
    error.outcome = "nothing-changed";
    throw error;
  }

  /**
   * Revisions are random: a write that names one of this user's cannot change another user's
   * settings. A first write names none.
   *
   * @param {Stored} stored
   */
  async #prepareWrite(stored) {
    if (stored.etag === null || this.#isRenewed) await this.#confirmOwner(stored);
  }

  /**
   * Fetch the encryption-key document, and check that the user is the one whose settings are shown.
   * @param {Stored} stored
   */
  async #confirmOwner(stored) {
    const before = this.#document?.apv;
    const document = await this.#encryptionKey();
    if (before !== document.apv) {
      const now = await this.#read();
      this.#document = document;
      // A gateway that was updated may name the same user in another way.
      if (stored.etag === null || now.etag !== stored.etag) throw new OwnerChanged(now);
    }
    this.#document = document;
    this.#isRenewed = false;
  }

  #encryptionKey() {
    return this.#client.encryptionKey(this.#options);
  }

  #read() {
    return readStored(this.#client, this.#options);
  }
}

/** @param {AIConfigError} error */
function isConflict({ code }) {
  return ["revision-mismatch", "config-exists", "config-not-found"].includes(code);
}

/** @param {Draft} draft */
function snapshot({ models, prompt }) {
  return JSON.stringify([prompt, models.map(({ origin, ...entry }) => entry)]);
}

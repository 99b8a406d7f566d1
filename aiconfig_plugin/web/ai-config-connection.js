// Read and write one user's configuration for the settings element, through one client.

import { AIConfigError, isAIConfigError } from "./ai-config-error.js";
import { sealApiKey } from "./ai-config-seal.js";
import { rebase } from "./ai-config-draft.js";
import { isStored, submission } from "./ai-config-submission.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-client.js").AIConfigClient} AIConfigClient */
/** @typedef {import("./ai-config-types.d.ts").Catalog} Catalog */
/** @typedef {import("./ai-config-types.d.ts").Include} Include */
/** @typedef {import("./ai-config-types.d.ts").ModelEntry} ModelEntry */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-types.d.ts").Submission} Submission */
/** @typedef {import("./ai-config-types.d.ts").EncryptionKeyDocument} EncryptionKeyDocument */

/**
 * The stored configuration with its key states and its entity tag; null if there is none.
 * @typedef {{config: AIConfig | null, etag: string | null}} Stored
 */

/** @type {Stored} */
export const NOTHING = { config: null, etag: null };

/** The configuration was changed elsewhere. */
export class Conflict extends Error {
  /** @param {Stored} stored */
  constructor(stored) {
    super("The configuration was changed elsewhere.");
    this.stored = stored;
  }
}

/** The access token is another user's now. */
export class OwnerChanged extends Error {
  /** @param {Stored} stored what this user has stored */
  constructor(stored) {
    super("The access token belongs to another user.");
    this.stored = stored;
  }
}

/** Everything that one client is asked; closed when the element gets another client. */
export class Connection {
  #client;
  #abort = new AbortController();
  #options = { signal: this.#abort.signal };
  /** `apv` of the user whose settings are shown. @type {string | null} */
  #owner = null;
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

  /** Read the configuration of whoever is logged in. */
  async load() {
    const catalog = this.#client.catalog(this.#options).catch(() => null);
    const [document, stored] = await Promise.all([this.#encryptionKey(), this.#read()]);
    this.#owner = document.apv;
    this.catalog = await catalog;
    this.#uncertain = null;
    return stored;
  }

  /**
   * Save a draft that was made from `stored`.
   *
   * @param {Draft} draft
   * @param {Stored} stored
   * @returns {Promise<Stored>}
   */
  async save(draft, stored) {
    const document = await this.#confirmOwner(stored);
    /** @type {Submission | null} */
    let sent = null;
    try {
      sent = await this.#prepare(draft, stored, document);
      return await this.#write(sent, draft, stored);
    } catch (error) {
      if (!isAIConfigError(error)) throw error;
      if (isConflict(error)) return this.#resolveConflict(draft);
      if (error.outcome !== "unknown" || !sent) throw error;
      this.#uncertain = { sent, draft: snapshot(draft) };
      const now = await this.#readAfter(error, stored);
      if (!isStored(now.config, sent)) throw new Conflict(now);
      this.#uncertain = null;
      return now;
    }
  }

  /**
   * Delete what is stored.
   * @param {Stored} stored
   */
  async remove(stored) {
    await this.#confirmOwner(stored);
    try {
      await this.#client.remove({ ifMatch: stored.etag, ...this.#options });
    } catch (error) {
      if (!isAIConfigError(error)) throw error;
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
   * @param {EncryptionKeyDocument} document
   */
  #prepare(draft, { etag }, document) {
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
      const document = await this.#encryptionKey();
      // Without a condition on the revision another user could be given the settings.
      if (stored.etag === null && document.apv !== this.#owner) throw error;
      return this.#put((await this.#prepare(draft, stored, document)).body, stored);
    });
    this.#uncertain = null;
    const models = written.models.map((entry, n) => ({
      ...entry,
      keyState: sent.keyStates[n],
      keyUse: sent.body.models[n].apiKeyEncrypted === undefined ? draft.models[n].origin?.keyUse : null,
    }));
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
   * @returns {Promise<Stored>}
   */
  async #resolveConflict(draft) {
    const now = await this.#read();
    const earlier = this.#uncertain;
    this.#uncertain = null;
    if (!earlier || !isStored(now.config, earlier.sent)) throw new Conflict(now);
    if (snapshot(draft) === earlier.draft) return now;
    rebase(draft, now.config);
    return this.save(draft, now);
  }

  /**
   * Read again after a write whose outcome is unknown.
   *
   * @param {AIConfigError} error of the write; thrown if nothing was stored, or that is not known
   * @param {Stored} before
   */
  async #readAfter(error, before) {
    const now = await this.#read().catch(() => {
      throw error;
    });
    if (now.etag !== before.etag) return now;
    error.outcome = "nothing-changed";
    throw error;
  }

  /**
   * Fetch the encryption-key document, and check that the user is the one whose settings are shown.
   * @param {Stored} stored
   */
  async #confirmOwner(stored) {
    const document = await this.#encryptionKey();
    if (this.#owner !== document.apv) {
      const now = await this.#read();
      // A gateway that was updated may name the same user in another way.
      const isSame = stored.etag !== null && now.etag === stored.etag;
      this.#owner = document.apv;
      if (!isSame) throw new OwnerChanged(now);
    }
    return document;
  }

  #encryptionKey() {
    return this.#client.encryptionKey(this.#options);
  }

  /** @returns {Promise<Stored>} */
  async #read() {
    const get = (/** @type {Include[]} */ include) =>
      this.#client.get({ include, ...this.#options });
    try {
      const config = await get(["keyState", "keyUse", "offered"]).catch((error) => {
        // During an upgrade the gateway may be of the version before.
        if (error.code !== "invalid-parameter") throw error;
        return get(["keyState"]);
      });
      return { config, etag: this.#client.etag };
    } catch (error) {
      if (isAIConfigError(error) && error.code === "config-not-found") return NOTHING;
      throw error;
    }
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

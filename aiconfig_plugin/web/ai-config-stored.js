// What is stored for the user, and what may have become of it meanwhile.

import { isAIConfigError } from "./ai-config-error.js";

/** @typedef {import("./ai-config-client.js").AIConfigClient} AIConfigClient */
/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-types.d.ts").CallOptions} CallOptions */
/** @typedef {import("./ai-config-types.d.ts").Include} Include */

/**
 * The stored configuration with its key states and its entity tag; null if there is none. `merged`:
 * it holds changes that were made elsewhere.
 *
 * @typedef {{config: AIConfig | null, etag: string | null, merged?: boolean}} Stored
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

/**
 * @param {AIConfigClient} client
 * @param {CallOptions} options
 * @returns {Promise<Stored>}
 */
export async function readStored(client, options) {
  const get = (/** @type {Include[]} */ include) => client.get({ include, ...options });
  try {
    const config = await get(["keyState", "keyUse", "offered"]).catch((error) => {
      // During an upgrade the gateway may be of the version before.
      if (error.code !== "invalid-parameter") throw error;
      return get(["keyState"]);
    });
    return { config, etag: client.etag };
  } catch (error) {
    if (isAIConfigError(error) && error.code === "config-not-found") return NOTHING;
    throw error;
  }
}

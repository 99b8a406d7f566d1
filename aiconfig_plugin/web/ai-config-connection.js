// Read and write one user's configuration for the settings element.

import { AIConfigError, sealApiKey } from "./ai-config-client.js";
import { submission } from "./ai-config-draft.js";

/** @typedef {import("./ai-config-client.js").AIConfig} AIConfig */
/** @typedef {import("./ai-config-client.js").AIConfigClient} AIConfigClient */
/** @typedef {import("./ai-config-draft.js").Draft} Draft */

/**
 * The stored configuration with its key states and its entity tag; null if there is none.
 * @typedef {{config: AIConfig | null, etag: string | null}} Stored
 */

/** @type {Stored} */
export const NOTHING = { config: null, etag: null };

/**
 * @param {AIConfigClient} client
 * @returns {Promise<Stored>}
 */
export async function read(client) {
  try {
    const config = await client.get({ include: ["keyState"] });
    return { config, etag: client.etag };
  } catch (error) {
    if (error instanceof AIConfigError && error.code === "config-not-found") return NOTHING;
    throw error;
  }
}

/**
 * Save a draft that was made from `stored`.
 *
 * @param {AIConfigClient} client
 * @param {Draft} draft
 * @param {Stored} stored
 * @returns {Promise<Stored>}
 */
export async function write(client, draft, { config, etag }) {
  /** @type {ReturnType<AIConfigClient["encryptionKey"]> | null} */
  let key = null;
  const { body, keyStates } = await submission(draft, {
    seal: async (apiKey) => sealApiKey(await (key ??= client.encryptionKey()), apiKey),
    stored: async () => {
      const current = await client.get({ include: ["apiKeyEncrypted"] });
      if (client.etag === etag) return current;
      throw new AIConfigError({ code: "revision-mismatch", status: 412 });
    },
  });
  const written = await (config ? client.update(body, { ifMatch: etag }) : client.create(body));
  const models = written.models.map((entry, n) => ({ ...entry, keyState: keyStates[n] }));
  return { config: { ...written, models }, etag: client.etag };
}

/** @param {unknown} error */
export function isConflict(error) {
  const codes = ["revision-mismatch", "config-exists", "config-not-found"];
  return error instanceof AIConfigError && codes.includes(error.code);
}

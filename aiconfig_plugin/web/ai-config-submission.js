// The request body that saves a draft. Uses no DOM.

import { canonical, finder, membersOf } from "./ai-config-draft.js";
import { AIConfigError } from "./ai-config-error.js";
import { keyOperation, keyStatus, typedKey } from "./ai-config-key.js";
import { t } from "./ai-config-language.js";
import { parseOptions } from "./ai-config-options.js";
import { MAX_API_KEY_BYTES } from "./ai-config-seal.js";

/** @typedef {import("./ai-config-types.d.ts").AIConfig} AIConfig */
/** @typedef {import("./ai-config-types.d.ts").Draft} Draft */
/** @typedef {import("./ai-config-types.d.ts").DraftEntry} DraftEntry */
/** @typedef {import("./ai-config-types.d.ts").Submission} Submission */

/**
 * Return the request body and, for each entry, the key state after it has been stored.
 *
 * @param {Draft} draft
 * @param {object} given
 * @param {(apiKey: string, provider: string) => Promise<string>} given.seal
 * @param {() => Promise<AIConfig>} given.stored reads the configuration with its stored keys
 * @returns {Promise<Submission>}
 * @throws {AIConfigError} for what the user has to correct first
 */
export async function submission(draft, { seal, stored }) {
  rejectUnfinished(draft);
  const operations = draft.models.map(keyOperation);
  const reads = draft.models.some((entry, n) => operations[n] === "carry" && !ciphertext(entry));
  const find = finder(reads ? await stored() : null);
  const models = draft.models.map(async (entry, n) => {
    const plain = membersOf(entry);
    switch (operations[n]) {
      case "seal":
        return { ...plain, apiKeyEncrypted: await seal(typedKey(entry), plain.provider) };
      case "remove":
        return { ...plain, apiKeyEncrypted: null };
      case "carry": {
        const source = find(keyStatus(entry) === "copied" ? entry.keyFrom : entry.origin);
        return { ...plain, apiKeyEncrypted: ciphertext(entry) ?? source?.apiKeyEncrypted ?? null };
      }
      default:
        return plain;
    }
  });
  const keyStates = draft.models.map((entry, n) => {
    if (operations[n] === "seal" || keyStatus(entry) === "copied") return "set";
    return operations[n] === "remove" ? "unset" : (entry.origin?.keyState ?? "unset");
  });
  const body = { models: await Promise.all(models), system_prompt: draft.prompt };
  return { body, keyStates, sealed: operations.includes("seal") };
}

/** @param {DraftEntry} entry */
function ciphertext(entry) {
  return keyStatus(entry) === "copied" ? entry.keyFrom?.apiKeyEncrypted : undefined;
}

/** @param {Draft} draft */
function rejectUnfinished(draft) {
  const errors = draft.models.flatMap((entry, n) => {
    const at = `/models/${n}/`;
    const found = [];
    if (new TextEncoder().encode(typedKey(entry)).length > MAX_API_KEY_BYTES) {
      const detail = t.keyTooLong(MAX_API_KEY_BYTES);
      found.push({ pointer: `${at}apiKeyEncrypted`, code: "maxLength", detail });
    }
    if (keyOperation(entry) === "ask") {
      const detail = t.keyUndecided;
      found.push({ pointer: `${at}apiKeyEncrypted`, code: "key-required", detail });
    }
    if (!parseOptions(entry.options)) {
      const detail = t.optionsWrong;
      found.push({ pointer: `${at}options`, code: "options", detail });
    }
    return found;
  });
  if (errors.length) throw new AIConfigError({ code: "schema-violation", status: 422, errors });
}

/**
 * Return whether the stored configuration is the one that was sent, as far as a client can tell.
 *
 * @param {AIConfig | null} stored with the states of its keys
 * @param {Submission} sent
 */
export function isStored(stored, { body, keyStates }) {
  return (
    stored?.system_prompt === body.system_prompt &&
    stored.models.length === body.models.length &&
    stored.models.every(
      (entry, n) =>
        entry.keyState === keyStates[n] && canonical(entry) === canonical(body.models[n]),
    )
  );
}

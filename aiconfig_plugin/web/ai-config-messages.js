// All words of the page, in English, and how another language is chosen.

/** @typedef {import("./ai-config-types.d.ts").KeyStatus} KeyStatus */
/** @typedef {import("./ai-config-notice.js").Operation} Operation */
/** @typedef {import("./ai-config-types.d.ts").Outcome} Outcome */

const en = {
  // The form
  loading: "Loading your settings…",
  models: "Models",
  modelsHint: "The first matching model is used. Keys are encrypted before they leave this page.",
  noModels: "No models yet. Add your first model.",
  addModel: "Add a model",
  prompt: "System prompt",
  promptLabel: "Instructions",
  promptHint: "Sent to every model before the conversation.",
  operatorsPrompt: "Your operator's system prompt",
  promptMode: {
    before: "Set by your operator and sent before yours:",
    default: "Set by your operator and used where yours is empty:",
    only: "Set by your operator and used instead of yours:",
  },
  count: (/** @type {string} */ used, /** @type {string} */ most) => `${used} of ${most}`,
  tooLong: (/** @type {string} */ over) =>
    `${over} ${over === "1" ? "character" : "characters"} over the limit.`,
  insecure: "API keys cannot be saved on this page",
  insecureText: "Browsers encrypt only on pages that are loaded over https or from this computer.",

  // Saving
  save: "Save changes",
  discard: "Discard",
  /** @type {Record<Operation, string>} */
  busy: { load: "Loading…", save: "Saving…", delete: "Deleting…" },
  unsaved: "Unsaved changes",
  allSaved: "All changes are saved",
  nothingSaved: "Nothing saved yet",
  saved: "Saved.",
  deleted: "Deleted.",
  discarded: "Changes discarded.",
  discardTitle: "Discard typed keys?",
  discardText: (/** @type {string} */ names) =>
    `The keys that you have entered for ${names} are lost with the other changes.`,
  discardKeep: "Keep editing",
  deleteAll: "Delete everything…",
  deleteTitle: "Delete everything?",
  deleteText: "All models, their keys and the system prompt will be permanently deleted.",
  deleteKeep: "Keep my settings",
  deleteConfirm: "Delete everything",

  // An entry
  provider: "Provider",
  model: "Model",
  search: "Search models",
  found: (/** @type {string} */ found, /** @type {string} */ of) => `${found} of ${of} models`,
  openAll: "Expand all",
  closeAll: "Collapse all",
  options: "Options",
  showOptions: "Show options",
  label: "Label",
  optional: "Optional",
  advanced: "Advanced",
  baseUrl: "Endpoint",
  baseUrlHint: "Where this provider is reached; empty for its usual address.",
  entryOptions: "Options for calls",
  optionsHint: "One on each line, such as “region = eu”. Do not enter keys here.",
  fixed: "Set by your operator.",
  notOffered: "Your operator does not offer this.",
  modelExample: "e.g. gpt-4",
  type: "Type",
  paid: "Paid",
  paidHint: "Paid model",
  newModel: "New model",
  theModel: "The model",
  numbered: (/** @type {string} */ number) => `model ${number}`,
  reorder: (/** @type {string} */ name) => `Reorder ${name}: drag, or use the arrow keys`,
  moveTop: (/** @type {string} */ name) => `Move ${name} to the top`,
  duplicate: (/** @type {string} */ name) => `Duplicate ${name}`,
  enable: (/** @type {string} */ name) => `Use ${name}`,
  added: (/** @type {string} */ name) => `${name} added.`,
  undo: "Undo",
  moveUp: (/** @type {string} */ name) => `Move ${name} up`,
  moveDown: (/** @type {string} */ name) => `Move ${name} down`,
  remove: (/** @type {string} */ name) => `Remove ${name}`,
  moved: (/** @type {string} */ name, /** @type {number} */ to, /** @type {number} */ count) =>
    `${name} moved to position ${to} of ${count}.`,
  removed: (/** @type {string} */ name) => `${name} removed.`,

  // Its API key
  key: "API key",
  /** @type {Record<KeyStatus | "removing", string>} */
  keyStatus: {
    set: "Set",
    unset: "Not set",
    unreadable: "Needs re-entry",
    moved: "Needs re-entry",
    copied: "New",
    removing: "Will be removed",
  },
  keyOptional: "Not needed for every provider",
  keyEnter: "Enter the key",
  keyStored: "Stored encrypted and never shown.",
  keyRemoved: "Removed when you save.",
  keyUnreadable: "The stored key can no longer be decrypted. Enter it again.",
  keyMoved: (/** @type {string} */ provider) =>
    `The stored key belongs to ${provider}. Enter a key for this provider.`,
  keyForOther: (/** @type {string} */ provider) => `The typed key is for ${provider}.`,
  keyTooLong: (/** @type {number} */ bytes) => `An API key has at most ${bytes} bytes.`,
  keyUndecided: "Decide what happens to the stored key.",
  optionsWrong: "Write one option on each line, such as “region = eu”.",
  keyRemovedOf: (/** @type {string} */ name) => `Key of ${name} removed.`,
  keyCopied: (/** @type {string} */ name) => `Gets the key of ${name} when you save.`,
  keyShared: "Your operator's key is used.",
  keyFallback: "Without a key your operator's is used.",
  useKeyOf: (/** @type {string} */ name) => `Use the key of ${name}`,
  cancelCopyOf: (/** @type {string} */ name) => `Cancel copying a key to ${name}`,
  keepOld: (/** @type {string} */ name) => `Keep ${name} as well`,
  dropKey: "Continue without a key",
  dropKeyOf: (/** @type {string} */ name) => `Continue without a key for ${name}`,
  test: "Test",
  testKeyOf: (/** @type {string} */ name) => `Test the key of ${name}`,
  testing: "Asking the provider…",
  testUnknown: "The provider did not say whether it works.",
  keyNotUsed: "Not used yet",
  keyUsed: (/** @type {string} */ ago) => `Used ${ago}`,
  keyWorksUsed: (/** @type {string} */ ago) => `Works, used ${ago}`,
  keyWorksTested: (/** @type {string} */ ago) => `Works, tested ${ago}`,
  keyRefused: {
    rejected: (/** @type {string} */ ago) => `Rejected by the provider ${ago}`,
    "quota-exceeded": (/** @type {string} */ ago) => `Quota exceeded ${ago}`,
  },
  keepKey: "Keep the key",
  keepKeyOf: (/** @type {string} */ name) => `Keep the key of ${name}`,
  cancel: "Cancel",
  cancelKeyOf: (/** @type {string} */ name) => `Cancel replacing the key of ${name}`,
  useKey: "Use the typed key",
  useKeyFor: (/** @type {string} */ name) => `Use the typed key for ${name}`,
  replaceKey: "Replace",
  replaceKeyOf: (/** @type {string} */ name) => `Replace the key of ${name}`,
  removeKey: "Remove",
  removeKeyOf: (/** @type {string} */ name) => `Remove the key of ${name}`,

  // Failures
  /** @type {Record<Operation, Record<Outcome, string>>} */
  outcome: {
    load: { unknown: "", "nothing-changed": "" },
    save: {
      unknown: "It is not known whether your changes were saved; they are still here.",
      "nothing-changed": "Nothing was saved; your changes are still here.",
    },
    delete: {
      unknown: "It is not known whether your settings were deleted.",
      "nothing-changed": "Nothing was deleted.",
    },
  },
  tryAgain: "Try again",
  tryAgainIn: (/** @type {number} */ seconds) => `Try again in ${seconds} seconds.`,
  failed: "Request failed",
  failedStatus: (/** @type {number} */ status) => `The server responded with status ${status}.`,
  logInFailed: "Log-in failed",
  logInWaiting: "Waiting for the log-in…",
  logInAgain: "Log in again",
  sessionEnded: "Your session has ended",
  otherUser: "You are logged in as another user",
  otherUserText: "Unsaved changes of the previous user were discarded.",
  unreachable: "The server is unreachable",
  offline: "You are offline",
  checkConnection: "Check your connection.",
  denied: "Permission denied",
  unavailable: "The service is unavailable",

  // What the server does not accept
  fieldsWrong: (/** @type {number} */ count) =>
    `${count === 1 ? "One field needs" : `${count} fields need`} your attention`,
  cannotSave: "This cannot be saved",
  nothingWasSaved: "Nothing was saved.",
  /** By the code of a violation; where there is none, what the server says is shown. */
  violation: /** @type {Record<string, string>} */ ({
    minLength: "This field is required.",
    "duplicate-model": "Another entry has the same provider, type and model.",
    "key-not-accepted": "The server could not open this key. Enter it again.",
  }),
  invalid: (/** @type {string} */ pointer) => `Invalid value (${pointer}).`,

  // Changed elsewhere
  conflict: "Settings changed elsewhere",
  conflictText:
    "Another tab or device saved these settings while you were editing. " +
    "Nothing is lost. Choose which version to keep.",
  notDeleted: "Nothing was deleted.",
  showSaved: "Show saved version",
  deleteAnyway: "Delete anyway",
  mine: "Your version",
  saveMine: "Save mine",
  theirs: "Saved version",
  useSaved: "Use saved version",
  showingSaved: "Showing the saved version",
  showingMine: "Showing your version",
  backToMine: "Go back to mine",
  keyGone: "A key was removed elsewhere",
  keyGoneText: (/** @type {string} */ names) => `Enter it again or save without it: ${names}.`,
  allDeleted: "All settings were deleted.",
  noPrompt: "No system prompt",
  promptOf: (/** @type {string} */ version) => `System prompt of ${version.toLowerCase()}`,
  entryLine: (/** @type {string} */ type, /** @type {boolean} */ isPaid, /** @type {string} */ key) =>
    ` (${type}), ${isPaid ? "paid" : "free"}, key ${key}`,
  keyNew: "new",
  keyRemoving: "will be removed",
};

/** @typedef {typeof en} Messages */

/** The words in use, for all elements of a page. */
export let t = en;
/** The language of `t`. */
export let language = "en";

/** By language tag in lower case. @type {Record<string, Messages | (() => Promise<Messages>)>} */
const tables = {
  en,
  de: async () => (await import("./ai-config-messages-de.js")).de,
};

/** Called when there are words of a further language. @type {Set<() => void>} */
export const listeners = new Set();

/**
 * Add a language, or replace the words of one. Words that are missing are English.
 *
 * @param {string} lang a language tag (BCP 47), for example `fr` or `pt-BR`
 * @param {Partial<Messages>} messages as `ai-config-messages.js` has them
 */
export function addMessages(lang, messages) {
  tables[lang.toLowerCase()] = { ...en, ...messages };
  for (const changed of listeners) changed();
}

/**
 * Return the language to use where one is asked for: itself, without its region, or English.
 * @param {string} lang
 */
export function bestLanguage(lang) {
  const tag = lang.toLowerCase();
  return [tag, tag.split("-")[0]].find((one) => Object.hasOwn(tables, one)) ?? "en";
}

let latest = "en";

/**
 * Make `t` the words of a language. If they cannot be loaded, `t` stays what it is.
 * @param {string} lang one that `bestLanguage` has returned
 */
export async function useLanguage(lang) {
  const table = tables[(latest = lang)];
  try {
    const words = typeof table === "function" ? await table() : table;
    if (lang !== latest) return;
    t = tables[lang] = words;
    language = lang;
  } catch {
    // Offline, for example; the page is of more use in another language than not at all.
  }
}

/** @param {number} value */
export function formatNumber(value) {
  return value.toLocaleString(language);
}

const UNITS = /** @type {const} */ ([["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]]);

/**
 * Say how long ago a time was, such as "2 hours ago" or "yesterday".
 * @param {string} time
 */
export function formatAgo(time) {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? ["second", Infinity];
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return format.format(-Math.floor(seconds / length), unit);
}

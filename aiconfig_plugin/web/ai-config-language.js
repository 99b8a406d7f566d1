// The language of the page: which words are used, and how they are chosen.

import { en } from "./ai-config-messages.js";

/** @typedef {import("./ai-config-messages.js").Messages} Messages */

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

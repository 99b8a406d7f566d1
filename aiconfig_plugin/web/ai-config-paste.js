// What is pasted along with an API key, and whose key it looks like. Uses no DOM.

/** @typedef {"invisible" | "blanks" | "quotes" | "bearer" | "name"} Extra */

/** What each round takes off; the order does not matter, because rounds are repeated. */
const STEPS = /** @type {[Extra, RegExp][]} */ ([
  // Soft hyphens, zero-width and direction characters, byte order marks.
  ["invisible", /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g],
  ["blanks", /^\s+|\s+$/g],
  ["quotes", /^["'`´‘’‚“”„«»]+|["'`´‘’‚“”„«»]+[,;]?$/g],
  ["bearer", /^(?:authorization\s*:\s*)?bearer\s+/i],
  // Base64 may end in "=", so something has to follow.
  ["name", /^(?:(?:export|set)\s+|\$env:)?[a-z]\w*_\w+\s*=\s*(?=[^\s=])/i],
  ["name", /^[\w.-]{0,64}(?:key|token|secret)[\w.-]{0,64}["']?\s*[=:]\s*(?=[^\s=])/i],
]);
/** More is no API key, and is left alone. */
const MAX_LENGTH = 8192;

/**
 * Return the API key in a text, and what else was there.
 *
 * @param {string} text
 * @returns {{key: string, extras: Extra[]}}
 */
export function cleanKey(text) {
  /** @type {Set<Extra>} */
  const extras = new Set();
  let key = text;
  for (let before = ""; before !== key && key.length <= MAX_LENGTH; ) {
    before = key;
    for (const [extra, pattern] of STEPS) {
      const cleaned = key.replace(pattern, "");
      if (cleaned !== key) extras.add(extra);
      key = cleaned;
    }
  }
  return { key, extras: [...extras] };
}

/** How keys begin that only one provider issues. @type {[string, RegExp][]} */
const PREFIXES = [
  ["Anthropic", /^sk-ant-/],
  ["OpenRouter", /^sk-or-/],
  ["OpenAI", /^(?:sk-(?:proj|svcacct|admin)-|sess-)/],
  ["Google", /^(?:AIza|AQ\.Ab)/],
  ["Groq", /^gsk_/],
  ["xAI", /^xai-/],
  ["Hugging Face", /^hf_/],
  ["Perplexity", /^pplx-/],
  ["Replicate", /^r8_/],
  ["NVIDIA", /^nvapi-/],
  ["Together AI", /^tgp_v1_/],
  ["Fireworks AI", /^fw_/],
  ["Cerebras", /^csk-/],
  ["GitHub", /^(?:ghp_|github_pat_)/],
];

/**
 * Return the provider that a key seems to be of, if that is another one than `provider`; empty
 * otherwise.
 *
 * @param {string} key
 * @param {string} provider
 */
export function foreignProvider(key, provider) {
  const owner = PREFIXES.find(([, pattern]) => pattern.test(key))?.[0] ?? "";
  const plain = (/** @type {string} */ name) => name.toLowerCase().replace(/[^a-z0-9]/g, "");
  const [ours, theirs] = [plain(provider), plain(owner)];
  // "Google Gemini", "Together": the user need not use the names of this list.
  return !ours || ours.includes(theirs) || theirs.includes(ours) ? "" : owner;
}

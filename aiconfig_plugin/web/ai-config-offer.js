// What may be entered: what the operator offers, or else well-known names. Uses no DOM.

/** @typedef {import("./ai-config-types.d.ts").Catalog} Catalog */
/** @typedef {import("./ai-config-types.d.ts").Identity} Identity */

/** Well-known providers, each with some of its models. @type {Record<string, string>} */
const KNOWN = {
  Anthropic: "claude-opus-4-5 claude-sonnet-4-5 claude-haiku-4-5",
  "Azure OpenAI": "gpt-5 gpt-4o",
  Cohere: "command-a-03-2025 embed-v4.0",
  DeepSeek: "deepseek-chat deepseek-reasoner",
  Google: "gemini-2.5-pro gemini-2.5-flash gemini-embedding-001",
  Groq: "llama-3.3-70b-versatile openai/gpt-oss-120b",
  "Hugging Face": "",
  Mistral: "mistral-large-latest mistral-small-latest codestral-latest",
  Ollama: "llama3 llama3.2 qwen3 gemma3",
  OpenAI: "gpt-5 gpt-5-mini gpt-4.1 gpt-4o gpt-4 text-embedding-3-small",
  OpenRouter: "",
  Perplexity: "sonar sonar-pro",
  "Together AI": "",
  xAI: "grok-4 grok-3-mini",
};
const TYPES = ["chat", "completion", "embedding", "image", "audio"];

const unique = (/** @type {(string | undefined)[]} */ texts) =>
  [...new Set(texts)].filter((text) => text !== undefined);

/**
 * @param {Catalog | null} catalog
 * @param {string} provider
 */
function offerOf(catalog, provider) {
  return catalog?.providers.find(({ name }) => name === provider.trim());
}

/**
 * Return what is suggested for a member of an entry.
 *
 * @param {Catalog | null} catalog
 * @param {string} member
 * @param {Identity} entry
 */
export function suggestions(catalog, member, { provider, model }) {
  const offer = offerOf(catalog, provider);
  if (member === "provider") {
    return catalog?.providers.length ? catalog.providers.map(({ name }) => name) : Object.keys(KNOWN);
  }
  if (member === "type") {
    const types = offer?.models.filter((one) => one.model === model.trim()).map(({ type }) => type);
    return types?.length && !types.includes(undefined) ? unique(types) : TYPES;
  }
  if (offer?.models.length) return unique(offer.models.map((one) => one.model));
  const known = Object.hasOwn(KNOWN, provider.trim()) ? KNOWN[provider.trim()] : "";
  return known.split(" ").filter(Boolean);
}

/**
 * Return how the catalogue has an entry's provider and model, undefined where it has not.
 *
 * @param {Catalog | null} catalog
 * @param {Identity} entry
 */
function find(catalog, { provider, type, model }) {
  const offer = offerOf(catalog, provider);
  const named = offer?.models.filter((one) => one.model === model.trim()) ?? [];
  const listed = named.find((one) => one.type === type.trim()) ?? named.find((one) => !one.type);
  return { offer, listed };
}

/**
 * Return which member names what the operator does not offer, null where all is offered.
 *
 * @param {Catalog | null} catalog
 * @param {Identity} entry
 */
export function refusedMember(catalog, entry) {
  const { offer, listed } = find(catalog, entry);
  if (!offer) return catalog && !catalog.otherProviders ? "provider" : null;
  return offer.otherModels || listed ? null : "model";
}

/**
 * Return what the operator says of whether an entry is paid, undefined where the user decides.
 *
 * @param {Catalog | null} catalog
 * @param {Identity} entry
 */
export function operatorsPaid(catalog, entry) {
  const { offer, listed } = find(catalog, entry);
  return listed?.isPaid ?? offer?.isPaid;
}

/**
 * Return when the operator's own key is used for an entry.
 *
 * @param {Catalog | null} catalog
 * @param {{provider: string, baseUrl: string}} entry
 */
export function sharedKey(catalog, { provider, baseUrl }) {
  return (!baseUrl.trim() && offerOf(catalog, provider)?.sharedKey) || "never";
}

/**
 * Return what models are told, if the operator adds to it and shows the text; else null.
 *
 * @param {Catalog["systemPrompt"]} operators
 * @param {string} users
 */
export function resolvedPrompt(operators, users) {
  if (!operators?.text) return null;
  if (operators.mode === "only" || !users) return operators.text;
  return operators.mode === "before" ? `${operators.text}\n\n${users}` : users;
}

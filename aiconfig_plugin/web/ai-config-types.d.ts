// Types of the modules; ai-config.d.ts exports those that are public.

export type KeyState = "set" | "unset" | "unreadable";
export type KeyResult = "accepted" | "rejected" | "quota-exceeded";

/** What is known of the use of a stored key; times are RFC 3339, members null where not known. */
export interface KeyUse {
  lastUsedAt: string | null;
  lastResult: KeyResult | null;
  lastResultAt: string | null;
}

/** What the provider says of a stored key. */
export interface Verification {
  result: KeyResult | "unreachable" | "unknown";
  detail: string;
}

export type OptionValue = string | number | boolean;

/** What identifies an entry. */
export interface Identity {
  provider: string;
  type: string;
  model: string;
  /** The user's name for the entry. */
  label?: string;
}

export interface ModelEntry extends Identity {
  isPaid: boolean;
  /** Absent means true. */
  enabled?: boolean;
  /** Where the provider is reached. */
  baseUrl?: string;
  /** Further parameters of calls. */
  options?: Record<string, OptionValue>;
  /** In an update: absent keeps the stored key, null removes it, a string replaces it. */
  apiKeyEncrypted?: string | null;
  /** In responses only. */
  keyState?: KeyState;
  /** In responses only. */
  keyUse?: KeyUse | null;
  /** In responses only: whether the operator offers it. */
  offered?: boolean;
}

/** What `get` can add to every entry. */
export type Include = "apiKeyEncrypted" | "keyState" | "keyUse" | "offered";

export interface AIConfig {
  /** In the user's order of preference. */
  models: ModelEntry[];
  system_prompt: string;
}

export interface OfferedModel {
  model: string;
  /** Absent: any. */
  type?: string;
  isPaid?: boolean;
}

export interface OfferedProvider {
  name: string;
  api?: string;
  models: OfferedModel[];
  /** Whether other models may be configured. */
  otherModels: boolean;
  isPaid?: boolean;
  sharedKey?: "never" | "fallback" | "only";
}

/** What the operator offers. */
export interface Catalog {
  providers: OfferedProvider[];
  /** Whether other providers may be configured. */
  otherProviders: boolean;
  /** Origins that entries may name; `public` stands for any with https. */
  baseUrls: string[];
  systemPrompt: { mode: "before" | "default" | "only"; text?: string } | null;
}

export interface EncryptionKeyDocument {
  keys: { kty: string; crv: string; x: string; y: string; kid: string }[];
  /** Identifies the user; an input of the key derivation. */
  apv: string;
}

/** One error in a request body; `pointer` is a JSON Pointer (RFC 6901). */
export interface Violation {
  pointer: string;
  code: string;
  detail: string;
}

/** Whether a write may have been stored although the call failed. */
export type Outcome = "unknown" | "nothing-changed";

export interface CallOptions {
  /** Cancels the call. */
  signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  /** Replaces the remembered entity tag; `*` matches any, null makes the write unconditional. */
  ifMatch?: string | null;
}

export interface ClientOptions {
  /**
   * The prefix of the plugin's routes, for example `/api/v1`; by default that under which the plugin
   * serves this module.
   */
  baseURL?: string;
  fetch?: typeof globalThis.fetch;
  /** Of a call, in milliseconds. */
  timeout?: number;
}

export interface TokenOptions {
  credentials?: "token";
  /** Returns the access token; called for every request. */
  getToken: () => string | Promise<string>;
  /** Whether the token is bound to a key (RFC 9449): one that the client makes, or this one. */
  dpop?: boolean | CryptoKeyPair;
}

export interface CookieOptions {
  /** The log-in is a cookie of this origin. */
  credentials: "cookie";
  /** The name of the cookie that writes repeat in `X-XSRFToken`. */
  xsrfCookie?: string;
}

// The draft

export interface DraftEntry {
  provider: string;
  type: string;
  model: string;
  label: string;
  isPaid: boolean;
  enabled: boolean;
  baseUrl: string;
  /** See ai-config-options.js. */
  options: string;
  /** The saved entry that this one was made from, or null for a new one. */
  origin: ModelEntry | null;
  keyAction: "keep" | "replace" | "remove";
  /** The text of the key field; it is sealed when the draft is saved. */
  newKey: string;
  /** The destination that the entry had when the key was typed; empty if it named no provider. */
  newKeyFor: string;
  /** A saved entry whose stored key this one gets. */
  keyFrom: ModelEntry | null;
}

export interface Draft {
  models: DraftEntry[];
  prompt: string;
}

/**
 * The key state shown for an entry. `moved`: the provider or the endpoint was changed, and a stored
 * key is valid only where it was stored for. `copied`: it gets the stored key of another entry.
 */
export type KeyStatus = KeyState | "moved" | "copied";

/**
 * What saving does to an entry's key. `carry`: the ciphertext is sent, of the entry whose key is
 * copied, or of the saved entry if the server would not find it because the identity was changed.
 * `ask`: the user has to decide, because the stored key is of no use at the new destination.
 */
export type KeyOperation = "seal" | "remove" | "keep" | "carry" | "ask";

// Changes elsewhere

export type Side = "mine" | "theirs";

/**
 * Two changes of the same thing, and what each side made of it: the value of a field; an entry, null
 * if it was removed; the names in their order; of a key what was done here, and its state elsewhere.
 */
export interface Clash {
  /** The same in each merge of the same versions. */
  id: string;
  field: "isPaid" | "enabled" | "baseUrl" | "options" | "key" | "entry" | "prompt" | "order" | "all";
  /** What it is about, unless that is all entries or the prompt. */
  entry?: DraftEntry;
  mine: unknown;
  theirs: unknown;
}

export interface Merged {
  draft: Draft;
  clashes: Clash[];
  /** Names of entries that relied on a stored key that is gone. */
  lost: string[];
}

export interface Submission {
  body: AIConfig;
  /** Of each entry, after the body has been stored. */
  keyStates: KeyState[];
  sealed: boolean;
}

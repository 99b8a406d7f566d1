// Types of ai-config.js. A test compares them with those of the modules.

export type KeyState = "set" | "unset" | "unreadable";

/** Provider, type, model and label identify an entry. */
export interface ModelEntry {
  provider: string;
  type: string;
  model: string;
  isPaid: boolean;
  /** The user's name for the entry. */
  label?: string;
  /** Absent means true. */
  enabled?: boolean;
  /** Where the provider is reached. */
  baseUrl?: string;
  /** Further parameters of calls. */
  options?: Record<string, string | number | boolean>;
  /** In an update: absent keeps the stored key, null removes it, a string replaces it. */
  apiKeyEncrypted?: string | null;
  /** In responses only. */
  keyState?: KeyState;
}

export interface AIConfig {
  /** In the user's order of preference. */
  models: ModelEntry[];
  system_prompt: string;
}

export interface EncryptionKeyDocument {
  keys: { kty: string; crv: string; x: string; y: string; kid: string }[];
  /** Identifies the user. */
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

export class AIConfigError extends Error {
  /** Of the problem document, or `network-error`, `timeout`, `token-unavailable`, … */
  code: string;
  /** The HTTP status, or 0 if there was no response. */
  status: number;
  title: string;
  detail: string;
  errors: Violation[];
  /** Seconds, or null if the response has no `Retry-After`. */
  retryAfter: number | null;
  outcome: Outcome;
  constructor(problem: {
    code: string;
    status: number;
    title?: string;
    detail?: string;
    errors?: Violation[];
    retryAfter?: number | null;
    outcome?: Outcome;
    cause?: unknown;
  });
}

/** Return whether this is an `AIConfigError`, also one of another copy of the module. */
export function isAIConfigError(error: unknown): error is AIConfigError;

export const MAX_API_KEY_BYTES: number;

/**
 * Seal `apiKey` for the user that the document was issued to. Always give the provider: the gateway
 * then accepts the key for its entries only.
 */
export function sealApiKey(
  document: EncryptionKeyDocument,
  apiKey: string,
  entry?: { provider?: string },
): Promise<string>;

export interface CallOptions {
  /** Cancels the call. */
  signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  /** Replaces the remembered entity tag; `*` matches any, null makes the write unconditional. */
  ifMatch?: string | null;
}

/** One user's configuration on the server. */
export class AIConfigClient {
  /** The entity tag of the last known revision; sent with the next write as `If-Match`. */
  etag: string | null;
  constructor(options: {
    /** The prefix of the plugin's routes, for example `/api/v1`. */
    baseURL: string;
    /** Returns the access token; called for every request. */
    getToken: () => string | Promise<string>;
    fetch?: typeof globalThis.fetch;
    /** Of a call, in milliseconds. */
    timeout?: number;
  });
  get(options?: CallOptions & { include?: ("apiKeyEncrypted" | "keyState")[] }): Promise<AIConfig>;
  create(body: AIConfig, options?: CallOptions): Promise<AIConfig>;
  update(body: AIConfig, options?: WriteOptions): Promise<AIConfig>;
  remove(options?: WriteOptions): Promise<void>;
  encryptionKey(options?: CallOptions): Promise<EncryptionKeyDocument>;
}

/** Words of the page by their names in `ai-config-messages.js`; missing ones are English. */
export type Messages = Record<string, unknown>;

/** Add a language, given by its tag (BCP 47), or replace words of one. */
export function addMessages(lang: string, messages: Messages): void;

export type Operation = "load" | "save" | "delete";

export type Result = "done" | "unchanged" | "conflict" | "failed" | "busy" | "disconnected";

export interface TokenRequest {
  /** Whether the user has just clicked "Log in again", so that a window may be opened. */
  interactive: boolean;
  /** Takes whether there is a new token. */
  waitUntil: (answer: boolean | Promise<boolean>) => void;
}

/** `<ai-config-settings>` */
export class AIConfigSettings extends HTMLElement {
  /** Setting another one loads its configuration; null clears the form. */
  client: AIConfigClient | null;
  /** Whether there are unsaved changes. */
  readonly dirty: boolean;
  load(): Promise<Result>;
  save(): Promise<Result>;
}

export interface AIConfigEventMap {
  "ai-config-unauthorized": CustomEvent<TokenRequest>;
  /** `config` is the stored configuration, null after a deletion. */
  "ai-config-saved": CustomEvent<{ config: AIConfig | null }>;
  "ai-config-error": CustomEvent<{ error: unknown; operation: Operation }>;
}

declare global {
  interface HTMLElementTagNameMap {
    "ai-config-settings": AIConfigSettings;
  }
  interface HTMLElementEventMap extends AIConfigEventMap {}
  interface DocumentEventMap extends AIConfigEventMap {}
}

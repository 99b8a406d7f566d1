// Types of ai-config.js. A test compares them with those of the modules.

import type {
  AIConfig,
  CallOptions,
  Catalog,
  ClientOptions,
  CookieOptions,
  EncryptionKeyDocument,
  Identity,
  Include,
  Outcome,
  TokenOptions,
  Verification,
  Violation,
  WriteOptions,
} from "./ai-config-types.d.ts";

export type {
  AIConfig,
  CallOptions,
  Catalog,
  ClientOptions,
  CookieOptions,
  EncryptionKeyDocument,
  Identity,
  Include,
  KeyResult,
  KeyState,
  KeyUse,
  ModelEntry,
  OfferedModel,
  OfferedProvider,
  OptionValue,
  Outcome,
  TokenOptions,
  Verification,
  Violation,
  WriteOptions,
} from "./ai-config-types.d.ts";

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

/** One user's configuration on the server. */
export class AIConfigClient {
  /** The entity tag of the last known revision; sent with the next write as `If-Match`. */
  etag: string | null;
  constructor(options: ClientOptions & (TokenOptions | CookieOptions));
  get(options?: CallOptions & { include?: Include[] }): Promise<AIConfig>;
  create(body: AIConfig, options?: CallOptions): Promise<AIConfig>;
  update(body: AIConfig, options?: WriteOptions): Promise<AIConfig>;
  remove(options?: WriteOptions): Promise<void>;
  encryptionKey(options?: CallOptions): Promise<EncryptionKeyDocument>;
  catalog(options?: CallOptions): Promise<Catalog>;
  /** Ask the provider about the stored key of an entry, by a call that costs nothing. */
  verify(entry: Identity, options?: CallOptions): Promise<Verification>;
  /** Return a proof by this client's key, for the request that gets the access token (RFC 9449). */
  proof(request: { method: string; url: string }): Promise<string>;
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

/** All of them bubble. */
export interface AIConfigEventMap {
  /**
   * A request was answered with 401. It is repeated if the promise that is passed to
   * `detail.waitUntil` resolves to true: there is a new token.
   */
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

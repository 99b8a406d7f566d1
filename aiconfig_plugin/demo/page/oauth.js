// OAuth 2.0 for a single-page application: authorization code with PKCE (RFC 7636), public client.
// Tokens are kept in memory only; state and verifier are in session storage during the redirect.

const FLOW = "oauth-flow";
// Renew tokens before they expire.
const LEEWAY_SECONDS = 30;

/** A session with one authorization server, configured by its metadata (RFC 8414). */
export class Session {
  #issuer;
  #clientId;
  #scope;
  /** @type {Promise<any> | null} */
  #metadata = null;
  /** @type {{access_token: string, refresh_token?: string, expiresAt: number} | null} */
  #tokens = null;
  /** @type {Promise<boolean> | null} */
  #refreshing = null;

  /** @param {{issuer: string, clientId: string, scope: string}} options */
  constructor({ issuer, clientId, scope }) {
    this.#issuer = issuer;
    this.#clientId = clientId;
    this.#scope = scope;
  }

  get isLoggedIn() {
    return this.#tokens !== null;
  }

  /** Return an access token, renewed if it is about to expire. */
  async getToken() {
    if (this.#tokens && this.#tokens.expiresAt < Date.now()) await this.refresh();
    return this.#tokens?.access_token ?? "";
  }

  /** Redirect to the log-in page. */
  async logIn() {
    location.assign(await this.#authorizationURL());
  }

  /** Log in in a separate window, so that this page keeps its state. True on success. */
  async logInBeside() {
    const opened = window.open("", "log-in", "popup,width=480,height=720");
    if (!opened) return false;
    opened.location.assign(await this.#authorizationURL());
    const answer = await answerFrom(opened);
    return answer !== null && this.#finish(answer);
  }

  /**
   * Process the authorization response in the page's URL. False if there is none. In the window of
   * `logInBeside` the response is passed to the page that opened it.
   */
  async handleRedirect() {
    const answer = new URLSearchParams(location.search);
    if (!answer.has("state")) return false;
    history.replaceState(null, "", location.pathname);
    if (window.opener) {
      window.opener.postMessage({ answer: answer.toString() }, location.origin);
      window.close();
      return false;
    }
    return this.#finish(answer);
  }

  /** Renew the access token with the refresh token. False if that is not possible. */
  async refresh() {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  /** Drop the tokens and revoke them at the authorization server (RFC 7009). */
  async logOut() {
    const token = this.#tokens?.refresh_token ?? this.#tokens?.access_token;
    this.#tokens = null;
    const { revocation_endpoint } = await this.#discover();
    if (token) await this.#post(revocation_endpoint, { token });
  }

  async #authorizationURL() {
    const { authorization_endpoint } = await this.#discover();
    const [state, verifier] = [random(), random()];
    sessionStorage.setItem(FLOW, JSON.stringify({ state, verifier }));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const query = new URLSearchParams({
      response_type: "code",
      client_id: this.#clientId,
      redirect_uri: redirectURI(),
      scope: this.#scope,
      state,
      code_challenge: base64url(new Uint8Array(digest)),
      code_challenge_method: "S256",
    });
    return `${authorization_endpoint}?${query}`;
  }

  /** @param {URLSearchParams} answer */
  async #finish(answer) {
    const { state, verifier } = JSON.parse(sessionStorage.getItem(FLOW) ?? "{}");
    sessionStorage.removeItem(FLOW);
    // RFC 6749 section 10.12, RFC 9207 section 2.4.
    if (!state || answer.get("state") !== state || answer.get("iss") !== this.#issuer) {
      throw new Error("The authorization response does not belong to this page.");
    }
    if (answer.has("error")) {
      const cancelled = answer.get("error") === "access_denied";
      throw new Error(cancelled ? "The log-in was cancelled." : "The log-in failed.");
    }
    return this.#request({
      grant_type: "authorization_code",
      code: answer.get("code") ?? "",
      redirect_uri: redirectURI(),
      code_verifier: verifier,
    });
  }

  async #refresh() {
    const refreshToken = this.#tokens?.refresh_token;
    if (!refreshToken) return false;
    return this.#request({ grant_type: "refresh_token", refresh_token: refreshToken });
  }

  /** @param {Record<string, string>} grant */
  async #request(grant) {
    const { token_endpoint } = await this.#discover();
    const response = await this.#post(token_endpoint, grant);
    if (!response.ok) return false;
    const reply = await response.json();
    const lifetime = reply.expires_in ?? 3600;
    this.#tokens = { ...reply, expiresAt: Date.now() + (lifetime - LEEWAY_SECONDS) * 1000 };
    return true;
  }

  /**
   * @param {string} url
   * @param {Record<string, string>} parameters
   */
  #post(url, parameters) {
    const body = new URLSearchParams({ ...parameters, client_id: this.#clientId });
    return fetch(url, { method: "POST", body });
  }

  #discover() {
    this.#metadata ??= discover(this.#issuer);
    this.#metadata.catch(() => (this.#metadata = null));
    return this.#metadata;
  }
}

/** @param {string} issuer */
async function discover(issuer) {
  const response = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
  const metadata = await response.json();
  // RFC 8414 section 3.3.
  if (metadata.issuer !== issuer) throw new Error("The authorization server's metadata name another issuer.");
  return metadata;
}

/**
 * Wait for the response from the log-in window; null if it is closed before.
 * @param {Window} opened
 * @returns {Promise<URLSearchParams | null>}
 */
function answerFrom(opened) {
  return new Promise((resolve) => {
    const done = (/** @type {URLSearchParams | null} */ answer) => {
      clearInterval(watch);
      window.removeEventListener("message", receive);
      resolve(answer);
    };
    const receive = (/** @type {MessageEvent} */ { origin, source, data }) => {
      if (origin !== location.origin || source !== opened) return;
      done(new URLSearchParams(data.answer));
    };
    const watch = setInterval(() => opened.closed && done(null), 500);
    window.addEventListener("message", receive);
  });
}

function redirectURI() {
  return `${location.origin}/`;
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

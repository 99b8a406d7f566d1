// OAuth 2.0 for a single-page application: authorization code with PKCE (RFC 7636), public client.
// Access tokens are kept in memory. The refresh token is in the tab's session storage as well, so that
// a reload keeps the user logged in. The price: until the log-out, a script that runs on this origin
// can take it; the server replaces it at each use, and the page's policy admits only its own scripts.

const FLOW = "oauth-flow";
const REFRESH_TOKEN = "oauth-refresh-token";
// Begins the state of a log-in in a separate window, which passes the response on.
const BESIDE = "beside.";
const CHANNEL = "oauth-response";
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
  /** Ends the wait for the window of an earlier `logInBeside`. */
  #stopWaiting = () => {};

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

  /**
   * Log in in a separate window, so that this page keeps its state. True on success.
   *
   * @param {() => void} closed called when the window seems to be closed. It may still be open: if
   *   the authorization server sends Cross-Origin-Opener-Policy, its window looks closed from here
   */
  async logInBeside(closed) {
    const opened = window.open("", "log-in", "popup,width=480,height=720");
    if (!opened) throw new Error("The browser blocked the log-in window. Allow it and try again.");
    this.#stopWaiting();
    const response = this.#responseFrom(opened, closed);
    opened.location.assign(await this.#authorizationURL(BESIDE));
    return this.#finish(await response);
  }

  /**
   * Process the authorization response in the page's URL. False if there is none. In the window of
   * `logInBeside` the response is passed to the page that opened it.
   */
  async handleRedirect() {
    const response = new URLSearchParams(location.search);
    if (!response.has("state")) return false;
    history.replaceState(null, "", location.pathname);
    if (response.get("state")?.startsWith(BESIDE)) {
      // Not through window.opener, which Cross-Origin-Opener-Policy removes.
      new BroadcastChannel(CHANNEL).postMessage(response.toString());
      // A window begins with a copy of its opener's session storage.
      sessionStorage.clear();
      window.close();
      throw new Error("You are logged in. Close this window to go on in the other one.");
    }
    return this.#finish(response);
  }

  /** Go on with the session that this tab had before it was reloaded. False if there is none. */
  async restore() {
    const refreshToken = sessionStorage.getItem(REFRESH_TOKEN);
    if (!refreshToken) return false;
    const granted = await this.#request({ grant_type: "refresh_token", refresh_token: refreshToken });
    if (!granted) sessionStorage.removeItem(REFRESH_TOKEN);
    return granted;
  }

  /** Renew the access token with the refresh token. False if that is not possible. */
  async refresh() {
    if (this.#refreshing) return this.#refreshing;
    const refreshing = this.#refresh().finally(() => {
      if (this.#refreshing === refreshing) this.#refreshing = null;
    });
    this.#refreshing = refreshing;
    return refreshing;
  }

  /** Drop the tokens and revoke them at the authorization server (RFC 7009). */
  async logOut() {
    const token = this.#tokens?.refresh_token ?? this.#tokens?.access_token;
    this.#tokens = null;
    this.#refreshing = null;
    sessionStorage.removeItem(REFRESH_TOKEN);
    this.#stopWaiting();
    const { revocation_endpoint } = await this.#discover();
    if (token) await this.#post(revocation_endpoint, { token });
  }

  /**
   * Wait for the response that the log-in window passes on.
   *
   * @param {Window} opened
   * @param {() => void} closed
   * @returns {Promise<URLSearchParams>}
   */
  #responseFrom(opened, closed) {
    return new Promise((resolve) => {
      const channel = new BroadcastChannel(CHANNEL);
      const watch = setInterval(() => {
        if (!opened.closed) return;
        clearInterval(watch);
        closed();
      }, 500);
      this.#stopWaiting = () => {
        clearInterval(watch);
        channel.close();
      };
      channel.onmessage = ({ data }) => {
        const response = new URLSearchParams(data);
        // Another tab may be logging in as well.
        if (response.get("state") !== readFlow().state) return;
        this.#stopWaiting();
        resolve(response);
      };
    });
  }

  async #authorizationURL(prefix = "") {
    const { authorization_endpoint } = await this.#discover();
    const [state, verifier] = [prefix + random(), random()];
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
    const { state, verifier } = readFlow();
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
    const before = this.#tokens;
    const { token_endpoint } = await this.#discover();
    const response = await this.#post(token_endpoint, grant);
    if (!response.ok) return false;
    const reply = await response.json();
    // The user has logged out, or in, in the meantime.
    if (this.#tokens !== before) return false;
    const lifetime = reply.expires_in ?? 3600;
    const expiresAt = Date.now() + (lifetime - LEEWAY_SECONDS) * 1000;
    // A server that does not rotate refresh tokens need not send one again.
    const tokens = { refresh_token: grant.refresh_token, ...reply, expiresAt };
    this.#tokens = tokens;
    if (tokens.refresh_token) sessionStorage.setItem(REFRESH_TOKEN, tokens.refresh_token);
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

/** @returns {{state?: string, verifier: string}} */
function readFlow() {
  return JSON.parse(sessionStorage.getItem(FLOW) ?? "{}");
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

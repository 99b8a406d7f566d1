// The demo page: logs in, sets the element's client, and calls the gateway's chat route.

import { Session } from "./oauth.js";

const { issuer = "", api = "" } = document.documentElement.dataset;
const session = new Session({
  issuer,
  clientId: "demo-spa",
  scope: "ai-config:read ai-config:write",
});

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const [message, answer] = [byId("message"), byId("answer")];
const question = /** @type {HTMLInputElement} */ (byId("question"));
const settings = /** @type {any} */ (document.querySelector("ai-config-settings"));

/** @param {string} text */
function say(text) {
  message.textContent = text;
  message.hidden = !text;
}

/**
 * Call a route of the demo gateway (not of the plugin).
 * @param {string} path
 * @param {object} [body]
 */
async function call(path, body) {
  const headers = { Authorization: `Bearer ${await session.getToken()}` };
  return fetch(path, { method: "POST", headers, body: body && JSON.stringify(body) });
}

async function showUser() {
  const { user } = await (await call("/demo/who")).json();
  byId("user").textContent = user;
}

async function show() {
  const loggedIn = session.isLoggedIn;
  for (const id of ["account", "settings", "use"]) byId(id).hidden = !loggedIn;
  byId("welcome").hidden = loggedIn;
  answer.replaceChildren();
  if (!loggedIn) {
    settings.client = null;
    return;
  }
  await showUser();
  settings.client = new AIConfigClient({ baseURL: api, getToken: () => session.getToken() });
}

/** @param {string} title @param {[string, string][]} facts */
function showAnswer(title, facts = []) {
  const text = document.createElement("p");
  text.textContent = title;
  const list = document.createElement("dl");
  for (const [name, value] of facts) {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    description.textContent = value;
    list.append(term, description);
  }
  answer.replaceChildren(text, list);
}

/** Say below the message that what is typed above is not used yet. */
function showUnsaved() {
  byId("unsaved").hidden = !settings.dirty;
}
for (const name of ["input", "change", "click", "ai-config-saved"]) {
  // After the element has dealt with it.
  document.addEventListener(name, () => setTimeout(showUnsaved));
}

async function ask() {
  showAnswer("Waiting for the model…");
  const response = await call("/demo/ask", { message: question.value });
  const reply = await response.json();
  if (!response.ok) {
    showAnswer(reply.error);
    return;
  }
  showAnswer(reply.answer, [
    ["Model", `${reply.provider} · ${reply.model}`],
    ["Key used", reply.fingerprint ?? "none"],
    ["Endpoint", reply.endpoint],
  ]);
}

byId("log-in").addEventListener("click", () => session.logIn().catch(report));

byId("log-out").addEventListener("click", async () => {
  if (settings.dirty && !confirm("Log out? Your changes are not saved and will be lost.")) return;
  // The gateway caches introspections for some seconds: drop this one.
  await call("/demo/log-out").catch(() => null);
  await session.logOut().catch(report);
  await show();
  byId("log-in").focus();
});

byId("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = byId("ask");
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  await ask().catch(() => showAnswer("The gateway is unreachable."));
  form.ariaBusy = "false";
});

document.addEventListener("ai-config-unauthorized", (event) => {
  const { interactive, waitUntil } = /** @type {CustomEvent} */ (event).detail;
  if (!interactive) return waitUntil(session.refresh());
  const closed = () =>
    say("The log-in window seems to be closed. If it is not, finish the log-in there.");
  say("");
  waitUntil(logInBeside(closed));
});

/** @param {() => void} closed */
async function logInBeside(closed) {
  const renewed = await session.logInBeside(closed);
  say("");
  if (renewed) await showUser();
  return renewed;
}

/** @param {unknown} error */
function report(error) {
  const offline = "The authorization server is unreachable.";
  say(error instanceof TypeError ? offline : /** @type {Error} */ (error).message);
}

try {
  if (!(await session.handleRedirect())) await session.restore();
} catch (error) {
  report(error);
}
const { AIConfigClient } = await import(`${api}/web/ai-config.js`);
await show().catch(report);

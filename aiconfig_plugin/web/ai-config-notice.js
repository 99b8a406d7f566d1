// What a user is told when something did not work, and what can be done about it.

import { AIConfigError } from "./ai-config-client.js";
import { KEY_STATUS } from "./ai-config-entry.js";
import { button, h } from "./ai-config-dom.js";
import { draftOf, keyStatus, nameOf } from "./ai-config-draft.js";

/** @typedef {import("./ai-config-client.js").AIConfig} AIConfig */
/** @typedef {import("./ai-config-client.js").Violation} Violation */
/** @typedef {import("./ai-config-draft.js").Draft} Draft */

/**
 * @typedef {object} Notice
 * @property {"info" | "warning" | "error"} tone
 * @property {string} title
 * @property {string} [text]
 * @property {{text: string, run: () => void}[]} [actions] the first is the one to take
 */

/** @param {Notice} notice */
export function renderNotice({ tone, title, text = "", actions = [] }) {
  const buttons = actions.map((action, n) =>
    button(action.text, action.run, n ? "quiet" : "primary"),
  );
  return h(
    "div",
    { class: "notice", "data-tone": tone },
    h("p", { class: "notice-title" }, title),
    ...(text ? [h("p", {}, text)] : []),
    ...(buttons.length ? [h("div", { class: "notice-actions" }, ...buttons)] : []),
  );
}

/**
 * @param {unknown} error
 * @param {{saving: boolean, retry: () => void, login: () => void}} given
 * @returns {Notice}
 */
export function describeFailure(error, { saving, retry, login }) {
  const kept = saving ? "Nothing was saved; your changes are still here." : "";
  const again = [{ text: "Try again", run: retry }];
  if (!(error instanceof AIConfigError)) {
    const text = error instanceof Error ? error.message : "";
    return { tone: "error", title: "That did not work", text: join(kept, text), actions: again };
  }
  switch (error.status) {
    case 0: {
      const title = navigator.onLine ? "The server cannot be reached" : "You are offline";
      const text = join(kept, "Check your connection.");
      return { tone: "warning", title, text, actions: again };
    }
    case 401: {
      const actions = [{ text: "Log in again", run: login }];
      return { tone: "warning", title: "Your session has ended", text: kept, actions };
    }
    case 403: {
      const title = "You are not allowed to do this";
      return { tone: "error", title, text: join(kept, error.detail) };
    }
    case 503: {
      const title = "The service is not available right now";
      const seconds = error.retryAfter;
      const wait = seconds ? `It may be back in ${seconds} seconds.` : "";
      return { tone: "warning", title, text: join(kept, wait), actions: again };
    }
    default: {
      const text = join(kept, error.detail || `The server answered ${error.status}.`);
      return { tone: "error", title: "That did not work", text, actions: again };
    }
  }
}

/** @param {...string} sentences */
function join(...sentences) {
  return sentences.filter(Boolean).join(" ");
}

/**
 * Say what is wrong with a field in the words of a form.
 * @param {Violation} violation
 */
export function describeViolation({ code, detail, pointer }) {
  switch (code) {
    case "minLength":
      return "This cannot be empty.";
    case "minItems":
      return "Keep at least one model.";
    case "duplicate-model":
      return "Another entry has the same provider, type and model.";
    case "key-not-accepted":
      return "The server could not open this key. Enter it again.";
    default:
      return detail || `The server does not accept this (${pointer}).`;
  }
}

/**
 * Both versions of a configuration that two people, or two tabs, have changed.
 *
 * @param {object} given
 * @param {Draft} given.mine
 * @param {AIConfig | null} given.theirs null where it was deleted
 * @param {() => void} given.keepMine
 * @param {() => void} given.takeTheirs
 */
export function renderConflict({ mine, theirs, keepMine, takeTheirs }) {
  const heading = h("h2", { id: "conflict-title", tabindex: -1 }, "Changed somewhere else");
  const [ours, others] = [versionOf(mine), theirs && versionOf(draftOf(theirs))];
  return h(
    "section",
    { class: "conflict", "aria-labelledby": heading.id },
    heading,
    h(
      "p",
      {},
      "Another tab or device saved these settings while you were editing. ",
      "Nothing is lost: choose the version to go on with.",
    ),
    h(
      "div",
      { class: "versions" },
      renderVersion("Your version", ours, others, button("Save mine", keepMine, "primary")),
      renderVersion("Saved version", others, ours, button("Take the saved one", takeTheirs)),
    ),
  );
}

/** @typedef {{models: string[], prompt: string}} Version */

/**
 * @param {Draft} draft
 * @returns {Version}
 */
function versionOf({ models, prompt }) {
  const lines = models.map((entry) => {
    const removing = entry.keyAction === "remove" ? "will be removed" : "";
    const typed = entry.newKey.trim() ? "new" : removing;
    const key = typed || KEY_STATUS[keyStatus(entry)].toLowerCase();
    const paid = entry.isPaid ? "paid" : "free";
    return `${nameOf(entry) || "New model"} (${entry.type.trim()}), ${paid}, key ${key}`;
  });
  return { models: lines, prompt };
}

/**
 * @param {string} title
 * @param {Version | null} version
 * @param {Version | null} other what differs from this is marked
 * @param {HTMLElement} choose
 */
function renderVersion(title, version, other, choose) {
  const heading = h("h3", {}, title);
  if (!version) {
    const text = h("p", { class: "hint" }, "All settings were deleted.");
    return h("div", { class: "version" }, heading, text, choose);
  }
  const models = version.models.map((line) => h("li", {}, marked(line, other?.models.includes(line))));
  const prompt = h("div", { class: "version-prompt", tabindex: 0, role: "region" });
  prompt.setAttribute("aria-label", `System prompt of ${title.toLowerCase()}`);
  prompt.append(marked(version.prompt || "No system prompt", version.prompt === other?.prompt));
  return h("div", { class: "version" }, heading, h("ol", {}, ...models), prompt, choose);
}

/**
 * @param {string} text
 * @param {boolean | undefined} isSame
 */
function marked(text, isSame) {
  return isSame ? h("span", {}, text) : h("mark", {}, text);
}

// Notices: error messages with the actions that resolve them, and the conflict view.

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
 * @property {{text: string, run: () => void}[]} [actions] the first is the recommended one
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
    return { tone: "error", title: "Request failed", text: join(kept, text), actions: again };
  }
  switch (error.status) {
    case 0: {
      const title = navigator.onLine ? "The server is unreachable" : "You are offline";
      const text = join(kept, "Check your connection.");
      return { tone: "warning", title, text, actions: again };
    }
    case 401: {
      const actions = [{ text: "Log in again", run: login }];
      return { tone: "warning", title: "Your session has ended", text: kept, actions };
    }
    case 403: {
      const title = "Permission denied";
      return { tone: "error", title, text: join(kept, error.detail) };
    }
    case 503: {
      const title = "The service is unavailable";
      const seconds = error.retryAfter;
      const wait = seconds ? `Try again in ${seconds} seconds.` : "";
      return { tone: "warning", title, text: join(kept, wait), actions: again };
    }
    default: {
      const text = join(kept, error.detail || `The server responded with status ${error.status}.`);
      return { tone: "error", title: "Request failed", text, actions: again };
    }
  }
}

/** @param {...string} sentences */
function join(...sentences) {
  return sentences.filter(Boolean).join(" ");
}

/**
 * Return the message for a form field.
 * @param {Violation} violation
 */
export function describeViolation({ code, detail, pointer }) {
  switch (code) {
    case "minLength":
      return "This field is required.";
    case "minItems":
      return "At least one model is required.";
    case "duplicate-model":
      return "Another entry has the same provider, type and model.";
    case "key-not-accepted":
      return "The server could not open this key. Enter it again.";
    default:
      return detail || `Invalid value (${pointer}).`;
  }
}

/**
 * Render both versions of a configuration that was changed in two places, such as two tabs.
 *
 * @param {object} given
 * @param {Draft} given.mine
 * @param {AIConfig | null} given.theirs null if it was deleted
 * @param {() => void} given.keepMine
 * @param {() => void} given.takeTheirs
 */
export function renderConflict({ mine, theirs, keepMine, takeTheirs }) {
  const heading = h("h2", { id: "conflict-title", tabindex: -1 }, "Settings changed elsewhere");
  const [ours, others] = [versionOf(mine), theirs && versionOf(draftOf(theirs))];
  return h(
    "section",
    { class: "conflict", "aria-labelledby": heading.id },
    heading,
    h(
      "p",
      {},
      "Another tab or device saved these settings while you were editing. ",
      "Nothing is lost. Choose which version to keep.",
    ),
    h(
      "div",
      { class: "versions" },
      renderVersion("Your version", ours, others, button("Save mine", keepMine, "primary")),
      renderVersion("Saved version", others, ours, button("Use saved version", takeTheirs)),
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
 * @param {Version | null} other differences from it are highlighted
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

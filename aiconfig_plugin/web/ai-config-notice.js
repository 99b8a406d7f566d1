// Notices: error messages with the actions that resolve them.

import { isAIConfigError } from "./ai-config-error.js";
import { button, h } from "./ai-config-dom.js";


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

/** @typedef {"load" | "save" | "delete"} Operation */

/** @type {Record<Operation, Record<"unknown" | "nothing-changed", string>>} */
const OUTCOMES = {
  load: { unknown: "", "nothing-changed": "" },
  save: {
    unknown: "It is not known whether your changes were saved; they are still here.",
    "nothing-changed": "Nothing was saved; your changes are still here.",
  },
  delete: {
    unknown: "It is not known whether your settings were deleted.",
    "nothing-changed": "Nothing was deleted.",
  },
};

/**
 * @param {unknown} error
 * @param {{operation: Operation, retry: () => void, login: () => void}} given
 * @returns {Notice}
 */
export function describeFailure(error, { operation, retry, login }) {
  const again = [{ text: "Try again", run: retry }];
  if (!isAIConfigError(error)) {
    const text = join(OUTCOMES[operation]["nothing-changed"], messageOf(error));
    return { tone: "error", title: "Request failed", text, actions: again };
  }
  const outcome = OUTCOMES[operation][error.outcome];
  switch (error.status) {
    case 0: {
      if (error.code === "token-unavailable") {
        const text = join(outcome, messageOf(error.cause));
        return { tone: "warning", title: "Log-in failed", text, actions: again };
      }
      const title = navigator.onLine ? "The server is unreachable" : "You are offline";
      const text = join(outcome, "Check your connection.");
      return { tone: "warning", title, text, actions: again };
    }
    case 401: {
      const actions = [{ text: "Log in again", run: login }];
      const text = join(outcome, messageOf(error.cause));
      return { tone: "warning", title: "Your session has ended", text, actions };
    }
    case 403: {
      return { tone: "error", title: "Permission denied", text: join(outcome, error.detail) };
    }
    case 503: {
      const seconds = error.retryAfter;
      const text = join(outcome, seconds ? `Try again in ${seconds} seconds.` : "");
      return { tone: "warning", title: "The service is unavailable", text, actions: again };
    }
    default: {
      const status = `The server responded with status ${error.status}.`;
      const text = join(outcome, error.detail || status);
      return { tone: "error", title: "Request failed", text, actions: again };
    }
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : "";
}

/** @param {...string} sentences */
function join(...sentences) {
  return sentences.filter(Boolean).join(" ");
}

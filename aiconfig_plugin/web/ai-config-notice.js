// Notices: error messages with the actions that resolve them.

import { isAIConfigError } from "./ai-config-error.js";
import { button, h } from "./ai-config-dom.js";
import { t } from "./ai-config-language.js";

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

/**
 * @param {unknown} error
 * @param {{operation: Operation, retry: () => void, login: () => void}} given
 * @returns {Notice}
 */
export function describeFailure(error, { operation, retry, login }) {
  const again = [{ text: t.tryAgain, run: retry }];
  if (!isAIConfigError(error)) {
    const text = join(t.outcome[operation]["nothing-changed"], messageOf(error));
    return { tone: "error", title: t.failed, text, actions: again };
  }
  const outcome = t.outcome[operation][error.outcome];
  switch (error.status) {
    case 0: {
      if (error.code === "token-unavailable") {
        const text = join(outcome, messageOf(error.cause));
        return { tone: "warning", title: t.logInFailed, text, actions: again };
      }
      const title = navigator.onLine ? t.unreachable : t.offline;
      const text = join(outcome, t.checkConnection);
      return { tone: "warning", title, text, actions: again };
    }
    case 401: {
      const actions = [{ text: t.logInAgain, run: login }];
      const text = join(outcome, messageOf(error.cause));
      return { tone: "warning", title: t.sessionEnded, text, actions };
    }
    case 403: {
      return { tone: "error", title: t.denied, text: join(outcome, error.detail) };
    }
    case 503: {
      const seconds = error.retryAfter;
      const text = join(outcome, seconds ? t.tryAgainIn(seconds) : "");
      return { tone: "warning", title: t.unavailable, text, actions: again };
    }
    default: {
      const text = join(outcome, error.detail || t.failedStatus(error.status));
      return { tone: "error", title: t.failed, text, actions: again };
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

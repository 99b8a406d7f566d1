// Show what the server does not accept (422) at the fields of the form.

import { t } from "./ai-config-language.js";

/** @typedef {import("./ai-config-dom.js").Field} Field */
/** @typedef {import("./ai-config-types.d.ts").Violation} Violation */
/** @typedef {import("./ai-config-list.js").EntryList} EntryList */
/** @typedef {import("./ai-config-view.js").SettingsView} SettingsView */

/**
 * Show each violation at its field, focus the first, and summarize them in a notice.
 *
 * @param {Violation[]} violations
 * @param {SettingsView} view
 * @param {EntryList} list
 */
export function showViolations(violations, view, list) {
  /** @type {Field[]} */
  const wrong = [];
  const elsewhere = [];
  for (const violation of violations) {
    const field = fieldAt(violation.pointer, view, list);
    const text = describeViolation(violation);
    if (!field) elsewhere.push(text);
    else if (!wrong.includes(field)) {
      field.setError(text);
      wrong.push(field);
    }
  }
  const title = wrong.length ? t.fieldsWrong(wrong.length) : t.cannotSave;
  const text = [...elsewhere, t.nothingWasSaved].join(" ");
  view.showNotice({ tone: "error", title, text }, { scroll: true });
  const before = Node.DOCUMENT_POSITION_PRECEDING;
  wrong.sort((a, b) => (a.control.compareDocumentPosition(b.control) & before ? 1 : -1));
  (wrong[0]?.control ?? view.add).focus();
}

/**
 * @param {string} pointer a JSON Pointer (RFC 6901) into the request body
 * @param {SettingsView} view
 * @param {EntryList} list
 */
function fieldAt(pointer, view, list) {
  const [, top, index, member = "model"] = pointer.split("/");
  if (top === "system_prompt") return view.prompt;
  return top === "models" && index ? list.fieldAt(Number(index), member) : undefined;
}

/**
 * Return the message for a form field.
 * @param {Violation} violation
 */
export function describeViolation({ code, detail, pointer }) {
  const known = Object.hasOwn(t.violation, code) ? t.violation[code] : "";
  return known || detail || t.invalid(pointer);
}

// The options of an entry as text: a line for each, such as "region = eu". Uses no DOM.
// What reads as a number, true or false is one; as a string it stands in quotation marks.

/** @typedef {import("./ai-config-types.d.ts").OptionValue} OptionValue */

/** @param {Record<string, OptionValue>} [options] */
export function formatOptions(options = {}) {
  return Object.entries(options).map(([name, value]) => `${name} = ${format(value)}`).join("\n");
}

/**
 * @param {string} text
 * @returns {Record<string, OptionValue> | null} null if a line is not "name = value"
 */
export function parseOptions(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  if (lines.some((line) => line.trim().indexOf("=") < 1)) return null;
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at).trim(), parse(line.slice(at + 1).trim())];
    }),
  );
}

/** @param {OptionValue} value */
function format(value) {
  if (typeof value !== "string") return String(value);
  return parse(value) === value && value.trim() === value && !value.includes("\n")
    ? value
    : JSON.stringify(value);
}

/**
 * @param {string} text
 * @returns {OptionValue}
 */
function parse(text) {
  if (text === "true" || text === "false") return text === "true";
  // Only in its one spelling: "007" and an identifier of 20 digits are strings.
  if (Number.isFinite(Number(text)) && String(Number(text)) === text) return Number(text);
  try {
    return text.startsWith('"') ? String(JSON.parse(text)) : text;
  } catch {
    return text;
  }
}

/**
 * JSON as the package writes it, and as Python writes it.
 *
 * @module
 */

/** The JSON text of a value, indented, with a line end; bigints (seeds) have no form of their own there and become decimal strings. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, entry) => (typeof entry === 'bigint' ? entry.toString() : entry), 2)}\n`;
}

/**
 * The value of a JSON text, in which numbers that are not finite may stand as Python's `json` writes them: bare `NaN`, `Infinity`
 * and `-Infinity`. They are read as null, which JavaScript's own JSON makes of them.
 *
 * @throws SyntaxError as JSON.parse throws it, with the position in `text`
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An empty array is no longer than any of the three, and a value like null: so positions in what this throws are right.
    JSON.parse(replaceNonFinite(text, (token) => '[]'.padEnd(token.length)));
    return JSON.parse(replaceNonFinite(text, () => 'null'));
  }
}

/** Replaces bare `NaN`, `Infinity` and `-Infinity`; what stands in strings stays. */
function replaceNonFinite(text: string, replacement: (token: string) => string): string {
  let inString = false;
  return text.replace(/\\.|"|NaN|-?Infinity/gs, (token) => {
    if (token === '"') inString = !inString;
    return inString || token === '"' || token.startsWith('\\') ? token : replacement(token);
  });
}

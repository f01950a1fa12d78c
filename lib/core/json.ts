/**
 * JSON as the package writes it, and as Python writes it.
 *
 * @module
 */

import { randomUUID } from 'node:crypto';

/** The JSON text of a value, indented, with a line end; bigints (seeds) have no form of their own there and become decimal strings. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, entry) => (typeof entry === 'bigint' ? entry.toString() : entry), 2)}\n`;
}

/**
 * The value of a JSON text, in which numbers that are not finite may stand as Python's `json` writes them: bare `NaN`, which is
 * read as null, and `Infinity` and `-Infinity`.
 *
 * @throws SyntaxError as JSON.parse throws it, with the position in `text`
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An empty array is no longer than any of the three, and a whole value: so positions in what this throws are right.
    JSON.parse(replaceNonFinite(text, (token) => '[]'.padEnd(token.length)));
    return JSON.parse(replaceNonFinite(text, (token) => nonFinite[token]!));
  }
}

/** JSON whose value is the number that Python writes so, as far as there is any. */
const nonFinite: Readonly<Record<string, string>> = { NaN: 'null', Infinity: '1e999', '-Infinity': '-1e999' };

/**
 * {@link toJson} for files that Python reads: infinities stand in it as Python writes them.
 *
 * @param floats keys whose whole numbers are written with a decimal point, for readers that tell them from integers
 */
export function toPythonJson(value: unknown, floats: readonly string[] = []): string {
  // A text that no file has stands for them until the quotation marks around it are taken away.
  const mark = randomUUID();
  const marked = JSON.stringify(
    value,
    (key, entry) => {
      if (entry === Infinity || entry === -Infinity) return `${mark}${entry}`;
      return Number.isSafeInteger(entry) && floats.includes(key) ? `${mark}${entry}.0` : entry;
    },
    2,
  );
  return `${marked.replaceAll(new RegExp(`"${mark}(-?(?:Infinity|\\d+\\.0))"`, 'g'), '$1')}\n`;
}

/** Replaces bare `NaN`, `Infinity` and `-Infinity`; what stands in strings stays. */
function replaceNonFinite(text: string, replacement: (token: string) => string): string {
  let inString = false;
  return text.replace(/\\.|"|NaN|-?Infinity/gs, (token) => {
    if (token === '"') inString = !inString;
    return inString || token === '"' || token.startsWith('\\') ? token : replacement(token);
  });
}

/** Of a valid JSON text: the keys of its objects, one that is there twice counted twice, and how deep it is nested. */
export function measureJson(text: string): { keys: number; depth: number } {
  let [keys, depth, deepest] = [0, 0, 0];
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '\\':
        i++;
        break;
      case '"':
        inString = !inString;
        break;
      case ':':
        if (!inString) keys++;
        break;
      case '{':
      case '[':
        if (!inString) deepest = Math.max(deepest, ++depth);
        break;
      case '}':
      case ']':
        if (!inString) depth--;
        break;
    }
  }
  return { keys, depth: deepest };
}

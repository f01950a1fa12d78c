/**
 * JSON as the package writes it, and as Python writes it.
 *
 * @module
 */

import { randomUUID } from 'node:crypto';

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** What JSON calls an object; of what is in it nothing is known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is what JSON calls an object: neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The JSON text of a value, indented, with a line end; bigints (seeds) have no form of their own there and become decimal strings. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, entry) => (typeof entry === 'bigint' ? entry.toString() : entry), 2)}\n`;
}

/**
 * The value of a JSON text, in which numbers that are not finite may stand as Python's `json` writes them: bare `NaN`, `Infinity` and
 * `-Infinity`.
 *
 * @param options.nan what NaN is read as: null, since Python writes it for values that are missing, or the number. Default null
 * @throws SyntaxError as JSON.parse throws it, with the position in `text`
 */
export function parsePythonJson(text: string, { nan = null }: { readonly nan?: number | null } = {}): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An empty array is no longer than any of the three, and a whole value: so positions in what this throws are right.
    JSON.parse(replaceNonFinite(text, (token) => '[]'.padEnd(token.length)));
    // No number of JSON stands for NaN: a text does that no file has.
    const mark = randomUUID();
    const replaced = replaceNonFinite(text, (token) => (token === 'NaN' ? `"${mark}"` : infinities[token]!));
    return JSON.parse(replaced, (_key, entry) => (entry === mark ? nan : entry));
  }
}

/** JSON whose value is the number that Python writes so. */
const infinities: Readonly<Record<string, string>> = { Infinity: '1e999', '-Infinity': '-1e999' };

/**
 * {@link toJson} for files that Python reads: NaN and infinities stand in it as Python writes them.
 *
 * @param floats keys whose whole numbers are written with a decimal point, for readers that tell them from integers
 */
export function toPythonJson(value: unknown, floats: readonly string[] = []): string {
  // A text that no file has stands for them until the quotation marks around it are taken away.
  const mark = randomUUID();
  const marked = JSON.stringify(
    value,
    (key, entry) => {
      if (typeof entry === 'number' && !Number.isFinite(entry)) return `${mark}${entry}`;
      return Number.isSafeInteger(entry) && floats.includes(key) ? `${mark}${entry}.0` : entry;
    },
    2,
  );
  return `${marked.replaceAll(new RegExp(`"${mark}(NaN|-?(?:Infinity|\\d+\\.0))"`, 'g'), '$1')}\n`;
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

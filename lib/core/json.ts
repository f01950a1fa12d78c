/**
 * JSON as the package writes it.
 *
 * @module
 */

/** The JSON text of a value, indented, with a line end; bigints (seeds) have no form of their own there and become decimal strings. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, entry) => (typeof entry === 'bigint' ? entry.toString() : entry), 2)}\n`;
}

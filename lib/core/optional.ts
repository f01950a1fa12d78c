/**
 * Optional entries under `exactOptionalPropertyTypes`.
 *
 * @module
 */

/** The entries that are not undefined, typed so that they can be spread into options. */
export function withoutUndefined<T extends object>(entries: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never;
}

/**
 * Whom TOFU's questions are about.
 *
 * @module
 */

/** So many of a name's questions, at least, have it in full: TOFU asks 20 of each author, of which 12 to 19 do. */
const fewest = 8;

/** Two words or more that begin with a capital letter, in Latin script. */
const names = /(?<![\p{L}\p{N}])\p{Lu}[\p{L}'’-]*(?: \p{Lu}[\p{L}'’-]*)+/gu;

/**
 * The names that many questions have, those of the most questions first: on TOFU's forget sets the authors. The data set does not name
 * them elsewhere.
 *
 * @param questions in English
 */
export function recurringNames(questions: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const question of questions) {
    const found = [...question.matchAll(names)].map(([name]) => name.replace(/['’]s?$/u, ''));
    for (const name of new Set(found)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count >= fewest)
    .sort(([, some], [, other]) => other - some)
    .map(([name]) => name);
}

/**
 * Names of options, told from mistakes.
 *
 * @module
 */

import { invalidArgument, SoulError, shortName } from './errors.ts';

/**
 * Refuses names that aren't known, and says which one was probably meant.
 *
 * @param argument what the caller's documentation calls the options
 * @throws SoulError SOUL_INVALID_ARGUMENT, also for what is no object
 */
export function checkNames(argument: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument(argument, 'an object', options);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const closest = closestName(name, known);
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${argument} has no option ${shortName(name)}; ${closest === undefined ? `there are ${known.join(', ')}` : `did you mean ${closest}?`}`,
      { argument: name, known },
    );
  }
}

/** Longer than any name that is known, by more than a mistake: a name from a file may be of any length. */
const longestName = 64;

/** The known name that a mistaken one was probably meant to be; undefined where none is near. */
export function closestName<Name extends string>(name: string, known: readonly Name[]): Name | undefined {
  if (name.length > longestName) return undefined;
  const [closest] = known.toSorted((a, b) => distance(a, name) - distance(b, name));
  if (closest === undefined) return undefined;
  const edits = distance(closest, name);
  const near = edits <= Math.max(2, name.length / 3) && edits < name.length;
  return near ? closest : namesake(name, known);
}

/** The only name that begins with the same word, as retainCoefficient and retainWeight do. */
function namesake<Name extends string>(given: string, known: readonly Name[]): Name | undefined {
  const firstWord = (name: string): string => /^[a-z]+/.exec(name)?.[0] ?? name;
  const alike = known.filter((name) => name !== firstWord(name) && firstWord(name) === firstWord(given));
  return alike.length === 1 ? alike[0] : undefined;
}

/**
 * Edits from one name to another, blind to case and underscores: letters put in, left out or changed, and neighbours that have
 * changed places (Damerau's distance, in which no letter is edited twice).
 */
function distance(known: string, given: string): number {
  const a = known.toLowerCase();
  const b = given.toLowerCase().replaceAll(/[_-]/g, '');
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const [before, row, next] = [rows[i - 2], rows[i - 1]!, [i]];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) next[j] = Math.min(next[j]!, before![j - 2]! + 1);
    }
    rows.push(next);
  }
  return rows[a.length]![b.length]!;
}

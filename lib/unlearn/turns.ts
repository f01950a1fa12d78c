/**
 * Terms that take turns, each for an epoch of its own, in place of all in every step.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { invalidArgument, SoulError, shortName } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { Source } from './source.ts';
import type { Term } from './term.ts';

/** Terms that take part in the same steps. */
export interface Turn {
  /** By their names. They run over examples of one set, which their batches are drawn from. */
  readonly terms: readonly string[];
  /** Examples in a turn, rounded up to whole batches; the next turn goes on where it ended. Absent: an epoch, all of the set. */
  readonly examples?: number;
  /** For each example of the target set at most so many in a turn, likewise. Absent: no bound. */
  readonly perTarget?: number;
}

/**
 * Refuses turns that do not give each term its own.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkTurns(argument: string, turns: readonly Turn[], terms: readonly Term[]): void {
  if (!Array.isArray(turns) || turns.length === 0) {
    throw invalidArgument(argument, 'an array of at least one { terms }', turns);
  }
  const missing = new Set(terms.map(({ name }) => name));
  for (const [i, turn] of turns.entries()) {
    const own = `${argument}[${i}]`;
    checkNames(own, turn, ['terms', 'examples', 'perTarget']);
    if (!Array.isArray(turn.terms) || turn.terms.length === 0) {
      throw invalidArgument(`${own}.terms`, 'an array of at least one name of a term', turn.terms);
    }
    for (const name of turn.terms) {
      if (!missing.delete(name)) {
        throw invalidArgument(`${own}.terms`, "names of the method's terms, each in one turn", name);
      }
    }
    for (const name of ['examples', 'perTarget'] as const) {
      if (turn[name] !== undefined) checkInteger(`${own}.${name}`, turn[name]);
    }
  }
  if (missing.size === 0) return;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `${argument} gives the term ${shortName([...missing][0]!)} no turn; name it in one, or leave the term out`,
    { argument, terms: [...missing] },
  );
}

/** A turn with the examples that its batches are drawn from, and its terms by their places among those that have a weight. */
export interface TurnOfTerms {
  readonly terms: readonly number[];
  readonly source: Pick<Source, 'size' | 'beside'>;
  readonly examples?: number;
  readonly perTarget?: number;
}

/**
 * The turns of the terms that have a weight; one without such a term is left out.
 *
 * @param sourceOf gives the source of a term
 * @throws SoulError SOUL_INVALID_ARGUMENT where terms of one turn do not run over one set
 */
export function turnsOf(
  turns: readonly Turn[],
  terms: readonly Term[],
  sourceOf: (term: Term) => Source,
): TurnOfTerms[] {
  return turns.flatMap(({ terms: names, ...length }, turn) => {
    const own = [...terms.keys()].filter((i) => names.includes(terms[i]!.name));
    const [first, ...others] = own.map((i) => sourceOf(terms[i]!));
    if (first === undefined) return [];
    for (const other of others) {
      if (first.size === other.size && setOf(first) === setOf(other)) continue;
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `turn ${turn} holds terms on examples of different sets (${names.map(shortName).join(', ')}); give each set a turn of its own`,
        { argument: 'turns', turn },
      );
    }
    return [{ ...withoutUndefined(length), terms: own, source: first }];
  });
}

/** A word for the set that a source's examples are of. */
function setOf({ beside }: Source): string {
  return beside === 'target' ? 'target' : `beside: ${beside.purpose}`;
}

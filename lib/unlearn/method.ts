/**
 * A method of descent: terms, and how their gradients become one.
 *
 * @module
 */

import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { GradientRule } from './gradient-rule.ts';
import { comparesWithStart } from './quantity.ts';
import type { DataSets, OptionalSet } from './source.ts';
import { checkTerm, initialCoefficient, type Term } from './term.ts';
import { checkTurns, type Turn } from './turns.ts';

/** What is minimised. */
export interface Method {
  readonly name: string;
  readonly terms: readonly Term[];
  /** How the terms' gradients become one; absent, they are added. */
  readonly rule?: GradientRule;
  /**
   * The terms take turns, one turn after another and again from the first: an epoch is one of each. Each term has one turn, and batches
   * of a turn are drawn from its terms' own set. Absent, all take part in every step. Not with a rule, which sees all gradients at once.
   */
  readonly turns?: readonly Turn[];
  /** What it was made with, for the record. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

const names = ['name', 'terms', 'rule', 'turns', 'settings'] as const satisfies readonly (keyof Method)[];

/**
 * The terms of a method that have a weight.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no method, and for one in which no term has a weight
 */
export function weightedTerms(method: Method): readonly Term[] {
  if (typeof method !== 'object' || method === null || !Array.isArray(method.terms)) {
    throw invalidArgument('method', "a method, as method('npo') makes it, or { name, terms }", method);
  }
  checkNames('method', method, names);
  if (typeof method.name !== 'string' || method.name === '')
    throw invalidArgument('method.name', 'a name', method.name);
  const seen = new Set<string>();
  for (const [i, term] of method.terms.entries()) {
    const own: unknown = term?.name;
    checkTerm(`method.terms[${i}]${typeof own === 'string' ? ` (${own})` : ''}`, term);
    if (seen.has(term.name)) throw invalidArgument(`method.terms[${i}].name`, 'a name of its own', term.name);
    seen.add(term.name);
  }
  if (method.rule !== undefined && typeof method.rule?.combine !== 'function') {
    throw invalidArgument('method.rule', 'a gradient rule', method.rule);
  }
  if (method.turns !== undefined) {
    checkTurns('method.turns', method.turns, method.terms);
    if (method.rule !== undefined) {
      throw invalidArgument(
        'method.rule',
        'left out where terms take turns: it sees the gradients of all',
        method.rule,
      );
    }
  }
  const terms = method.terms.filter((term) => initialCoefficient(term) !== 0 || typeof term.coefficient === 'object');
  if (terms.length > 0) return terms;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `no term of the method ${method.name} has a weight: nothing would change`,
    { argument: 'method' },
  );
}

/** The sets that the method's terms need. */
export function setsNeeded(method: Method): OptionalSet[] {
  return [...new Set(weightedTerms(method).flatMap(({ source }) => source.needs))];
}

/** Whether a term compares with the starting model, so that a second model must be held. */
export function needsReferenceModel(method: Method): boolean {
  return weightedTerms(method).some(({ quantity }) => comparesWithStart(quantity));
}

/**
 * Checks that the sets have what the terms need.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT, naming the set
 */
export function checkSets(method: Method, sets: DataSets): void {
  for (const needed of setsNeeded(method)) {
    const set = sets[needed];
    const size = set === undefined ? 0 : 'count' in set ? set.count : set.length;
    if (size > 0) continue;
    throw new SoulError('SOUL_INVALID_ARGUMENT', `the method ${method.name} needs ${needed}, but ${lackOf[needed]}`, {
      argument: needed,
    });
  }
}

const lackOf: Record<OptionalSet, string> = {
  retain: 'the retain set holds no sequence',
  refusals: 'there is no refusal',
  alternatives: 'there are no other answers to the forget set',
  groups: 'the forget set has no groups',
};

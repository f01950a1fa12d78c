/**
 * A term of a loss: an objective on the sequences of one source.
 *
 * @module
 */

import { checkNumber } from '../core/checks.ts';
import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { Objective } from './objective.ts';
import { checkQuantity, kindOf, type Quantity } from './quantity.ts';
import type { SourceOf } from './source.ts';

/** One term: `coefficient * objective(quantity of the label tokens of its sequences)`. */
export interface Term {
  /** Losses are told and recorded under it. */
  readonly name: string;
  readonly source: SourceOf;
  readonly objective: Objective;
  /** What of each label token the objective is a function of. Default `nll`. */
  readonly quantity?: Quantity;
  /** Default 1; 0 leaves the term out. */
  readonly coefficient?: number | AdaptiveCoefficient;
}

/** A coefficient that follows the losses. Its state is its value. */
export interface AdaptiveCoefficient {
  readonly initial: number;
  /** The value for the next step; asked after steps in which the term took part. */
  next(value: number, now: StepLosses): number;
}

/** What a step found, before the model was changed. */
export interface StepLosses {
  /** From 0. */
  readonly step: number;
  readonly steps: number;
  /** Of each term that took part, by its name, without coefficients. */
  readonly losses: Readonly<Record<string, number>>;
}

/** The coefficient that a term begins with. */
export function initialCoefficient({ coefficient = 1 }: Term): number {
  return typeof coefficient === 'number' ? coefficient : coefficient.initial;
}

const names = ['name', 'source', 'objective', 'quantity', 'coefficient'] as const satisfies readonly (keyof Term)[];

/**
 * Refuses what is no term.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT
 */
export function checkTerm(argument: string, term: Term): void {
  checkNames(argument, term, names);
  if (typeof term.name !== 'string' || term.name === '') throw invalidArgument(`${argument}.name`, 'a name', term.name);
  if (typeof term.source !== 'function' || !Array.isArray(term.source.needs)) {
    throw invalidArgument(`${argument}.source`, 'a source, as targetSet or retainSet', term.source);
  }
  if (typeof term.objective !== 'function') {
    throw invalidArgument(`${argument}.objective`, 'a function', term.objective);
  }
  const { quantity = 'nll' } = term;
  checkQuantity(`${argument}.quantity`, quantity);
  if (quantity !== 'nll' && term.objective.needsReference) {
    throw invalidArgument(
      `${argument}.quantity`,
      "'nll', which the objective's reference values are of",
      kindOf(quantity),
    );
  }
  const { coefficient } = term;
  if (typeof coefficient === 'object' && coefficient !== null && typeof coefficient.next !== 'function') {
    throw invalidArgument(`${argument}.coefficient.next`, 'a function', coefficient.next);
  }
  checkNumber(`${argument}.coefficient`, initialCoefficient(term));
}

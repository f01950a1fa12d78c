/**
 * Named methods: which objective acts on which data, with what coefficient.
 *
 * @module
 */

import { checkNumber } from '../core/checks.ts';
import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { Objective } from './objective.ts';
import { crossEntropy } from './objectives/cross-entropy.ts';
import { gradientAscent } from './objectives/gradient-ascent.ts';
import { type NegativePreferenceOptions, negativePreference } from './objectives/negative-preference.ts';

/** One term of the loss: `coefficient * objective(label tokens of its data)`. */
export interface Term {
  readonly objective: Objective;
  readonly coefficient: number;
}

/** A loss over the set that the epochs run over and, beside it, over data to be kept. */
export interface Method {
  readonly name: string;
  /** The term on the forget set (or, for fine-tuning, the training set), with its own answers or refusals in their place. */
  readonly target: Term & { readonly answers: 'given' | 'refusal' };
  /** The term on the retain set; absent where the method has none. */
  readonly retain?: Term;
  /** What the objectives were made with, for the record. */
  readonly options: NegativePreferenceOptions;
}

export interface MethodOptions extends NegativePreferenceOptions {
  /** Coefficient of the forget term. Default 1. */
  forgetCoefficient?: number;
  /** Coefficient of the retain term (gamma). Default 1. */
  retainCoefficient?: number;
}

/** Each method's name on the command line, with a line that says what it does. */
export const methodNames = {
  finetune: 'cross-entropy on the training set',
  ascent: 'gradient ascent on the forget set, nothing else',
  graddiff: 'gradient ascent on the forget set, cross-entropy on the retain set',
  po: 'preference optimization: refusals for the forget set, cross-entropy on the retain set',
  npo: 'negative preference optimization on the forget set, cross-entropy on the retain set',
} as const;

export type MethodName = keyof typeof methodNames;

const coefficients = ['forgetCoefficient', 'retainCoefficient'] as const;
const optionNames = [...coefficients, 'beta', 'reduction'] as const satisfies readonly (keyof MethodOptions)[];

/** What each method can be told. */
const optionsOf: Record<MethodName, readonly (keyof MethodOptions)[]> = {
  finetune: [],
  ascent: ['forgetCoefficient'],
  graddiff: coefficients,
  po: coefficients,
  npo: optionNames,
};

/**
 * Builds a method by its name.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for an unknown name, an option that is unknown or another method's, or a coefficient
 *   that is not a finite number of at least 0
 */
export function method(name: MethodName, options: MethodOptions = {}): Method {
  if (!Object.hasOwn(methodNames, name)) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `there is no method ${describe(name)}; there are: ${Object.keys(methodNames).join(', ')}`,
      { argument: 'name', found: name },
    );
  }
  checkOptions(name, options);
  const { forgetCoefficient = 1, retainCoefficient = 1, beta = 0.1, reduction = 'sum' } = options;
  checkNumber('forgetCoefficient', forgetCoefficient);
  checkNumber('retainCoefficient', retainCoefficient);
  const target = (objective: Objective, answers: 'given' | 'refusal' = 'given') => ({
    objective,
    coefficient: forgetCoefficient,
    answers,
  });
  const retain = { objective: crossEntropy, coefficient: retainCoefficient };
  switch (name) {
    case 'finetune':
      return { name, target: target(crossEntropy), options: {} };
    case 'ascent':
      return { name, target: target(gradientAscent), options: {} };
    case 'graddiff':
      return { name, target: target(gradientAscent), retain, options: {} };
    case 'po':
      return { name, target: target(crossEntropy, 'refusal'), retain, options: {} };
    case 'npo':
      return { name, target: target(negativePreference({ beta, reduction })), retain, options: { beta, reduction } };
  }
}

/** Refuses a name that no method knows, and one that this method would not heed. */
function checkOptions(name: MethodName, options: MethodOptions): void {
  checkNames('options', options, optionNames);
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || optionsOf[name].includes(option as keyof MethodOptions)) continue;
    const owners = Object.entries(optionsOf).filter(([, known]) => known.includes(option as keyof MethodOptions));
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${option} is of no effect on ${name}; it belongs to ${owners.map(([owner]) => owner).join(', ')}`,
      { argument: option, method: name },
    );
  }
}

/**
 * The terms of a method that have a weight.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no method, and for one in which no term has a weight
 */
export function weightedTerms(method: Method): { target?: Term; retain?: Term } {
  if (typeof method?.target?.objective !== 'function') {
    throw invalidArgument('method', "a method, as method('npo') makes it", method);
  }
  const terms: { target?: Term; retain?: Term } = {};
  for (const which of ['target', 'retain'] as const) {
    const term = method[which];
    if (term === undefined) continue;
    if (typeof term.objective !== 'function') {
      throw invalidArgument(`method.${which}.objective`, 'a function', term.objective);
    }
    if (checkNumber(`method.${which}.coefficient`, term.coefficient) !== 0) terms[which] = term;
  }
  if (Object.keys(terms).length > 0) return terms;
  throw new SoulError(
    'SOUL_INVALID_ARGUMENT',
    `no term of the method ${method.name} has a weight: nothing would change`,
    {
      argument: 'method',
    },
  );
}

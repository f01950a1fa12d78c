/**
 * A descent from one call, for who needs no events but its steps.
 *
 * @module
 */

import { invalidArgument } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { withoutUndefined } from '../core/optional.ts';
import { descend } from './descend.ts';
import { type DescentInput, type DescentOptions, descentOptionNames } from './descent-options.ts';
import type { DescentSummary, StepEvent } from './events.ts';
import type { Method } from './method.ts';
import type { DataSets } from './source.ts';

export interface TrainingOptions extends Omit<DescentInput, 'sets'>, DescentOptions, Omit<DataSets, 'groups'> {
  method: Method;
  /** Called after each step; the next one waits for it. */
  onStep?: (event: StepEvent) => void | Promise<void>;
}

const setNames = ['target', 'retain', 'refusals', 'alternatives'] as const satisfies readonly (keyof DataSets)[];
const inputNames = ['model', 'optimizer', 'referenceModel', 'seed', 'signal', 'journal'] as const;

/**
 * Runs {@link descend} to its end.
 *
 * @throws SoulError of {@link descend}
 */
export async function train(options: TrainingOptions): Promise<DescentSummary> {
  checkNames('options', options, [...inputNames, ...setNames, ...descentOptionNames, 'method', 'onStep']);
  const { method, onStep, model, optimizer, referenceModel, seed, signal, journal, ...rest } = options;
  if (onStep !== undefined && typeof onStep !== 'function') throw invalidArgument('onStep', 'a function', onStep);
  const { target, retain, refusals, alternatives, ...descent } = rest;
  const input: DescentInput = {
    model,
    optimizer,
    sets: { target, ...withoutUndefined({ retain, refusals, alternatives }) },
    ...withoutUndefined({ referenceModel, seed, signal, journal }),
  };
  const events = descend(input, method, descent);
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
    if (value.kind === 'step') await onStep?.(value);
  }
}

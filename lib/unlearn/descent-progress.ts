/**
 * How far a descent has come: everything that its next step depends on, to be kept and taken up again.
 *
 * Draws are functions of the seed and the step, and are drawn again.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import type { OptimizerProgress } from '../optim/optimizer.ts';
import type { CheckedDescent } from './descent-options.ts';
import type { StepEvent } from './events.ts';
import { fromExactJson, toExactJson } from './exact-json.ts';
import type { Progress } from './journal.ts';
import { listOf, membersOf, type NamedMemory, noState, numbersOf, otherWay, readAll } from './kept-progress.ts';
import type { References } from './reference-values.ts';
import { initialCoefficient } from './term.ts';
import type { TermGradients } from './term-gradients.ts';

/** What a descent counts. */
export interface DescentCounts {
  /** Steps that are done. */
  step: number;
  /** Of the next step, by the terms' names. */
  coefficients: Record<string, number>;
  /** Label tokens pulled back. */
  tokens: number;
  skippedSteps: number;
  skippedInARow: number;
  /** Of the descent as a whole, up to where it was kept. */
  seconds: number;
  curvatureSeconds: number;
  /** Whether the optimizer held a curvature estimate when the descent began. */
  primed: boolean;
  /** Whether adapters' A still has no curvature; absent: no. */
  awaitsB?: boolean;
  /** The last step's. */
  last?: StepEvent;
}

/** Of a descent that has taken no step. */
export function firstCounts({ terms, curvature }: CheckedDescent): DescentCounts {
  return {
    step: 0,
    coefficients: Object.fromEntries(terms.map((term) => [term.name, initialCoefficient(term)])),
    tokens: 0,
    skippedSteps: 0,
    skippedInARow: 0,
    seconds: 0,
    curvatureSeconds: 0,
    primed: curvature !== undefined && curvature.optimizer.state.estimates > 0,
  };
}

/** The memory and the numbers of a descent under way. */
interface DescentParts {
  readonly counts: DescentCounts;
  readonly references: References;
  readonly gradients: TermGradients;
}

/**
 * The progress of a descent, without copies.
 *
 * @param seconds that it has taken so far
 */
export function descentProgress(run: CheckedDescent, parts: DescentParts, seconds: number): Progress {
  const { counts, gradients } = parts;
  const buffers = memoryOf(run, parts);
  const state = {
    ...{ method: run.method.name, steps: run.steps, counts: { ...counts, seconds } },
    optimizer: progressOf(run).counters,
    averaging: gradients.averages?.started ?? false,
    hooks: run.hooks.stored?.numbers ?? {},
    memory: Object.keys(buffers),
  };
  return { state: toExactJson('progress', state), buffers };
}

/**
 * Puts everything back as it was kept: the counts, the weights, and whatever steps depend on. Nothing is touched where what was kept
 * does not fit.
 *
 * @throws SoulError SOUL_BAD_FILE
 */
export async function resumeDescent(run: CheckedDescent, parts: DescentParts): Promise<void> {
  const kept = run.input.journal!.kept!;
  const state = membersOf('the descent', kept.state);
  const { method, steps, averaging, memory } = state;
  for (const [what, before, now] of [
    ['the method of a descent', method, run.method.name],
    ['the number of its steps', steps, run.steps],
  ] as const) {
    if (before !== now) throw otherWay(what, String(before), String(now));
  }
  const buffers = memoryOf(run, parts);
  if (!Array.isArray(memory)) throw noState('its memory');
  const [before, now] = [memory.map(String), Object.keys(buffers)].map((names) => listOf(names.toSorted()));
  if (before !== now) throw otherWay('what a descent keeps', before!, now!);
  const counters = numbersIn('counters of the optimizer', state.optimizer, Object.keys(progressOf(run).counters));
  const stored = run.hooks.stored?.numbers ?? {};
  const numbers = numbersIn('numbers of the hooks', state.hooks, Object.keys(stored));
  const counts = countsIn(state.counts, parts.counts);
  await readAll(kept, '', buffers);
  await run.optimizer.resumeAt!(counters);
  Object.assign(stored, numbers);
  Object.assign(parts.counts, counts);
  if (parts.gradients.averages) parts.gradients.averages.started = averaging === true;
}

/**
 * Refuses an optimizer whose progress cannot be kept.
 *
 * @throws SoulError SOUL_UNSUPPORTED
 */
export function checkKeepable({ optimizer, input }: CheckedDescent): void {
  if (input.journal === undefined || (optimizer.progress && optimizer.resumeAt)) return;
  throw new SoulError(
    'SOUL_UNSUPPORTED',
    'the progress of a descent cannot be kept with this optimizer, which lacks progress() and resumeAt(); add them, or run without a journal',
    { argument: 'optimizer' },
  );
}

function progressOf({ optimizer }: CheckedDescent): OptimizerProgress {
  return optimizer.progress!();
}

/** By their names in the progress. */
function memoryOf(run: CheckedDescent, { references, gradients }: DescentParts): NamedMemory {
  const under = (prefix: string, buffers: Readonly<Record<string, FlatBuffer>>) =>
    Object.fromEntries(Object.entries(buffers).map(([name, buffer]) => [`${prefix}/${name}`, buffer]));
  return {
    values: run.model.parameters.values,
    ...under('optimizer', progressOf(run).buffers),
    ...under('averages', gradients.averages?.buffers ?? {}),
    ...under('hooks', run.hooks.stored?.buffers ?? {}),
    ...(references.all.length > 0 ? { references: references.all } : {}),
  };
}

function numbersIn(
  what: string,
  json: Progress['state'] | undefined,
  names: readonly string[],
): Record<string, number> {
  return numbersOf(what, fromExactJson(membersOf(what, json)), names);
}

/** The counts in a state, which have those of a descent at its beginning, and the last event behind a step. */
function countsIn(json: Progress['state'] | undefined, first: DescentCounts): DescentCounts {
  const { coefficients, primed, awaitsB, last, ...numbers } = fromExactJson(membersOf('counts', json)) as Record<
    string,
    unknown
  >;
  const { coefficients: terms, primed: _, ...others } = first;
  const counts = {
    ...(numbersOf('counts', numbers, Object.keys(others)) as unknown as typeof others),
    coefficients: numbersOf('terms', coefficients, Object.keys(terms)),
    primed: primed === true,
    ...(awaitsB === true ? { awaitsB } : {}),
    ...(last === undefined ? {} : { last: last as StepEvent }),
  };
  if (counts.step > 0 === (typeof last === 'object' && last !== null)) return counts;
  throw noState('counts');
}

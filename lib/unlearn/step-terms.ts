/**
 * The terms of a step: each is pulled back into the gradients.
 *
 * @module
 */

import type { Cancellable } from '../core/cancellation.ts';
import { SoulError } from '../core/errors.ts';
import type { FlatBuffer } from '../core/flat-buffer.ts';
import { fillFrozen } from '../core/frozen-masks.ts';
import { withoutUndefined } from '../core/optional.ts';
import type { CurvatureEstimate } from './curvature.ts';
import type { CurvatureEstimates } from './curvature-estimates.ts';
import { type CheckedDescent, termsAt } from './descent-options.ts';
import type { Method } from './method.ts';
import { pullBack, type TermValue } from './pull-back.ts';
import type { References } from './reference-values.ts';
import type { Source } from './source.ts';
import type { Term } from './term.ts';
import type { TermGradients } from './term-gradients.ts';
import { termLoss } from './term-loss.ts';

/** What the terms of all steps of a descent are pulled back with. */
export interface TermTools extends Cancellable {
  readonly sources: readonly Source[];
  readonly references: References;
  readonly estimates: CurvatureEstimates;
  readonly gradients: TermGradients;
}

/** What the terms of a step came to. */
export interface StepTerms {
  /** Of those that took part. */
  readonly losses: Readonly<Record<string, number>>;
  /** Label tokens. */
  readonly tokens: number;
  /** The estimate that was due. */
  readonly curvature: CurvatureEstimate | undefined;
}

/**
 * Pulls the terms of a step back, one after another, with the curvature estimate that is due before the step.
 *
 * @throws SoulError SOUL_NON_FINITE for a loss; SOUL_CANCELLED
 */
export async function pullTerms(
  run: CheckedDescent,
  { sources, references, estimates, gradients: kept, signal }: TermTools,
  step: number,
  coefficients: Readonly<Record<string, number>>,
): Promise<StepTerms> {
  const { model, optimizer, draws, terms, hooks } = run;
  const { gradients } = model.parameters;
  const cancellable = withoutUndefined({ signal });
  const carrier = estimates.carrierAt(step);
  let curvature = carrier === undefined ? await estimates.make(step, cancellable) : undefined;
  const values = new Map<string, TermValue>();
  for (const i of orderOf(run, step, carrier)) {
    const term = terms[i]!;
    const source = sources[i]!;
    const sequences = draws.sequences(source, step);
    const ride = i === carrier ? await estimates.ride(step, sequences, cancellable) : undefined;
    curvature ??= ride?.estimate;
    const coefficient = coefficients[term.name]!;
    const options = {
      microBatchSize: run.microBatchSize,
      ...withoutUndefined({ batchTokens: run.batchTokens }),
      width: source.width,
      ...(term.objective.needsReference ? { reference: references.of(sequences) } : {}),
      ...(run.input.referenceModel ? { referenceModel: run.input.referenceModel } : {}),
      ...cancellable,
    };
    const pull = async (): Promise<TermValue> => {
      const passes = ride ? { passes: ride.passes } : {};
      const value = await pullBack(model, term, sequences, { ...options, coefficient, ...passes });
      if (hooks.aroundTerm && optimizer.frozen) await fillFrozen(gradients, optimizer.frozen, 0);
      return value;
    };
    const evaluate = () => termLoss(model, term, sequences, options);
    const place = {
      step,
      steps: run.steps,
      coefficient,
      stepped: steppedBy(run),
      frozen: optimizer.frozen,
      evaluate,
    };
    let value: TermValue;
    try {
      value = hooks.aroundTerm ? await hooks.aroundTerm(term, pull, place) : await pull();
    } finally {
      for (const pass of ride?.passes ?? []) pass.release();
    }
    requireFinite(value.loss, term, step, run.method);
    values.set(term.name, value);
    await kept.keep(i);
  }
  const took = termsAt(run, step).map((i) => terms[i]!.name);
  return {
    losses: Object.fromEntries(took.map((name) => [name, values.get(name)!.loss])),
    tokens: took.reduce((sum, name) => sum + values.get(name)!.tokens, 0),
    curvature,
  };
}

/**
 * The order in which a step pulls its terms back. What carries an estimate must find the gradients at 0: without a rule, which parts
 * them, it comes first.
 */
function orderOf(run: CheckedDescent, step: number, carrier: number | undefined): readonly number[] {
  const order = termsAt(run, step);
  if (carrier === undefined || run.method.rule !== undefined) return order;
  return [carrier, ...order.filter((i) => i !== carrier)];
}

/** The memory that steps act on. */
export function steppedBy({ model, optimizer }: CheckedDescent): FlatBuffer {
  const { master } = optimizer.state as { readonly master?: FlatBuffer };
  return master ?? model.parameters.values;
}

function requireFinite(loss: number, { name }: Term, step: number, method: Method): void {
  if (Number.isFinite(loss)) return;
  throw new SoulError(
    'SOUL_NON_FINITE',
    step === 0
      ? `the ${name} loss of ${method.name} is ${loss} before the first step: a setting of the method is out of proportion, or ` +
          "the model's weights are damaged (`soul eval`)"
      : `the ${name} loss of ${method.name} is ${loss} at step ${step + 1}: the model has diverged. ` +
          'Lower the learning rate, raise the retain coefficient, or take a method that is bounded (npo)',
    { step: step + 1, term: name, loss },
  );
}

/**
 * An estimate of the Hessian diagonal from a function that gives gradients, part by part.
 *
 * @module
 */

import { checkBoolean, checkInteger, valueOr } from '../core/checks.ts';
import { invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import type { SecondOrderOptimizer } from './optimizer.ts';

export interface HessianEstimateOptions {
  /**
   * ADDS to the optimizer's gradients the gradient of the mean loss over B labels, each drawn from the model itself, on the data
   * of part `part`; returns B. Other data for each part.
   */
  gradient: (part: number) => number | Promise<number>;
  /**
   * Parts that the estimate is the mean of, each with its own B * g * g. Default 64 where the estimate primes, else 8. Many small
   * parts are far less noisy than one of as many labels, and rho and every step rest on the estimate that primes.
   */
  parts?: number;
  /** Sets the diagonal to this estimate instead of averaging it in. Default true for the first estimate, then false. */
  prime?: boolean;
}

export interface HessianEstimate {
  readonly parts: number;
  /** Parts left out because their gradient was not finite; they count as 0. */
  readonly skippedParts: number;
  /** Labels of all parts. */
  readonly labels: number;
}

/** Optimizers whose priming estimate failed halfway. */
const unfinished = new WeakSet<SecondOrderOptimizer>();

/**
 * Estimates the diagonal as the mean over parts of B * g * g (Gauss-Newton-Bartlett, arXiv 2305.14342, algorithm 2) and folds it
 * into the optimizer's state. The gradients are zeroed before and after each part.
 *
 * When `gradient` fails, what the parts before it gave stays in the diagonal, the others counting as 0, so that the optimizer can
 * step and be saved; an estimate that was to prime stays unfinished, and the next that primes begins anew.
 *
 * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_NON_FINITE where no part has a finite gradient; what `gradient` throws
 *
 * @example
 * await estimateHessian(sophia, { gradient: (part) => backwardOnSampledLabels(chunks[part]) });
 */
export async function estimateHessian(
  optimizer: SecondOrderOptimizer,
  options: HessianEstimateOptions,
): Promise<HessianEstimate> {
  checkNames('options', options, ['gradient', 'parts', 'prime']);
  const { gradient } = options;
  if (typeof gradient !== 'function') throw invalidArgument('gradient', 'a function of the part', gradient);
  if (typeof optimizer?.updateHessian !== 'function') {
    throw invalidArgument('optimizer', 'one that takes estimates, as Sophia', optimizer);
  }
  const { gradients } = optimizer.parameters;
  // Calls that nobody awaited come before it: afterwards the optimizer knows how many estimates it holds.
  await gradients.fill(0);
  const prime = checkBoolean(
    'prime',
    valueOr(options.prime, optimizer.state.estimates === 0 || unfinished.has(optimizer)),
  );
  const parts = checkInteger('parts', valueOr(options.parts, prime ? 64 : 8), { high: 2 ** 31 });
  if (prime) unfinished.add(optimizer);
  let done = 0;
  let skippedParts = 0;
  let labels = 0;
  try {
    while (done < parts) {
      const batchSize = checkInteger('the number of labels that gradient returns', await gradient(done), {
        why: 'not a loss',
      });
      const { skipped } = await optimizer.updateHessian({ batchSize, part: [done, parts], prime, zeroGradients: true });
      done += 1;
      labels += batchSize;
      if (skipped) skippedParts += 1;
    }
  } catch (error) {
    await endEarly(optimizer, prime ? parts : done, parts).catch(() => {});
    throw error;
  }
  unfinished.delete(optimizer);
  if (skippedParts === parts) {
    throw new SoulError(
      'SOUL_NON_FINITE',
      "no part of the Hessian estimate had a finite gradient; lower the learning rate, or, before the first step, look for damage in the model's weights",
    );
  }
  return { parts, skippedParts, labels };
}

/** Zeroes the gradients, and closes an estimate of which `done` parts were made: the others count as 0. */
async function endEarly(optimizer: SecondOrderOptimizer, done: number, parts: number): Promise<void> {
  await optimizer.parameters.gradients.fill(0);
  if (done === 0) return;
  for (let part = done; part < parts; part++) await optimizer.updateHessian({ batchSize: 1, part: [part, parts] });
}

/**
 * How much of what training brought is gone, layer by layer.
 *
 * @module
 */

import { invalidArgument } from '../../core/errors.ts';

/** Of one item, for each layer, the mean log-probability of its answer in nats. */
export interface LensReadings {
  /** Of the model before unlearning. */
  readonly original: readonly number[];
  /** Of a model that was trained without the forget set. */
  readonly retrained: readonly number[];
  readonly unlearned: readonly number[];
}

/** A layer counts where the original is ahead of the retrained model by more, in nats. */
const leastGap = 0.05;

/**
 * The share of the original's lead over the retrained model that the unlearned model has lost: sum over layers of d * clip(u / d, 0, 1)
 * over the sum of d, with d the lead of the original over the retrained model at a layer and u its lead over the unlearned one. 0: all is
 * there; 1: no more than the retrained model has, at any layer.
 *
 * The aggregate of the logit-lens baseline in "Measuring the Depth of LLM Unlearning via Activation Patching"
 * (gnueaj/unlearning-depth-score); there all three models are read through the original's norm and head, and at the
 * tokens of an entity, here through their own and at all tokens of the answer.
 *
 * Where the retrained model gives an answer no probability at a layer, that layer's lead is infinite, and such layers alone count: at one
 * of them all is lost where the unlearned model gives none either, else nothing.
 *
 * @returns undefined where the original is ahead at no layer
 * @throws SoulError SOUL_INVALID_ARGUMENT for readings of different numbers of layers
 */
export function logitLensErasure({ original, retrained, unlearned }: LensReadings): number | undefined {
  for (const [name, { length }] of Object.entries({ retrained, unlearned })) {
    if (length !== original.length)
      throw invalidArgument(name, `a number for each of ${original.length} layers`, length);
  }
  const leads = original.map((own, layer) => [own - retrained[layer]!, own - unlearned[layer]!] as const);
  const infinite = leads.filter(([gap]) => gap === Infinity);
  if (infinite.length > 0) return infinite.filter(([, gone]) => gone === Infinity).length / infinite.length;
  let [lost, lead] = [0, 0];
  for (const [gap, gone] of leads) {
    // Of a layer at which neither gives any probability the lead is NaN.
    if (!(gap > leastGap)) continue;
    lead += gap;
    lost += Math.min(Math.max(gone, 0), gap);
  }
  return lead > 0 ? lost / lead : undefined;
}

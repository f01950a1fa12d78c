/**
 * A gradient rule of one's own: of the step that forgets, the part that would undo the retain set is taken out.
 *
 * Run it with: soul unlearn --algorithm examples/own-rule.ts --model MODEL --forget F.jsonl --retain R.jsonl --out OUT
 *
 * @module
 */

import {
  crossEntropy,
  defineMethod,
  type GradientRule,
  gradientAscent,
  retainSet,
  targetSet,
} from 'soul-unlearn/unlearn';

/** From the inner products of the terms' gradients to what each counts in their sum. */
const withoutHarm: GradientRule = {
  name: 'without harm',
  combine: ([forget, retain]) => {
    const [, product] = forget as [number, number];
    const [, square] = retain as [number, number];
    // forget - (forget . retain / |retain|^2) * retain is orthogonal to retain.
    const against = product < 0 && square > 0 ? product / square : 0;
    return [1, 1 - against];
  },
};

export const algorithm = defineMethod({
  name: 'without-harm',
  summary: 'gradient ascent without what would raise the loss of the retain set, and descent on that',
  paper: 'an example, after gradient surgery: Yu et al. 2020, arXiv 2001.06782',
  formula: 'g = g_forget - min(0, g_forget . g_retain) / |g_retain|^2 * g_retain + g_retain',
  settings: {},
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 9e-6, 'soul-repo': 3.5e-6 },
  terms: () => [
    { name: 'forget', source: targetSet, objective: gradientAscent },
    { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 5 },
  ],
  rule: () => withoutHarm,
});

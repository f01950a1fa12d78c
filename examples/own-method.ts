/**
 * A method of one's own: an objective, and the terms that it is one of.
 *
 * Run it with: soul unlearn --algorithm examples/own-method.ts --set cap=6 --model MODEL --forget F.jsonl --retain R.jsonl --out OUT
 *
 * @module
 */

import {
  crossEntropy,
  defineMethod,
  gradientAscent,
  numberSetting,
  type Objective,
  retainSet,
  targetSet,
} from 'soul-unlearn/unlearn';

/** Ascent that leaves a token alone once its -log p is above a cap: -mean over label tokens of min(nll, cap). */
const cappedAscent =
  (cap: number): Objective =>
  (tokens) => {
    const { loss, weights } = gradientAscent(tokens);
    const { values } = tokens;
    // What is above the cap counts as the cap in the loss, and not at all in the gradient.
    const over = values.reduce((sum, nll) => sum + Math.max(0, nll - cap), 0);
    const share = -weights[0]!;
    return { loss: loss + share * over, weights: weights.map((weight, i) => (values[i]! < cap ? weight : 0)) };
  };

export const algorithm = defineMethod({
  name: 'capped',
  summary: 'gradient ascent up to a cap, cross-entropy on the retain set',
  paper: 'an example',
  formula: 'L = -mean of min(nll, cap)(forget) + retainCoefficient * CE(retain)',
  settings: {
    cap: numberSetting('-log p, in nats, from which on a token counts as forgotten', 4),
    retainCoefficient: numberSetting('factor of the loss on what to keep', 5),
  },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 9e-6, 'soul-repo': 3.5e-6 },
  terms: ({ cap, retainCoefficient }) => [
    { name: 'forget', source: targetSet, objective: cappedAscent(cap) },
    { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: retainCoefficient },
  ],
});

/**
 * The optimizer alone: fits a logistic regression with Sophia, on gradients that this program computes itself.
 *
 * Run it with: npx tsx examples/optimizer.ts
 *
 * @module
 */

import { pathToFileURL } from 'node:url';
import { estimateHessian, FlatBuffer, Sophia } from '../lib/index.ts';

const features = 20;
const examples = 1920;

/** A deterministic number in [-1, 1). */
const noise = (index: number) => ((((index * 2654435761) % 2 ** 32) / 2 ** 31 + 1) % 2) - 1;

/** Features of an example; later ones are smaller, so the loss is steeper in some directions than in others. */
const feature = (example: number, i: number) => noise(example * features + i + 1) * 0.85 ** i;

/**
 * Mean loss over the examples from `first` to before `end`; its gradient is added to `gradient`. With `sampled`, labels are drawn
 * from the model instead of given.
 */
function lossAndGradient(
  weights: Float32Array,
  gradient: Float32Array,
  sampled = false,
  first = 0,
  end = examples,
): number {
  let loss = 0;
  for (let n = first; n < end; n++) {
    let score = 0;
    let truth = 0;
    for (let i = 0; i < features; i++) {
      score += weights[i]! * feature(n, i);
      truth += (i % 3 === 0 ? 4 : -2) * feature(n, i);
    }
    const probability = 1 / (1 + Math.exp(-score));
    const label = sampled ? Number((noise(n + 7) + 1) / 2 < probability) : Number(truth > 0);
    loss -= Math.log(label === 1 ? probability : 1 - probability) / (end - first);
    for (let i = 0; i < features; i++) gradient[i]! += ((probability - label) * feature(n, i)) / (end - first);
  }
  return loss;
}

/** Fits the weights and returns the loss at the start and at the end; `follow`: whether rho is set anew after each estimate. */
export async function fitRegression(steps: number, follow = true): Promise<{ first: number; last: number }> {
  const weights = new Float32Array(features);
  const gradient = new Float32Array(features);
  const sophia = new Sophia(
    { values: FlatBuffer.from(weights), gradients: FlatBuffer.from(gradient) },
    { learningRate: 0.3, rho: { clippedFraction: 0.1, follow }, weightDecay: 0 },
  );
  let first = 0;
  let last = 0;
  for (let step = 0; step < steps; step++) {
    if (step % 10 === 0) {
      const chunk = examples / 64;
      await estimateHessian(sophia, {
        gradient: (part) => {
          lossAndGradient(weights, gradient, true, part * chunk, (part + 1) * chunk);
          return chunk;
        },
      });
    }
    last = lossAndGradient(weights, gradient);
    if (step === 0) first = last;
    await sophia.step({ zeroGradients: true });
  }
  await sophia.release();
  return { first, last };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { first, last } = await fitRegression(200);
  console.log(`loss ${first.toFixed(4)} -> ${last.toFixed(4)} in 200 steps`);
}

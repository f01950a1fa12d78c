/**
 * WAGLE: only the weights that matter for forgetting, and little for the rest, are trained.
 *
 * @module
 */

import { walkElements } from '../../core/element-walk.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { randomStream } from '../../core/random.ts';
import { elementCount } from '../../core/shape.ts';
import { axpy, cast, quantile, scale } from '../../core/vector-operations.ts';
import { defineAlgorithm } from '../algorithm.ts';
import type { RunEvent } from '../events.ts';
import { innerMethod, innerMethodSetting } from '../inner-method.ts';
import type { Lab } from '../lab.ts';
import { setsNeeded } from '../method.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { choiceSetting, numberSetting } from '../setting.ts';
import { retainSet, targetSet } from '../source.ts';

type Score = 'wagle' | 'random' | 'magnitude' | 'gradient';

export const wagle = defineAlgorithm({
  name: 'wagle',
  summary: 'weight attribution: trains only the weights that count most for forgetting, by any method',
  paper: 'Jia et al. 2024, arXiv 2410.17509',
  formula:
    'score = |(theta - G_r / mu) * G_f|, gradients of the cross-entropy over both whole sets; the share ratio of the largest is trained',
  departures:
    'The threshold is a quantile, where the released code sorts all weights. Weights that are left out do not decay either; there ' +
    'AdamW decays them. Gradients are means over a set, where that code sums over its items: its mu is ours times their number.',
  settings: {
    method: innerMethodSetting,
    ratio: numberSetting('share of the weights that is trained', 0.95, { lowExclusive: true, high: 1 }),
    mu: numberSetting("the retain loss's mean curvature, which weighs its gradient against the weights", 1e-3, {
      lowExclusive: true,
    }),
    score: choiceSetting(
      'what the weights are chosen by; random, magnitude and gradient are its baselines',
      ['wagle', 'random', 'magnitude', 'gradient'],
      'wagle',
    ),
  },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  needs: ({ method, score }) => [
    ...new Set([...setsNeeded(innerMethod(method)), ...(score === 'wagle' ? (['retain'] as const) : [])]),
  ],
  async *run(lab, { method, ratio, mu, score }) {
    const { values, layout } = lab.model.parameters;
    // Its memory is given back before the descent.
    const scoring = lab.fork({});
    let below: { mask: FlatBuffer<'u8'>; kept: number };
    try {
      const [first, second] = yield* factors(scoring, score, mu);
      // Padding scores 0 and is none of the weights that the share is of.
      const share = (ratio * layout.parameterCount) / values.length;
      const threshold = await quantile({ of: 'product', a: first, b: second }, share);
      below = await maskBelow(first, second, threshold, lab.signal);
    } finally {
      await scoring.release();
    }
    const { mask, kept } = below;
    const trained = Math.min(kept, layout.parameterCount);
    yield {
      kind: 'note',
      text: `${((100 * trained) / layout.parameterCount).toFixed(1)} % of the weights are trained, chosen by ${score}`,
    };
    const frozen = FlatBuffer.alloc(mask.length, { dtype: 'u8', device: values.device });
    try {
      await frozen.copyFrom(mask);
      return yield* lab.descend(innerMethod(method), { frozen });
    } finally {
      await frozen.release();
    }
  },
});

/** Two buffers whose product's magnitude is the score; each a float32 copy beside the model. */
async function* factors(
  lab: Lab,
  score: Score,
  mu: number,
): AsyncGenerator<RunEvent, [FlatBuffer<'f32'>, FlatBuffer<'f32'>], void> {
  const { values, gradients, layout } = lab.model.parameters;
  const [first, second] = [lab.scratch(), lab.scratch()];
  // What lies between the tensors scores 0.
  const ones = async () => {
    for (const [, { offset, shape }] of layout) await second.view(offset, elementCount(shape)).fill(1);
  };
  switch (score) {
    case 'random': {
      const stream = randomStream(lab.seed, 'weights that are trained');
      const draw = ([part]: Float32Array[], start: number) => {
        for (let i = 0; i < part!.length; i++) part![i] = 1 + stream.uniform(0, start + i);
      };
      await walkElements([first], draw, { writes: [0] });
      await ones();
      break;
    }
    case 'magnitude':
      await cast(values, first);
      await ones();
      break;
    case 'gradient':
      yield* lab.gradient({ name: 'forget', source: targetSet, objective: crossEntropy });
      await cast(gradients, first);
      await ones();
      break;
    case 'wagle':
      yield* lab.gradient({ name: 'retain', source: retainSet, objective: crossEntropy });
      await cast(gradients, first);
      await scale(first, -1 / mu);
      await axpy(1, values, first);
      yield* lab.gradient({ name: 'forget', source: targetSet, objective: crossEntropy });
      await cast(gradients, second);
  }
  await gradients.fill(0);
  return [first, second];
}

/** Freezes what scores below the threshold; `kept` counts the others. */
async function maskBelow(
  first: FlatBuffer,
  second: FlatBuffer,
  threshold: number,
  signal: AbortSignal | undefined,
): Promise<{ mask: FlatBuffer<'u8'>; kept: number }> {
  const mask = FlatBuffer.alloc(Math.ceil(first.length / 8), { dtype: 'u8' });
  const bits = mask.array;
  let kept = 0;
  await walkElements(
    [first, second],
    ([a, b], start) => {
      for (let i = 0; i < a!.length; i++) {
        // As the quantile computes it, in float32.
        if (Math.fround(Math.abs(Math.fround(a![i]! * b![i]!))) >= threshold) kept += 1;
        else bits[(start + i) >> 3]! |= 1 << ((start + i) & 7);
      }
    },
    signal ? { signal } : {},
  );
  return { mask, kept };
}

/**
 * WAGLE: only the weights that matter for forgetting, and little for the rest, are trained.
 *
 * Memory beside the model with its gradients: 4 bytes a weight while weights are chosen, given up before the descent, whose optimizer
 * takes more; then a bit a weight for the mask.
 *
 * @module
 */

import { walkElements } from '../../core/element-walk.ts';
import { SoulError } from '../../core/errors.ts';
import { FlatBuffer } from '../../core/flat-buffer.ts';
import { randomStream } from '../../core/random.ts';
import { axpy, cast, type QuantileOf, quantile, scale } from '../../core/vector-operations.ts';
import { refuseFreshAdapters } from '../adapters.ts';
import { defineAlgorithm } from '../algorithm.ts';
import type { RunEvent } from '../events.ts';
import { innerMethod, innerMethodSetting } from '../inner-method.ts';
import type { Lab } from '../lab.ts';
import { checkSets, setsNeeded } from '../method.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { freezeWhere, leaveCandidates, requireFiniteScores } from '../selection.ts';
import { choiceSetting, numberSetting, patternOf, textSetting } from '../setting.ts';
import { retainSet, targetSet } from '../source.ts';
import type { Term } from '../term.ts';

type Score = 'wagle' | 'random' | 'magnitude' | 'gradient';

const forget: Term = { name: 'forget', source: targetSet, objective: crossEntropy };
const retain: Term = { name: 'retain', source: retainSet, objective: crossEntropy };

export const wagle = defineAlgorithm({
  name: 'wagle',
  summary: 'weight attribution: trains only the weights that count most for forgetting, by any method',
  paper: 'Jia et al. 2024, arXiv 2410.17509',
  formula:
    'score = |(theta - G_r / mu) * G_f|, G: gradients of the cross-entropy, summed over the forget set and over as many retain ' +
    'examples; the share ratio of the weights, those of the largest scores, is trained',
  departures:
    'The threshold is a quantile, where the released code sorts all weights. Weights that are left out do not decay either; there ' +
    'AdamW decays them. That code draws a retain example for each of the forget set; here the mean over the whole retain set, times ' +
    'the size of the forget set, stands for their sum. There norm weights compete with all others; here they are trained in any case ' +
    '(exclude). A weight that scores 0, as those of an embedding that the forget set does not meet, is not trained, where ' +
    'that code fills the share up; a ratio of 1 trains all.',
  settings: {
    method: innerMethodSetting,
    ratio: numberSetting(
      'share that is trained of the weights that may move; published are 0.95 for npo and graddiff, 0.8 for po',
      0.95,
      {
        lowExclusive: true,
        high: 1,
      },
    ),
    mu: numberSetting("the retain loss's mean curvature, which weighs its gradient against the weights", 1e-6, {
      lowExclusive: true,
    }),
    score: choiceSetting(
      'what the weights are chosen by; random, magnitude and gradient are its baselines',
      ['wagle', 'random', 'magnitude', 'gradient'],
      'wagle',
    ),
    exclude: textSetting(
      'regular expression over names of tensors that are trained in any case, and not counted in the share; ^$ for none',
      'norm|bias',
    ),
  },
  advice: { forgetMore: { ratio: 'raise' }, keepMore: { ratio: 'lower' } },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  endsAnywhere: true,
  buffers: ({ ratio }) => ({ freezes: ratio < 1 }),
  checkModel(model, { ratio, score }) {
    if (ratio === 1 || score === 'random') return;
    refuseFreshAdapters(model, 'wagle', `chooses weights by what they count for (score ${score})`);
  },
  needs({ method, score, exclude }) {
    patternOf('exclude', exclude);
    return [...new Set([...setsNeeded(innerMethod(method)), ...setsNeeded(scoreMethod(score))])];
  },
  async *run(lab, { method, ratio, mu, score, exclude }) {
    const inner = innerMethod(method);
    const excluded = patternOf('exclude', exclude);
    if (ratio === 1) return yield* lab.descend(inner);
    checkSets(scoreMethod(score), lab.sets);
    const { values } = lab.model.parameters;
    const frozen = lab.mask();
    const choosing = async function* (): AsyncGenerator<RunEvent, void, void> {
      const scores = FlatBuffer.alloc(values.length, { dtype: 'f32', device: values.device });
      try {
        const terms = yield* score === 'wagle' ? attribution(lab, scores, mu) : baseline(lab, scores, score);
        const candidates = await leaveCandidates(lab, scores, 'exclude', (name) => !excluded.test(name));
        const threshold = await quantile(terms, ratio);
        const isOut =
          terms.of === 'product'
            ? (a: number, b: number) => isBelow(Math.abs(Math.fround(a * b)), threshold)
            : (a: number) => isBelow(Math.abs(a), threshold);
        const scored = terms.of === 'product' ? [terms.a, terms.b] : [terms.a];
        const left = await freezeWhere(lab, frozen, scored, isOut);
        if (left === candidates) {
          throw new SoulError('SOUL_INVALID_ARGUMENT', `every weight scores 0 by ${score}: nothing would be trained`, {
            argument: 'score',
          });
        }
        yield { kind: 'note', text: noteOf(lab, candidates, left, score, excluded) };
      } finally {
        await scores.release();
      }
    };
    yield* lab.stage(`choosing weights by ${score}`, choosing, () => ({ frozen }));
    return yield* lab.descend(inner, { frozen });
  },
});

/** A weight of no score counts for nothing, however many are to be trained. */
function isBelow(score: number, threshold: number): boolean {
  return score < threshold || score === 0;
}

/** What the scores are computed from, as the terms of a method. */
function scoreMethod(score: Score): { name: string; terms: readonly Term[] } {
  return { name: 'wagle', terms: score === 'wagle' ? [retain, forget] : [forget] };
}

/** theta - G_r / mu and G_f, which stays where gradients are computed. */
async function* attribution(
  lab: Lab,
  first: FlatBuffer<'f32'>,
  mu: number,
): AsyncGenerator<RunEvent, Extract<QuantileOf, { of: 'product' }>, void> {
  const { values, gradients } = lab.model.parameters;
  yield* lab.gradient(retain);
  await cast(gradients, first);
  // The mean gradient times the number of examples. G_f stays a mean: a common factor changes no order.
  await scale(first, -lab.sets.target.length / mu);
  await axpy(1, values, first);
  yield* lab.gradient(forget);
  await requireFiniteScores(gradients);
  return { of: 'product', a: first, b: gradients };
}

/** Leaves in a buffer what a baseline chooses by. */
async function* baseline(
  lab: Lab,
  scores: FlatBuffer<'f32'>,
  score: Exclude<Score, 'wagle'>,
): AsyncGenerator<RunEvent, Extract<QuantileOf, { of: 'magnitude' }>, void> {
  const { values, gradients } = lab.model.parameters;
  if (score === 'gradient') yield* lab.gradient(forget);
  if (score === 'random') {
    const stream = randomStream(lab.seed, 'weights that are trained');
    await walkElements(
      [scores],
      ([part], start) => {
        for (let i = 0; i < part!.length; i++) part![i] = 1 + stream.uniform(0, start + i);
      },
      { writes: [0], ...(lab.signal ? { signal: lab.signal } : {}) },
    );
  } else await cast(score === 'magnitude' ? values : gradients, scores);
  return { of: 'magnitude', a: scores };
}

/** What is trained, of what the run may change. */
function noteOf(lab: Lab, candidates: number, out: number, score: Score, excluded: RegExp): string {
  const { layout } = lab.model.parameters;
  const whole = [...layout].filter(([name]) => excluded.test(name)).length;
  const share = ((100 * (candidates - out)) / candidates).toFixed(1);
  const beside = whole === 0 ? '' : `, and ${whole} ${whole === 1 ? 'tensor' : 'tensors'} beside them (exclude)`;
  return `${share} % of ${candidates} weights are trained, chosen by ${score}${beside}`;
}

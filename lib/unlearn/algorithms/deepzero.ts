/**
 * DeepZero: descent on gradients that are estimated weight by weight, of a few weights a step.
 *
 * @module
 */

import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { cast, quantile } from '../../core/vector-operations.ts';
import { refuseFreshAdapters } from '../adapters.ts';
import { defineAlgorithm } from '../algorithm.ts';
import type { RunEvent } from '../events.ts';
import { innerMethod, innerMethodOf } from '../inner-method.ts';
import type { Lab } from '../lab.ts';
import { type Method, setsNeeded } from '../method.ts';
import { freezeWhere, leaveCandidates } from '../selection.ts';
import { choiceSetting, integerSetting, numberSetting } from '../setting.ts';
import { alongCoordinates } from '../zeroth-order/coordinates.ts';
import { checkDifferences } from '../zeroth-order/differences.ts';
import { alongDirections } from '../zeroth-order/random-directions.ts';

/** Directions that a choice by estimates is made from. */
const scoringDirections = 32;

export const deepzero = defineAlgorithm({
  name: 'deepzero',
  summary: 'zeroth order: gradients of a few weights a step are estimated by moving each by itself, in any method',
  paper: 'Chen et al. 2023, arXiv 2310.02025',
  formula: 'g_i = (L(theta + mu e_i) - L(theta)) / mu for the weights i of a step, 0 for all others',
  departures:
    'The paper prunes once by zeroth-order GraSP scores, layer by layer, and draws weights by the rates of layers that remain. Here they ' +
    'are drawn by the seed from all that may move, or from a share of them that is chosen once over the whole model: the largest ' +
    `weights, or the largest gradients of the first batch by an estimate of ${scoringDirections} random directions. Its reuse of features is left out. ` +
    "The run's optimizer steps on the estimate.",
  settings: {
    method: innerMethodOf('the method whose loss it is, with the settings that runs give it'),
    mu: numberSetting('how far a weight is moved', 1e-3, { lowExclusive: true }),
    coordinates: integerSetting('weights a step, each of one loss a term, or two with central differences', 64),
    difference: choiceSetting(
      'forward: an error of order mu; central: of order mu^2, for twice the losses',
      ['forward', 'central'],
      'forward',
    ),
    from: choiceSetting(
      "what they are drawn from: all weights that may move, or the share of the largest by magnitude, or by an estimate of the method's gradient",
      ['all', 'magnitude', 'gradient'],
      'all',
    ),
    share: numberSetting('share of the weights that may move that they are drawn from; not with all', 0.1, {
      lowExclusive: true,
      high: 1,
    }),
  },
  // Its gradients are 0 but for a few weights, from whose quantiles Sophia would set rho.
  optimizers: ['adamw', 'sign', 'sgd', 'soul-repo'],
  advice: { forgetMore: { coordinates: 'raise' } },
  promises: {
    property:
      'in tens of steps it lowers the probability of the forget set and keeps that of the retain set, on models of some thousand weights; ' +
      'of large ones a step moves too few',
  },
  learningRates: { adamw: 5e-6, sophia: 7e-6, 'soul-repo': 3.5e-6 },
  endsAnywhere: true,
  buffers: ({ from }) => ({
    copies: from === 'gradient' ? 1 : 0,
    float32: from === 'all' ? 0 : 1,
    masks: 1,
    freezes: from !== 'all',
  }),
  checkModel(model, { from }) {
    if (from === 'magnitude') refuseFreshAdapters(model, 'deepzero', 'draws from the largest weights (from magnitude)');
  },
  needs: ({ method }) => setsNeeded(innerMethod(method)),
  checkSets: (_, { method }) => checkDifferences(innerMethod(method)),
  async *run(lab, { method, from, share, ...options }) {
    const inner = innerMethod(method);
    checkDifferences(inner);
    const frozen = from === 'all' ? undefined : yield* poolOf(lab, inner, { from, share, mu: options.mu });
    const estimator = alongCoordinates(lab, options);
    try {
      return yield* lab.descend(inner, {
        ...(frozen ? { frozen } : {}),
        hooks: { aroundTerm: (_, __, place) => estimator.estimate(place) },
      });
    } finally {
      await estimator.release();
    }
  },
});

/** The mask of all but the share of weights that score highest. */
async function* poolOf(
  lab: Lab,
  inner: Method,
  { from, share, mu }: { from: 'magnitude' | 'gradient'; share: number; mu: number },
): AsyncGenerator<RunEvent, FlatBuffer<'u8'>, void> {
  const frozen = lab.mask();
  const choose = async function* (): AsyncGenerator<RunEvent, void, void> {
    const scores = lab.scratch();
    if (from === 'magnitude') await cast(lab.model.parameters.values, scores);
    else yield* estimateInto(scores, lab, inner, mu);
    const count = await leaveCandidates(lab, scores, 'trainable', () => true);
    const threshold = await quantile({ of: 'magnitude', a: scores }, share);
    await freezeWhere(lab, frozen, [scores], (score) => !(Math.abs(score) >= threshold));
    yield {
      kind: 'note',
      text: `weights are drawn from the ${(100 * share).toFixed(1)} % of ${count} with the largest ${from}`,
    };
  };
  yield* lab.stage('choosing weights', choose, () => ({ frozen }));
  return frozen;
}

/** Leaves an estimate of the method's gradient on its first batch. */
async function* estimateInto(
  scores: FlatBuffer<'f32'>,
  lab: Lab,
  inner: Method,
  mu: number,
): AsyncGenerator<RunEvent, void, void> {
  const estimator = await alongDirections(lab, { mu, directions: scoringDirections });
  const { gradients } = lab.model.parameters;
  try {
    // A step that goes nowhere.
    const events = lab.descend(inner, {
      steps: 1,
      learningRate: 0,
      hooks: {
        stored: { buffers: { scores } },
        aroundTerm: (_, __, place) => estimator.estimate(place),
        beforeStep: () => cast(gradients, scores),
      },
    });
    for await (const event of events) if (event.kind !== 'step') yield event;
  } finally {
    await estimator.release();
  }
}

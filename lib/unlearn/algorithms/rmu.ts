/**
 * RMU: what a few layers say of the forget set becomes noise, and what they say of the rest stays.
 *
 * Memory beside the descent's: a copy of the starting model, and a bit a weight for the mask. The optimizer keeps its state for all
 * weights, also for those that are not trained.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { randomStream } from '../../core/random.ts';
import type { ParameterLayout } from '../../model/parameter-layout.ts';
import { maskBeside } from '../../model/tensor-masks.ts';
import { defineAlgorithm } from '../algorithm.ts';
import { type Method, setsNeeded } from '../method.ts';
import { runDefaults } from '../methods/retain-terms.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { checkGives, checkLayer } from '../quantity.ts';
import { movableCount } from '../selection.ts';
import { integerSetting, numberSetting } from '../setting.ts';
import { retainSet, targetSet } from '../source.ts';

interface RmuSettings {
  readonly layer?: number | undefined;
  readonly steeringCoefficient: number;
  readonly retainCoefficient: number;
}

export const rmu = defineAlgorithm({
  name: 'rmu',
  summary: 'draws the hidden states of the forget set to one random vector, and holds those of the retain set',
  paper: 'Li et al. 2024, arXiv 2403.03218',
  formula:
    'L = mean |h - steeringCoefficient * u|^2 / d (forget) + retainCoefficient * mean |h - h_start|^2 / d (retain), h: the output of ' +
    'layer, of width d; u: a random unit vector',
  departures:
    'Means run over the tokens of answers, at the positions that predict them; the paper takes all tokens of a text. Batches of both ' +
    "sets come together. Published layers are 7 of 32 (the paper's), and 5 of 16 (tuned on TOFU). The entries of u are uniform from 0 " +
    'to 1 before it is normalised, as in the released code.',
  settings: {
    layer: integerSetting("whose output is steered, from 0; by default a third of the model's layers up", undefined, {
      low: 0,
    }),
    trainedLayers: integerSetting(
      'layers whose MLP output matrices are trained: this one, and those right before it',
      3,
    ),
    steeringCoefficient: numberSetting(
      'length of the vector that the forget set is drawn to (2 in open-unlearning, 10 tuned on TOFU, 6.5 for a model of 7 billion weights in the paper)',
      10,
    ),
    retainCoefficient: numberSetting('factor of the loss on what to keep; alpha in the paper', 1),
  },
  runDefaults,
  advice: {
    forgetMore: { steeringCoefficient: 'raise', retainCoefficient: 'lower' },
    keepMore: { retainCoefficient: 'raise' },
  },
  promises: { forget: 0.5, retain: 0.8 },
  learningRates: { adamw: 5e-5, sophia: 2e-4, 'soul-repo': 3e-5, sgd: 0.7 },
  endsAnywhere: true,
  buffers: ({ retainCoefficient }) => ({ startingModel: retainCoefficient !== 0, freezes: true }),
  hiddenLayer: (settings, layers) => settings.layer ?? defaultLayer(layers),
  checkModel({ layers, adapters }, { layer, trainedLayers }) {
    if (layer !== undefined) checkLayer('layer', layer, layers);
    if (adapters) trainedNames(adapters.layout, layer ?? defaultLayer(layers), trainedLayers);
  },
  needs: (settings) => setsNeeded(methodOf(settings, 0, unitVector(0n, 1))),
  async *run(lab, settings) {
    const { model } = lab;
    const layer = settings.layer ?? defaultLayer(model.hiddenStates?.layers ?? 0);
    checkGives(model, 'forget', { kind: 'activation', layer, toward: 'start' });
    const trained = trainedNames(model.parameters.layout, layer, settings.trainedLayers);
    const isTrained = (name: string) => trained.includes(name);
    if ((await movableCount(lab, isTrained)) === 0) {
      throw new SoulError('SOUL_INVALID_ARGUMENT', `rmu trains ${trained.join(', ')}, which the run may not change`, {
        argument: 'trainable',
      });
    }
    const moved = [];
    for (const name of trained) if ((await movableCount(lab, (each) => each === name)) > 0) moved.push(name);
    const { width } = model.hiddenStates!;
    const method = methodOf(settings, layer, unitVector(lab.seed, width));
    yield { kind: 'note', text: `steers the output of layer ${layer}; trains ${moved.join(', ')}` };
    return yield* lab.descend(method, { frozen: await maskBeside(model.parameters, isTrained) });
  },
});

/** A third of the way up. */
function defaultLayer(layers: number): number {
  return Math.floor(layers / 3);
}

/** Uniform from 0 to 1, then of length 1: a function of (seed, entry). */
function unitVector(seed: bigint, width: number): Float64Array {
  const stream = randomStream(seed, 'steering vector');
  const drawn = Float64Array.from({ length: width }, (_, i) => stream.uniform(0, i));
  const length = Math.hypot(...drawn);
  return drawn.map((value) => value / length);
}

function methodOf(settings: RmuSettings, layer: number, unit: Float64Array): Method {
  const { steeringCoefficient, retainCoefficient } = settings;
  const vector = Float32Array.from(unit, (value) => steeringCoefficient * value);
  return {
    name: 'rmu',
    settings: { ...settings, layer },
    terms: [
      {
        name: 'forget',
        source: targetSet,
        objective: crossEntropy,
        quantity: { kind: 'activation', layer, toward: () => vector },
      },
      {
        name: 'retain',
        source: retainSet,
        objective: crossEntropy,
        quantity: { kind: 'activation', layer, toward: 'start' },
        coefficient: retainCoefficient,
      },
    ],
  };
}

/** Names of the MLP's output matrices of the layers that are trained. */
function trainedNames(layout: ParameterLayout, layer: number, count: number): string[] {
  const of = (index: number) =>
    [...layout]
      .filter(([, place]) => place.role === 'mlpOutput' && place.layer === index && place.group === 'matrix')
      .map(([name]) => name);
  if (of(layer).length === 0) {
    const isAdapter = [...layout].some(([, { factor }]) => factor !== undefined);
    if (isAdapter) {
      throw new SoulError(
        'SOUL_UNSUPPORTED',
        `rmu trains the MLP's output matrices, and the adapters are beside others: name that of layer ${layer} among their targets ` +
          '(--lora targets=down_proj, or as the family calls it)',
        { layer },
      );
    }
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `rmu trains the MLP's output matrices, and the model's layout does not say which parameter that of layer ${layer} is ` +
        "(role 'mlpOutput')",
      { layer },
    );
  }
  const first = Math.max(0, layer - count + 1);
  return Array.from({ length: layer - first + 1 }, (_, i) => of(first + i)).flat();
}

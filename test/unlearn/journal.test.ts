import { describe, expect, test } from '@jest/globals';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import type { TokenBatch } from '../../lib/model/token-batch.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { SGD } from '../../lib/optim/sgd.ts';
import { SignDescent } from '../../lib/optim/sign-descent.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { type Algorithm, algorithm, algorithms, type GradientRule, type Lab, method } from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { resumeEverywhere, type Setup, size } from './journal-runs.ts';
import { NarrowModel } from './narrow-model.ts';

const optimizers = {
  adamw: ({ parameters }, options) => new AdamW(parameters, { learningRate: 0.05, ...options }),
  sophia: ({ parameters }, options) =>
    new Sophia(parameters, { learningRate: 0.02, rho: { clippedFraction: 0.3, follow: true }, ...options }),
  'sophia of a given rho': ({ parameters }, options) => new Sophia(parameters, { learningRate: 0.02, ...options }),
  'soul-repo': ({ parameters }, options) => Sophia.soulRepo(parameters, { learningRate: 0.02, ...options }),
  sgd: ({ parameters }, options) => new SGD(parameters, { learningRate: 0.3, clipNorm: 1, ...options }),
  sign: ({ parameters }, options) => new SignDescent(parameters, { learningRate: 0.02, ...options }),
} satisfies Record<string, Setup['optimizer']>;

type OptimizerName = keyof typeof optimizers;

const named = (name: string) => algorithm(name) as unknown as Algorithm;

/** What rmu asks of a model: the table's row is the output of the only layer. */
function layered(): DifferentiableLM {
  const model = BigramLM.random(size, 5n);
  const { values, gradients } = model.parameters;
  const layout = ParameterLayout.of([
    { name: 'mlp', shape: [size, size], group: 'matrix', role: 'mlpOutput', layer: 0 },
  ]);
  const activationDistance: DifferentiableLM['activationDistance'] = async ({ toward }, batch: TokenBatch) => {
    const places: { row: Float32Array; aim: ArrayLike<number>; at: number }[] = [];
    for (let s = 0; s < batch.size; s++) {
      for (let t = batch.offsets[s]! + batch.labelsFrom[s]!; t < batch.offsets[s + 1]!; t++) {
        const at = batch.tokens[t - 1]! * size;
        const start = (toward as BigramLM).parameters?.values.array.subarray(at, at + size);
        const other = toward instanceof Float32Array ? toward : start;
        places.push({ row: model.values.slice(at, at + size), aim: other, at });
      }
    }
    return {
      values: Float32Array.from(places, ({ row, aim }) =>
        row.reduce((sum, x, j) => sum + (x - aim[j]!) ** 2 / size, 0),
      ),
      offsets: batch.labelOffsets,
      backward: async (weights) => {
        for (const [i, { row, aim, at }] of places.entries()) {
          for (let j = 0; j < size; j++) model.gradients[at + j]! += (weights[i]! * 2 * (row[j]! - aim[j]!)) / size;
        }
      },
      release: () => {},
    };
  };
  return {
    vocabularySize: size,
    parameters: { values, gradients, layout },
    hiddenStates: { layers: 1, width: size },
    activationDistance,
    nll: (batch) => model.nll(batch),
    klTo: (reference, batch) => model.klTo(reference, batch),
    accumulate: (...given) => model.accumulate(...given),
    score: (batch) => model.score(batch),
  };
}

const settingsOf: Record<string, readonly object[]> = {
  wagle: [{ ratio: 0.5 }, { ratio: 0.5, score: 'gradient', method: 'graddiff' }],
  'l1-sparse': [{}, { soft: true }],
  influence: [{ iterations: 3 }, { form: 'diagonal' }, { damping: 0.1, iterations: 2 }],
  spunge: [
    { merge: 'ties' },
    { merge: 'mean', attribute: 'a field', method: 'task-arithmetic' },
    { merge: 'sum', method: 'mollm' },
  ],
  average: [{ every: 2, from: 0.2 }],
  mezo: [{ directions: 2 }],
  deepzero: [
    { coordinates: 5 },
    { coordinates: 5, from: 'gradient', share: 0.3, difference: 'central' },
    { coordinates: 5, from: 'magnitude', share: 0.3 },
  ],
  'fo-zo': [{ every: 2 }],
};

/** Every algorithm with every choice of settings above, the optimizers in turn. */
const cases = algorithms
  .flatMap(({ name }) => (settingsOf[name] ?? [{}]).map((settings) => ({ name, settings })))
  .map(({ name, settings }, i) => {
    const own = named(name).optimizers;
    const choice = (Object.keys(optimizers) as OptimizerName[]).filter((each) => own?.includes(each) ?? true);
    return { name, settings, optimizer: choice[i % choice.length]! };
  });

describe('an algorithm that is resumed from any place comes to the same end', () => {
  test.each(cases)('$name $settings, $optimizer', async ({ name, settings, optimizer }) => {
    const setup = { algorithm: named(name), settings, optimizer: optimizers[optimizer] };
    const { journal } = await resumeEverywhere(name === 'rmu' ? { ...setup, model: layered } : setup);
    expect(journal.places.length).toBeGreaterThan(1);
  });

  test.each(Object.keys(optimizers) as OptimizerName[])('npo and mollm, %s', async (optimizer) => {
    for (const name of ['npo', 'mollm']) {
      await resumeEverywhere({ algorithm: named(name), optimizer: optimizers[optimizer] });
    }
  });

  test.each([{}, { precision: { states: 'bf16' } }, { precision: { master: 'none' } }] as const)(
    'in bfloat16, with %j',
    async (own) => {
      for (const [name, make] of [
        ['gru', AdamW],
        ['sam', AdamW],
        ['average', Sophia],
        ['npo', SGD],
      ] as const) {
        await resumeEverywhere({
          algorithm: named(name),
          settings: name === 'average' ? { every: 1, from: 0.3 } : {},
          model: () => NarrowModel.of(BigramLM.random(size, 5n)),
          optimizer: ({ parameters }, options) =>
            new make(parameters, { learningRate: 0.05, seed: 2n, ...own, ...options }),
        });
      }
    },
  );

  test('by a rule of running means, the weights as they are', async () => {
    const rule: GradientRule = {
      name: 'with the mean before',
      averages: [{ of: 'forget', decay: 0.5 }],
      combine: () => [1, 1, 0.7],
    };
    const own = { ...method('graddiff'), rule };
    await resumeEverywhere({ algorithm: { run: (lab: Lab) => lab.descend(own) }, optimizer: optimizers.sgd });
  });

  test('with steps that were skipped', async () => {
    const make = () => {
      const model = BigramLM.random(size, 5n);
      const accumulate = model.accumulate.bind(model);
      // One example of the forget set, of which two are in a step, has no finite gradient.
      model.accumulate = async (batch, ...given) => {
        const losses = await accumulate(batch, ...given);
        if (batch.offsets.subarray(0, -1).some((at) => batch.tokens[at] === 2)) model.gradients[3] = Number.NaN;
        return losses;
      };
      return model;
    };
    const setup = { algorithm: named('graddiff'), optimizer: optimizers.adamw, model: make, descent: { steps: 8 } };
    const { whole } = await resumeEverywhere(setup);
    expect(whole.summary!.skippedSteps).toBe(4);
  });
});

import { describe, expect, test } from '@jest/globals';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import type { OptimizerParameters, StepOptions, StepStatistics } from '../../lib/optim/optimizer.ts';
import { l1Sparse } from '../../lib/unlearn/algorithms/l1-sparse.ts';
import { Lab, type LabOptions, settingsOf } from '../../lib/unlearn/index.ts';
import { BigramLM } from '../model/bigram-lm.ts';
import { layeredModel, plainGradient, retain, target, tokens } from './layered-model.ts';
import { NarrowModel } from './narrow-model.ts';

const all = Array.from({ length: tokens ** 2 }, (_, i) => i);

/** Steps theta <- theta - lr * g, or skips, and remembers the gradients. */
class Recorder {
  readonly learningRate = 0.5;
  readonly state = { step: 0 };
  readonly gradients: number[][] = [];
  readonly parameters: OptimizerParameters;
  readonly #skips: boolean;

  constructor(parameters: OptimizerParameters, skips = false) {
    this.parameters = parameters;
    this.#skips = skips;
  }

  async step({ learningRate }: StepOptions = {}): Promise<StepStatistics> {
    const [values, gradients] = [this.parameters.values.array, this.parameters.gradients.array];
    this.gradients.push([...gradients]);
    if (!this.#skips) for (const i of all) values[i]! -= learningRate! * gradients[i]!;
    gradients.fill(0);
    return { step: 1, skipped: this.#skips, stepped: 0, changedFraction: 0, gradientNorm: 0, groups: [] };
  }

  async saveState(): Promise<void> {}
  async loadState(): Promise<void> {}
  async release(): Promise<void> {}
}

async function run(given: object, options: Partial<LabOptions> & Pick<LabOptions, 'model' | 'optimizer'>) {
  const lab = new Lab({ sets: { target, retain: [retain[0]!] }, descent: { steps: 3, batchSize: 3 }, ...options });
  try {
    for await (const _ of l1Sparse.run(lab, settingsOf(l1Sparse, given))) void _;
  } finally {
    await lab.release();
  }
}

const sign = (x: number) => (x > 0 ? 1 : x < 0 ? -1 : 0);

describe('l1-sparse', () => {
  test('adds a falling subgradient of the l1 norm to the gradient of the retain loss', async () => {
    const [model, plain] = [layeredModel(), layeredModel()];
    const optimizer = new Recorder(model.parameters);
    const alpha = 0.01;
    await run({ alpha }, { model, optimizer: () => optimizer });
    for (const [step, factor] of [alpha, (2 * alpha) / 3, alpha / 3].entries()) {
      const expected = plainGradient(plain, [retain[0]!]).map((g, i) => g + factor * sign(plain.inner.values[i]!));
      for (const i of all) expect(optimizer.gradients[step]![i]).toBeCloseTo(expected[i]!, 6);
      for (const i of all) plain.inner.values[i]! -= 0.5 * expected[i]!;
    }
  });

  test('shrinks by a falling soft threshold after each step, where it is told to', async () => {
    const [model, plain] = [layeredModel(), layeredModel()];
    const optimizer = new Recorder(model.parameters);
    const alpha = 0.3;
    await run({ alpha, soft: true }, { model, optimizer: () => optimizer });
    for (const [step, factor] of [alpha, (2 * alpha) / 3, alpha / 3].entries()) {
      const gradient = plainGradient(plain, [retain[0]!]);
      for (const i of all) expect(optimizer.gradients[step]![i]).toBeCloseTo(gradient[i]!, 5);
      for (const i of all) {
        const moved = plain.inner.values[i]! - 0.5 * gradient[i]!;
        plain.inner.values[i] = sign(moved) * Math.max(Math.abs(moved) - 0.5 * factor, 0);
      }
    }
    for (const i of all) expect(model.inner.values[i]).toBeCloseTo(plain.inner.values[i]!, 5);
    expect(all.filter((i) => model.inner.values[i] === 0).length).toBeGreaterThan(50);
  });

  test('shrinks nothing that the run has frozen, nor where a step was skipped', async () => {
    const start = layeredModel().inner.values;
    const model = layeredModel();
    const frozen = maskOfRanges(tokens ** 2, [{ start: 3, length: 500 }]);
    await run(
      { alpha: 1, soft: true },
      { model, frozen, optimizer: (options) => new AdamW(model.parameters, { learningRate: 0.1, ...options }) },
    );
    const changed = all.filter((i) => model.inner.values[i] !== start[i]);
    expect(changed).toEqual(all.filter((i) => i < 3 || i >= 503));

    const skipped = layeredModel();
    await run({ alpha: 1, soft: true }, { model: skipped, optimizer: () => new Recorder(skipped.parameters, true) });
    expect([...skipped.inner.values]).toEqual([...start]);
  });

  test('shrinks the float32 masters that an optimizer keeps of bf16 weights', async () => {
    const short = [{ tokens: [0, 1, 2, 3], labelsFrom: 1 }];
    const zeros = async (bits: 'bf16' | 'f32') => {
      const inner = BigramLM.random(8, 5n);
      const model = bits === 'bf16' ? await NarrowModel.of(inner) : inner;
      // Single steps of 0.00005 to 0.0001 are below what bf16 tells apart near 0.5.
      const optimizer: LabOptions['optimizer'] = (options) =>
        new AdamW(model.parameters, { learningRate: 1e-4, ...options });
      const sets = { target: short, retain: short };
      await run({ alpha: 20, soft: true }, { model, optimizer, sets, descent: { steps: 100, batchSize: 1 } });
      const values = await model.parameters.values.toFloat32Array();
      return values.slice(0, 64).reduce((sum, value) => sum + Math.abs(value), 0);
    };
    const start = BigramLM.random(8, 5n)
      .values.slice(0, 64)
      .reduce((sum, value) => sum + Math.abs(value), 0);
    const [narrow, wide] = [await zeros('bf16'), await zeros('f32')];
    // Down by 1e-4 * 20 * (1 + 0.99 + ... + 0.01) = 0.1 each.
    expect(wide).toBeLessThan(start - 5);
    expect(Math.abs(narrow - wide)).toBeLessThan(0.1);
  });

  test('needs a retain set', () => {
    expect(l1Sparse.needs(settingsOf(l1Sparse, {}))).toEqual(['retain']);
    expect(() => settingsOf(l1Sparse, { alpha: -1 })).toThrow(/alpha must be a number of at least 0/);
  });
});

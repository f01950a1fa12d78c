import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Sophia } from '../../lib/optim/sophia.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';
import {
  loadRecorded,
  type RecordedModel,
  recordedBatch,
  recordedModels,
  withPortableAttention,
  worst,
} from './recorded-models.ts';

/** What fixtures/record_llama_bf16.py wrote: exact figures, and how far those of transformers in bfloat16 are from them. */
interface NarrowModel
  extends Pick<RecordedModel, 'config' | 'sequences' | 'nll' | 'kl' | 'pulled' | 'gradients' | 'generated'> {
  errors: { nll: number; kl: number; gradients: Record<string, number> };
}

const { models } = JSON.parse(readFileSync(new URL('./fixtures/llama-bf16.json', import.meta.url), 'utf8')) as {
  models: Record<string, NarrowModel>;
};
const narrowModels = Object.entries(models);
const tied = recordedModels[0]![1];

/** Root mean square of the differences, relative to that of the exact values. */
function errorOf(found: ArrayLike<number>, exact: readonly number[]): number {
  expect(found.length).toBe(exact.length);
  return Math.hypot(...exact.map((value, i) => found[i]! - value)) / Math.hypot(...exact);
}

async function gradientErrors(model: TorchLM, exact: Record<string, readonly number[]>): Promise<Map<string, number>> {
  const gradients = await model.parameters.gradients.toFloat32Array();
  const errors = new Map<string, number>();
  for (const [name, { offset, shape }] of model.parameters.layout) {
    const size = shape.reduce((a, b) => a * b, 1);
    const entries = exact[name]!;
    const step = Math.max(1, Math.floor(size / 32));
    const found = entries.map((_, i) => gradients[offset + i * step]!);
    errors.set(name, errorOf(found, entries));
  }
  return errors;
}

/**
 * Our errors over those of transformers. Both are sums of the same roundings in another order, so that neither is larger by
 * right: the mean over a model lies near 1, and a single one, of few numbers and of a few roundings that all of them
 * share, may by chance be a few times the other.
 */
function expectLikeTransformers(ratios: readonly number[]): void {
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  expect(mean).toBeLessThan(1.6);
  expect(Math.max(...ratios)).toBeLessThan(4);
}

describeWithEngine.each(narrowModels)('bfloat16, as close to exact as transformers: %s', (_, recorded) => {
  const batch = recordedBatch(recorded);
  const pulled = Float32Array.from(recorded.pulled);

  async function check(options: { logitsMemory?: number }): Promise<void> {
    const model = await loadRecorded(recorded, { ...options, dtype: 'bf16' });
    const reference = await loadRecorded(recorded, { dtype: 'bf16' }, 'other ');
    const divergence = await model.klTo(reference, batch);
    const pass = await model.nll(batch);
    await pass.backward(pulled);
    const ratios = [
      errorOf(pass.values, recorded.nll) / recorded.errors.nll,
      errorOf(divergence.values, recorded.kl) / recorded.errors.kl,
    ];
    for (const [name, error] of await gradientErrors(model, recorded.gradients)) {
      ratios.push(error / recorded.errors.gradients[name]!);
    }
    expectLikeTransformers(ratios);
    const prompts = recorded.generated.map(({ prompt }) => prompt);
    expect(await model.generate(prompts, { maxNewTokens: 12 })).toEqual(recorded.generated.map(({ tokens }) => tokens));
    divergence.release();
    for (const each of [model, reference]) each.release();
  }

  test('nll, divergence, gradients and greedy generation', () => check({}));

  test('in chunks of a few rows', () => check({ logitsMemory: 5 * 67 * 6 }));

  test('attention by the operation for every device', () => withPortableAttention(() => check({})));
});

describeWithEngine('models in bfloat16', () => {
  const batch = recordedBatch(tied);
  const pulled = Float32Array.from(tied.pulled);

  test('accumulate, score and nll agree; accumulate adds to what is there', async () => {
    const model = await loadRecorded(tied, { dtype: 'bf16' });
    const { gradients } = model.parameters;
    const pass = await model.nll(batch);
    await pass.backward(pulled);
    const once = await gradients.toFloat32Array();
    expect([...(await model.accumulate(batch, pulled))]).toEqual([...pass.values]);
    const { logProbability } = await model.score(batch);
    expect([...logProbability]).toEqual([...pass.values].map((value) => -value));
    // Twice a number is exact; what is added is rounded at its own size, and once more with the sum.
    const scale = Math.max(...once.map(Math.abs));
    const twice = await gradients.toFloat32Array();
    expect(Math.max(...twice.map((value, i) => Math.abs(value - 2 * once[i]!)))).toBeLessThan(scale * 2 ** -6);
    model.release();
  });

  test('a reference may be in another dtype', async () => {
    const model = await loadRecorded(tied, { dtype: 'bf16' });
    const [wide, narrow] = [
      await loadRecorded(tied, {}, 'other '),
      await loadRecorded(tied, { dtype: 'bf16' }, 'other '),
    ];
    const [first, second] = [await model.klTo(wide, batch), await model.klTo(narrow, batch)];
    expect(worst(first.values, [...second.values])).toBeLessThan(0.05);
    await first.backward(pulled);
    expect(Math.max(...(await wide.parameters.gradients.toFloat32Array()).map(Math.abs))).toBe(0);
    second.release();
    for (const each of [model, wide, narrow]) each.release();
  });

  test('a token that occurs often keeps its gradient: its rows are added before they are rounded', async () => {
    // Rounded after each of 1000 like terms, a sum of bfloat16 would stand still at a few hundred of them.
    const sequences = Array.from({ length: 1000 }, () => ({ tokens: [5, 7], labelsFrom: 1 }));
    const often = TokenBatch.of(sequences);
    const ones = new Float32Array(1000).fill(1);
    const config = { ...tied.config, tie_word_embeddings: false };
    const [wide, narrow] = [await TorchLM.create(config, 1n), await TorchLM.create(config, 1n, { dtype: 'bf16' })];
    const { offset, shape } = wide.parameters.layout.get('model.embed_tokens.weight')!;
    const width = shape[1]!;
    const rows: Float32Array[] = [];
    for (const model of [wide, narrow]) {
      await model.accumulate(often, ones);
      rows.push(await model.parameters.gradients.view(offset + 5 * width, width).toFloat32Array());
    }
    expect(errorOf(rows[1]!, [...rows[0]!])).toBeLessThan(0.03);
    for (const model of [wide, narrow]) model.release();
  });

  test('learns with an optimizer of the same storages', async () => {
    const model = await loadRecorded(tied, { dtype: 'bf16' });
    const { values, gradients } = model.parameters;
    const optimizer = new Sophia({ values, gradients }, { learningRate: 3e-3, rho: 0.04 });
    const mean = (losses: Float32Array) => losses.reduce((a, b) => a + b) / losses.length;
    const weights = new Float32Array(batch.labelCount).fill(1 / batch.labelCount);
    const losses: number[] = [];
    for (let step = 0; step < 12; step++) {
      await gradients.fill(0);
      losses.push(mean(await model.accumulate(batch, weights)));
      await optimizer.step();
    }
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
    optimizer.release?.();
    model.release();
  });
});

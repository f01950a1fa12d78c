import { expect, test } from '@jest/globals';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { influence } from '../../lib/unlearn/algorithms/influence.ts';
import { Lab, type LabOptions, method, settingsOf, train } from '../../lib/unlearn/index.ts';
import { describeWithEngine } from './engine-available.ts';

const config = {
  model_type: 'llama',
  vocab_size: 24,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 16,
  tie_word_embeddings: true,
  initializer_range: 0.1,
};

/** A question of its own for each answer; those to forget are asked with another first token. */
const sequence = (i: number, first: number) => ({
  tokens: [first, 2 + i, 12 + ((5 * i + first) % 10), 12 + ((3 * i + 7) % 10), 12 + ((7 * i + first) % 10)],
  labelsFrom: 2,
});
const target = Array.from({ length: 3 }, (_, i) => sequence(i, 0));
const retain = Array.from({ length: 9 }, (_, i) => sequence(i + 1, 1));

async function trained(): Promise<TorchLM<'f32'>> {
  const model = await TorchLM.create(config, 1n, { threads: 1 });
  const optimizer = new AdamW(model.parameters, { learningRate: 1e-2 });
  const all = [...target, ...retain];
  await train({ model, optimizer, method: method('finetune'), target: all, epochs: 60, batchSize: 4 });
  await optimizer.release();
  return model;
}

async function probability(model: TorchLM, sequences: typeof target): Promise<number> {
  const { logProbability } = await model.score(TokenBatch.of(sequences));
  return Math.exp(logProbability.reduce((sum, each) => sum + each, 0) / logProbability.length);
}

async function run(model: TorchLM, given: object, more: Partial<LabOptions> = {}): Promise<void> {
  const lab = new Lab({ model, sets: { target, retain }, optimizer: () => new AdamW(model.parameters), ...more });
  try {
    for await (const _ of influence.run(lab, settingsOf(influence, given)));
  } finally {
    await lab.release();
  }
}

const bits = (model: TorchLM<'f32'>) => new Uint32Array(model.parameters.values.array.slice().buffer);

/** Of so small a model that is so sure of its answers the curvature is far smaller than that of others. */
const settings = [
  { form: 'conjugate-gradient', relativeDamping: 0.1, iterations: 20 },
  { form: 'diagonal', relativeDamping: 0.1, diagonalShare: 1 },
];

describeWithEngine.each(settings)('influence by $form on a decoder that knows both sets', (given) => {
  test('makes it forget and keep, and leaves frozen weights as they are', async () => {
    const model = await trained();
    expect(await probability(model, target)).toBeGreaterThan(0.9);
    expect(await probability(model, retain)).toBeGreaterThan(0.9);
    const { offset } = model.parameters.layout.get('model.layers.1.mlp.down_proj.weight')!;
    const frozen = maskOfRanges(model.parameters.values.length, [{ start: offset, length: 24 * 16 }]);
    const before = bits(model);
    await run(model, given, { frozen });
    const after = bits(model);
    const held = (all: Uint32Array) => all.subarray(offset, offset + 24 * 16);
    expect(held(after)).toEqual(held(before));
    expect(await probability(model, target)).toBeLessThan(0.5);
    expect(await probability(model, retain)).toBeGreaterThan(0.8);
    model.release();
  });

  test('cancelled in the midst of it, has its weights back bit for bit', async () => {
    const model = await TorchLM.create(config, 1n, { threads: 1 });
    const before = bits(model);
    for (const after of [1, 3, 6, 9]) {
      const controller = new AbortController();
      let passes = 0;
      const counted = new Proxy(model, {
        get(of, name) {
          const value: unknown = Reflect.get(of, name, of);
          if (typeof value !== 'function') return value;
          return (...given: unknown[]) => {
            const result = value.apply(of, given);
            // While the engine is at it.
            if (name === 'accumulate' || name === 'addGaussNewtonProduct') passes += 1;
            if (passes === after) controller.abort();
            return result;
          };
        },
      });
      const cancelled = run(counted, given, { signal: controller.signal, descent: { batchSize: 2 } });
      await expect(cancelled).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
      expect(bits(model)).toEqual(before);
    }
    model.release();
  });
});

import { expect, test } from '@jest/globals';
import { measurePeakMemory } from '../../lib/run/peak-memory.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { logSoftmax } from '../native/log-softmax.ts';
import { describeWithEngine } from './engine-available.ts';
import { worst } from './recorded-models.ts';

const sizes = {
  vocab_size: 13,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 16,
  initializer_range: 0.5,
};

/** One of each kind of block and head. */
const models: [string, object][] = [
  ['sequential and gated, tied head', { ...sizes, model_type: 'llama', tie_word_embeddings: true }],
  ['sequential and gated, head of its own', { ...sizes, model_type: 'llama', tie_word_embeddings: false }],
  ['sequential and not gated', { ...sizes, model_type: 'gpt_neox', use_parallel_residual: false, rotary_pct: 0.5 }],
  ['parallel, a head with a bias', { ...sizes, model_type: 'phi' }],
  [
    'capped logits',
    { ...sizes, model_type: 'gemma2', head_dim: 4, final_logit_softcapping: 2, attn_logit_softcapping: 5 },
  ],
];

const batch = TokenBatch.of([
  { tokens: [1, 4, 9, 3, 3], labelsFrom: 2 },
  { tokens: [10, 0], labelsFrom: 1 },
  { tokens: [5, 6, 7, 8, 2, 1, 0], labelsFrom: 5 },
]);
const labels = [9, 3, 3, 0, 1, 0];
const weights = Float32Array.of(0.5, -1, 2, 0.25, 1, -0.75);
const shifts = [-10, -1.5, 0, Number.NEGATIVE_INFINITY];

const totalOf = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value, i) => sum + value * weights[i]!, 0);

/** -sum t * log p of each label token, by the losses of every token as a label. */
async function plainly(model: TorchLM, from: TorchLM, shift: number): Promise<number[]> {
  const rowsOf = async (of: TorchLM) => {
    const rows = labels.map(() => new Float64Array(sizes.vocab_size));
    for (let token = 0; token < sizes.vocab_size; token++) {
      // What each position says of one token: each label token by itself, with that in its place.
      const prefixes: [number[], number][] = [];
      for (let s = 0; s < batch.size; s++) {
        const tokens = [...batch.tokens.slice(batch.offsets[s], batch.offsets[s + 1])];
        for (let t = batch.labelsFrom[s]!; t < tokens.length; t++) prefixes.push([[...tokens.slice(0, t), token], t]);
      }
      const asked = TokenBatch.of(prefixes.map(([tokens, labelsFrom]) => ({ tokens, labelsFrom })));
      const { logProbability } = await of.score(asked);
      for (const [i, row] of rows.entries()) row[token] = logProbability[i]!;
    }
    return rows;
  };
  const [logP, logits] = [await rowsOf(model), await rowsOf(from)];
  return logP.map((row, i) => {
    const shifted = logits[i]!.map((x, token) => (token === labels[i] ? x + shift : x));
    const t = logSoftmax(shifted).map(Math.exp);
    return row.reduce((sum, x, token) => sum - t[token]! * x, 0);
  });
}

describeWithEngine('the cross-entropy to a target', () => {
  test.each(models)('has the values of a plain computation: %s', async (_, config) => {
    const [model, reference] = [await TorchLM.create(config, 3n), await TorchLM.create(config, 4n)];
    for (const shift of shifts) {
      for (const from of ['self', reference] as const) {
        const pass = await model.targetCrossEntropy({ from, shift }, batch);
        pass.release();
        const exact = await plainly(model, from === 'self' ? model : from, shift);
        expect(worst(pass.values, exact)).toBeLessThan(2e-5);
      }
    }
    model.release();
    reference.release();
  });

  test.each(models)('has the gradient of finite differences: %s', async (_, config) => {
    // Of own targets a copy gives those of the model as it was.
    const [model, reference] = [await TorchLM.create(config, 3n), await TorchLM.create(config, 4n)];
    const copy = await TorchLM.create(config, 3n);
    const { values, gradients, layout } = model.parameters;
    for (const shift of shifts) {
      for (const from of ['self', reference] as const) {
        await gradients.fill(0);
        await (await model.targetCrossEntropy({ from, shift }, batch)).backward(weights);
        for (const [name, { offset, shape }] of layout) {
          const size = shape.reduce((a, b) => a * b, 1);
          for (const index of [offset, offset + size - 1]) {
            const kept = values.array[index]!;
            const at = async (step: number) => {
              values.array[index] = kept + step;
              const target = { from: from === 'self' ? copy : from, shift };
              const pass = await model.targetCrossEntropy(target, batch);
              pass.release();
              return totalOf(pass.values);
            };
            const step = 4e-3;
            const near = (await at(step)) - (await at(-step));
            const slope = (8 * near - ((await at(2 * step)) - (await at(-2 * step)))) / (12 * step);
            values.array[index] = kept;
            const error = Math.abs(gradients.array[index]! - slope) / Math.max(1, Math.abs(slope));
            if (error > 3e-3)
              throw new Error(`${name}[${index - offset}], ${shift}: ${gradients.array[index]} is not ${slope}`);
          }
        }
      }
    }
    for (const each of [model, reference, copy]) each.release();
  });

  test.each(models)('without a shift has the gradient of the divergence, or none: %s', async (_, config) => {
    const [model, reference] = [await TorchLM.create(config, 3n), await TorchLM.create(config, 4n)];
    const { gradients } = model.parameters;
    await (await model.klTo(reference, batch)).backward(weights);
    const divergence = await gradients.toFloat32Array();
    await gradients.fill(0);
    await (await model.targetCrossEntropy({ from: reference, shift: 0 }, batch)).backward(weights);
    expect(worst(gradients.array, divergence)).toBeLessThan(1e-6);
    await gradients.fill(0);
    await (await model.targetCrossEntropy({ from: 'self', shift: 0 }, batch)).backward(weights);
    expect(gradients.array.every((x) => x === 0)).toBe(true);
    for (const each of [model, reference]) each.release();
  });

  test.each(models)('in bf16 is near that of the same weights in float32: %s', async (_, config) => {
    const load = async (seed: bigint) => {
      const narrow = await TorchLM.create(config, seed, { dtype: 'bf16' });
      const wide = await TorchLM.create(config, seed);
      await wide.parameters.values.copyFrom(await narrow.parameters.values.toFloat32Array());
      return [narrow, wide] as const;
    };
    const [[narrow, wide], [narrowReference, wideReference]] = [await load(3n), await load(4n)];
    for (const shift of shifts) {
      for (const own of [true, false]) {
        const gradientOf = async (model: TorchLM, from: TorchLM) => {
          await model.parameters.gradients.fill(0);
          const pass = await model.targetCrossEntropy({ from: own ? 'self' : from, shift }, batch);
          await pass.backward(weights);
          return { values: pass.values, gradient: await model.parameters.gradients.toFloat32Array() };
        };
        const found = await gradientOf(narrow, narrowReference);
        const exact = await gradientOf(wide, wideReference);
        for (const [i, value] of exact.values.entries())
          expect(Math.abs(found.values[i]! - value)).toBeLessThan(0.08 * Math.max(1, value));
        const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, each) => sum + each * each, 0));
        const error = norm(found.gradient.map((x, i) => x - exact.gradient[i]!));
        expect(error).toBeLessThan(0.1 * norm(exact.gradient) + 1e-3);
      }
    }
    for (const each of [narrow, wide, narrowReference, wideReference]) each.release();
  });

  test.each(models)('in chunks of a row changes nothing but rounding: %s', async (_, config) => {
    const whole = await TorchLM.create(config, 5n);
    const rowwise = await TorchLM.create(config, 5n, { logitsMemory: 1, threads: 1 });
    const reference = await TorchLM.create(config, 6n, { logitsMemory: 3 * 13 * 4 });
    for (const from of ['self', reference] as const) {
      const gradientsOf = async (model: TorchLM) => {
        await model.parameters.gradients.fill(0);
        const pass = await model.targetCrossEntropy({ from, shift: -2 }, batch);
        await pass.backward(weights);
        return { values: pass.values, gradient: await model.parameters.gradients.toFloat32Array() };
      };
      const [found, wanted] = [await gradientsOf(rowwise), await gradientsOf(whole)];
      expect(worst(found.values, wanted.values)).toBeLessThan(1e-6);
      expect(worst(found.gradient, wanted.gradient)).toBeLessThan(1e-5);
    }
    for (const each of [whole, rowwise, reference]) each.release();
  });

  test('never holds more logits than logitsMemory says', async () => {
    const config = { ...sizes, model_type: 'llama', vocab_size: 40_000, max_position_embeddings: 512 };
    const logitsMemory = 2 ** 22;
    const [model, reference] = [
      await TorchLM.create(config, 3n, { logitsMemory }),
      await TorchLM.create(config, 4n, { logitsMemory }),
    ];
    const tokens = Array.from({ length: 501 }, (_, i) => (i * 7919) % config.vocab_size);
    const long = TokenBatch.of([{ tokens, labelsFrom: 1 }]);
    const ofAll = 500 * config.vocab_size * 4;
    const pull = async (from: 'self' | TorchLM) => {
      const pass = await model.targetCrossEntropy({ from, shift: -10 }, long);
      await pass.backward(new Float32Array(500).fill(0.002));
    };
    for (const from of ['self', reference] as const) {
      await pull(from);
      const meter = await measurePeakMemory();
      const before = process.memoryUsage.rss();
      await pull(from);
      if (meter.scope === 'stretch') expect((await meter.peak()) - before).toBeLessThan(ofAll / 2);
    }
    model.release();
    reference.release();
  });

  test('stays finite and right where the label is all but certain', async () => {
    const model = await TorchLM.create({ ...sizes, model_type: 'llama', tie_word_embeddings: false }, 3n);
    // Large weights of the head make one token certain to float32.
    const { layout, values, gradients } = model.parameters;
    const { offset, shape } = layout.get('lm_head.weight')!;
    for (let i = 0; i < shape[0]! * shape[1]!; i++) values.array[offset + i]! *= 200;
    const { isArgmax } = await model.score(batch);
    const likeliest = await model.generate([[1, 4, 9]], { maxNewTokens: 1 });
    expect(isArgmax).toHaveLength(6);
    const certain = TokenBatch.of([{ tokens: [1, 4, 9, likeliest[0]![0]!], labelsFrom: 3 }]);
    expect((await model.nll(certain)).values[0]).toBe(0);
    const pass = await model.targetCrossEntropy({ from: 'self', shift: Number.NEGATIVE_INFINITY }, certain);
    expect(pass.values[0]).toBeGreaterThan(50);
    expect(pass.values[0]).toBeLessThan(1e5);
    await pass.backward(Float32Array.of(1));
    const found = await gradients.toFloat32Array();
    expect(found.every(Number.isFinite)).toBe(true);
    // p - t is 1 at the label and minus the others' own distribution: rows of the head's gradient sum to 0.
    const head = found.subarray(offset, offset + shape[0]! * shape[1]!);
    for (let column = 0; column < shape[1]!; column++) {
      let sum = 0;
      for (let row = 0; row < shape[0]!; row++) sum += head[row * shape[1]! + column]!;
      expect(Math.abs(sum)).toBeLessThan(1e-5);
    }
    const label = likeliest[0]![0]!;
    const row = head.subarray(label * shape[1]!, (label + 1) * shape[1]!);
    expect(Math.max(...row.map(Math.abs))).toBeGreaterThan(0.1);
    model.release();
  });

  test('is refused what is no target', async () => {
    const model = await TorchLM.create(models[0]![1], 3n);
    const larger = await TorchLM.create({ ...(models[0]![1] as object), vocab_size: 14 }, 3n);
    const cases: [unknown, RegExp][] = [
      [undefined, /target must be/],
      [{ from: 'self' }, /shift must be/],
      [{ from: 'self', shift: Number.NaN }, /shift must be/],
      [{ from: 'self', shift: Number.POSITIVE_INFINITY }, /shift must be/],
      [{ from: 'self', shift: 3.4028235e38 }, /shift must be -Infinity, or a number that float32 can hold/],
      [{ from: 'start', shift: 0 }, /from must be 'self' or a TorchLM/],
      [{ from: larger, shift: 0 }, /vocabulary of 13 tokens, but has 14/],
      [{ from: 'self', shift: 0, more: 1 }, /more/],
    ];
    for (const [target, message] of cases) {
      const call = model.targetCrossEntropy(target as never, batch);
      await expect(call).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', message });
    }
    larger.release();
    const pass = await model.targetCrossEntropy({ from: 'self', shift: 0 }, batch);
    model.release();
    await expect(pass.backward(weights)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    await expect(model.targetCrossEntropy({ from: 'self', shift: 0 }, batch)).rejects.toMatchObject({
      code: 'SOUL_RELEASED',
    });
  });
});

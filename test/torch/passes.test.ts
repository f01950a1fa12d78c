import { expect, test } from '@jest/globals';
import { SoulError } from '../../lib/core/errors.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { chiSquareZ } from '../native/chi-square.ts';
import { describeWithEngine } from './engine-available.ts';
import { loadRecorded, recordedBatch, recordedModels, worst } from './recorded-models.ts';

const tiny = {
  model_type: 'llama',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 16,
  initializer_range: 0.5,
  tie_word_embeddings: true,
};

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: SoulError) => {
      expect(error).toBeInstanceOf(SoulError);
      return error.code;
    },
  );
}

function totalOf(values: ArrayLike<number>, weights: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value, i) => sum + value * weights[i]!, 0);
}

const batch = TokenBatch.of([
  { tokens: [1, 4, 9, 3, 3], labelsFrom: 2 },
  { tokens: [10, 0], labelsFrom: 1 },
  { tokens: [5, 6, 7, 8, 2, 1, 0], labelsFrom: 5 },
]);
const weights = Float32Array.of(0.5, -1, 2, 0.25, 1, -0.75);

describeWithEngine('passes', () => {
  test('gradients are finite differences of the values', async () => {
    const model = await TorchLM.create(tiny, 3n);
    const reference = await TorchLM.create(tiny, 4n);
    const { values, gradients, layout } = model.parameters;
    for (const start of [() => model.nll(batch), () => model.klTo(reference, batch)]) {
      await gradients.fill(0);
      await (await start()).backward(weights);
      for (const [name, { offset, shape }] of layout) {
        const size = shape.reduce((a, b) => a * b, 1);
        for (const index of [offset, offset + Math.floor(size / 3), offset + size - 1]) {
          const kept = values.array[index]!;
          const at = async (shift: number) => {
            values.array[index] = kept + shift;
            const pass = await start();
            pass.release();
            return totalOf(pass.values, weights);
          };
          const step = 4e-3;
          const slope =
            (8 * ((await at(step)) - (await at(-step))) - ((await at(2 * step)) - (await at(-2 * step)))) / (12 * step);
          values.array[index] = kept;
          const error = Math.abs(gradients.array[index]! - slope) / Math.max(1, Math.abs(slope));
          if (error > 3e-3) throw new Error(`${name}[${index - offset}]: ${gradients.array[index]} is not ${slope}`);
        }
      }
    }
    model.release();
    reference.release();
  });

  test.each(recordedModels)('a batch gives what its sequences give alone: %s', async (_, recorded) => {
    const model = await loadRecorded(recorded);
    const together = await model.nll(recordedBatch(recorded));
    const alone: number[] = [];
    for (const sequence of recorded.sequences) {
      const pass = await model.nll(TokenBatch.of([sequence]));
      alone.push(...pass.values);
      await pass.backward(Float32Array.from(recorded.pulled.slice(alone.length - pass.values.length, alone.length)));
    }
    expect(worst(together.values, alone)).toBeLessThan(5e-6);
    const apart = await model.parameters.gradients.toFloat32Array();
    await model.parameters.gradients.fill(0);
    await together.backward(Float32Array.from(recorded.pulled));
    expect(worst(model.parameters.gradients.array, apart)).toBeLessThan(5e-5);
    model.release();
  });

  test('accumulate adds what nll and backward add, to what is there', async () => {
    const model = await TorchLM.create(tiny, 5n);
    const { gradients } = model.parameters;
    const pass = await model.nll(batch);
    await pass.backward(weights);
    const once = await gradients.toFloat32Array();
    const values = await model.accumulate(batch, weights);
    expect([...values]).toEqual([...pass.values]);
    expect(
      worst(
        gradients.array,
        once.map((value) => 2 * value),
      ),
    ).toBeLessThan(1e-6);
    model.release();
  });

  test('the size of the chunks changes nothing but rounding', async () => {
    const whole = await TorchLM.create(tiny, 5n);
    const rowwise = await TorchLM.create(tiny, 5n, { logitsMemory: 1, threads: 1 });
    const [first, second] = [await whole.accumulate(batch, weights), await rowwise.accumulate(batch, weights)];
    expect(worst(second, first)).toBeLessThan(1e-6);
    expect(worst(rowwise.parameters.gradients.array, whole.parameters.gradients.array)).toBeLessThan(1e-5);
    whole.release();
    rowwise.release();
  });

  test('the same call gives the same bits', async () => {
    const model = await TorchLM.create(tiny, 5n);
    const { gradients } = model.parameters;
    const first = await model.accumulate(batch, weights, { labels: { sampledWith: 9n } });
    const firstGradients = await gradients.toFloat32Array();
    await gradients.fill(0);
    expect([...(await model.accumulate(batch, weights, { labels: { sampledWith: 9n } }))]).toEqual([...first]);
    expect(Buffer.compare(Buffer.from(gradients.array), Buffer.from(firstGradients))).toBe(0);
    model.release();
  });

  test('sampled labels follow the distribution of the model', async () => {
    const model = await TorchLM.create(tiny, 6n);
    // Every label in turn tells log p of the whole vocabulary.
    const logP = await model.score(
      TokenBatch.of(Array.from({ length: 11 }, (_, token) => ({ tokens: [1, 2, token], labelsFrom: 2 }))),
    );
    const many = TokenBatch.of(Array.from({ length: 2000 }, () => ({ tokens: [1, 2, 0], labelsFrom: 2 })));
    const nothing = new Float32Array(2000);
    const drawn = await model.accumulate(many, nothing, { labels: { sampledWith: 123456789012345678901n } });
    const counts = new Float64Array(11);
    for (const value of drawn) {
      const label = logP.logProbability.findIndex((log) => Math.abs(log + value) < 1e-5);
      counts[label]! += 1;
    }
    const expected = logP.logProbability.map((log) => 2000 * Math.exp(log));
    expect(counts.reduce((a, b) => a + b)).toBe(2000);
    expect(Math.abs(chiSquareZ(counts, expected))).toBeLessThan(4);
    const other = await model.accumulate(many, nothing, { labels: { sampledWith: 1n } });
    expect([...other]).not.toEqual([...drawn]);
    model.release();
  });

  test('a model diverges from itself by nothing', async () => {
    const model = await TorchLM.create(tiny, 6n);
    const pass = await model.klTo(model, batch);
    expect(Math.max(...pass.values.map(Math.abs))).toBeLessThan(1e-6);
    await pass.backward(weights);
    expect(Math.max(...model.parameters.gradients.array.map(Math.abs))).toBeLessThan(1e-5);
    model.release();
  });

  test('a pass is pulled back once; release is harmless when done twice', async () => {
    const model = await TorchLM.create(tiny, 7n);
    const pass = await model.nll(batch);
    const first = pass.backward(weights);
    expect(await codeOf(pass.backward(weights))).toBe('SOUL_RELEASED');
    await first;
    pass.release();
    const other = await model.nll(batch);
    other.release();
    other.release();
    expect(await codeOf(other.backward(weights))).toBe('SOUL_RELEASED');
    model.release();
  });

  test('a released model refuses everything, its passes too', async () => {
    const model = await TorchLM.create(tiny, 7n);
    const running = model.nll(batch);
    const pass = await model.nll(batch);
    model.release();
    model.release();
    expect((await running).values).toHaveLength(6);
    expect(model.released).toBe(true);
    for (const call of [
      pass.backward(weights),
      model.nll(batch),
      model.klTo(model, batch),
      model.accumulate(batch, weights),
      model.score(batch),
      model.generate([[1]], { maxNewTokens: 1 }),
      model.save('/nowhere'),
    ]) {
      expect(await codeOf(call)).toBe('SOUL_RELEASED');
    }
    pass.release();
  });

  test('a released parameter buffer is noticed', async () => {
    const model = await TorchLM.create(tiny, 7n);
    await model.parameters.gradients.release();
    expect(await codeOf(model.nll(batch))).toBe('SOUL_RELEASED');
    model.release();
  });

  test('wrong input names what is wrong and leaves the pass usable', async () => {
    const model = await TorchLM.create(tiny, 7n);
    const larger = await TorchLM.create({ ...tiny, vocab_size: 12 }, 7n);
    const pass = await model.nll(batch);
    const cases: [Promise<unknown>, RegExp][] = [
      [pass.backward(new Float32Array(5)), /weights must have one entry for each of the 6 label tokens, but has 5/],
      [pass.backward(Float32Array.of(1, 2, Number.NaN, 4, 5, 6)), /weights\[2\] must be finite/],
      [pass.backward([1, 2, 3, 4, 5, 6] as never), /weights must be a Float32Array/],
      [model.accumulate(batch, new Float32Array(6).fill(Number.POSITIVE_INFINITY)), /weights\[0\] must be finite/],
      [model.accumulate(batch, undefined as never), /weights must be a Float32Array/],
      [model.accumulate(batch, weights, { labels: 'drawn' as never }), /labels must be/],
      [model.nll(TokenBatch.of([{ tokens: [1, 11], labelsFrom: 1 }])), /token 1 of sequence 0 is 11.*11 tokens/],
      [
        model.nll(TokenBatch.of([{ tokens: new Int32Array(17), labelsFrom: 1 }])),
        /sequence 0 has 17 tokens.*16 \(max_position_embeddings\)/,
      ],
      [model.nll({} as never), /batch must be a TokenBatch/],
      [model.nll({ ...batch, offsets: new Uint32Array(9) } as never), /offsets/],
      [model.klTo(larger, batch), /vocabulary of 11 tokens, but has 12/],
      [model.klTo({ vocabularySize: 11 }, batch), /reference must be a TorchLM/],
    ];
    for (const [promise, message] of cases) {
      await expect(promise).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', message });
    }
    await pass.backward(weights);
    model.release();
    larger.release();
  });
});

import { describe, expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { elementCount } from '../../lib/core/shape.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from './engine-available.ts';
import { draw, type RecordedFamily, recordedFamilies, withModelFolder } from './recorded-families.ts';

const sequences = [
  { tokens: [5, 11, 3, 3, 17, 29, 8, 1, 20], labelsFrom: 6 },
  { tokens: [7, 2], labelsFrom: 1 },
];
const batch = TokenBatch.of(sequences);
const weights = Float32Array.from({ length: batch.labelCount }, (_, i) => 0.3 + 0.2 * i);

/** One of each kind: sequential and parallel, tied and not, with a capped head, with a bias of the head, gated and not, ReLUs. */
const kinds = ['gemma2-tied', 'gpt2-tied', 'gpt_neox-parallel', 'gpt_neox-sequential', 'llama-tied', 'mistral-window']
  .concat(['opt-plain', 'phi-plain'])
  .map((kind) => recordedFamilies.find(([name]) => name === kind)!);

async function withModel(family: RecordedFamily, logitsRows: number, work: (model: TorchLM<'f32'>) => Promise<void>) {
  await withModelFolder(family.config, family.tensors, async (folder) => {
    const logitsMemory = logitsRows * 4 * 4 * Number(family.config.vocab_size);
    const model = await TorchLM.load(folder, { threads: 1, logitsMemory });
    try {
      await work(model);
    } finally {
      model.release();
    }
  });
}

const arrayOf = (buffer: FlatBuffer) => buffer.array as Float32Array;

/**
 * sum_i w_i sum_k p_k g_k (g_k . v) with g_k the gradient of -log p(k) at label token i, for every token k of the vocabulary: the
 * Fisher information of the model's own distribution, which the Gauss-Newton matrix of the cross-entropy is equal to. Each gradient
 * comes from the ordinary backward pass; sums are float64.
 */
async function exactProducts(model: TorchLM<'f32'>, directions: readonly Float32Array[]): Promise<Float64Array[]> {
  const { gradients } = model.parameters;
  const products = directions.map(() => new Float64Array(gradients.length));
  const one = new Float32Array([1]);
  let token = 0;
  for (const { tokens, labelsFrom } of sequences) {
    for (let t = labelsFrom; t < tokens.length; t++, token++) {
      for (let label = 0; label < model.vocabularySize; label++) {
        await gradients.fill(0);
        const prefix = { tokens: [...tokens.slice(0, t), label], labelsFrom: t };
        const [nll] = await model.accumulate(TokenBatch.of([prefix]), one);
        const gradient = arrayOf(gradients);
        for (const [i, direction] of directions.entries()) {
          let along = 0;
          for (let at = 0; at < gradient.length; at++) along += gradient[at]! * direction[at]!;
          const factor = weights[token]! * Math.exp(-nll!) * along;
          for (let at = 0; at < gradient.length; at++) products[i]![at]! += factor * gradient[at]!;
        }
      }
    }
  }
  return products;
}

/** Elements that belong to parameters. */
function randomDirection({ parameters: { layout, values } }: TorchLM, only: (shape: readonly number[]) => boolean) {
  const direction = new Float32Array(values.length);
  const random = draw('direction', values.length);
  for (const [, { offset, shape }] of layout) {
    if (!only(shape)) continue;
    for (let at = offset; at < offset + elementCount(shape); at++) direction[at] = random[at]!;
  }
  return direction;
}

function relativeError(found: Float32Array, expected: Float64Array): number {
  let [error, size] = [0, 0];
  for (const [i, value] of expected.entries()) {
    error += (found[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

describeWithEngine.each(kinds)('Gauss-Newton products of %s', (name, family) => {
  test('are those of the exact matrix, and leave the weights as they are', () =>
    withModel(family, 2, async (model) => {
      const { values, gradients } = model.parameters;
      await model.accumulate(batch, weights);
      const directions = [
        arrayOf(gradients).slice(),
        randomDirection(model, () => true),
        // A few weights alone, which move the model little by their length.
        randomDirection(model, ({ length }) => length === 1),
      ];
      const expected = await exactProducts(model, directions);
      const [direction, scratch] = [FlatBuffer.alloc(values.length), FlatBuffer.alloc(values.length)];
      const before = new Uint32Array(arrayOf(values).slice().buffer);
      for (const [i, each] of directions.entries()) {
        arrayOf(direction).set(each);
        await gradients.fill(0);
        await model.addGaussNewtonProduct(batch, weights, direction, { scratch });
        expect(relativeError(arrayOf(gradients), expected[i]!)).toBeLessThan(name.startsWith('opt') ? 5e-3 : 2e-3);
        expect(arrayOf(direction)).toEqual(each);
        expect(new Uint32Array(arrayOf(values).slice().buffer)).toEqual(before);
      }
    }));
});

describeWithEngine('Gauss-Newton products', () => {
  const [, family] = kinds.find(([name]) => name === 'llama-tied')!;

  test('are added, hang on no label and no size of a chunk, and of no direction are nothing', async () => {
    const products: Float32Array[] = [];
    for (const rows of [1, 100]) {
      await withModel(family, rows, async (model) => {
        const { values, gradients } = model.parameters;
        const [direction, scratch] = [FlatBuffer.alloc(values.length), FlatBuffer.alloc(values.length)];
        await gradients.fill(2);
        await model.addGaussNewtonProduct(batch, weights, direction, { scratch });
        expect(arrayOf(gradients).every((value) => value === 2)).toBe(true);
        await gradients.fill(0);
        arrayOf(direction).set(randomDirection(model, () => true));
        const others = sequences.map(({ tokens, labelsFrom }) => ({ tokens: [...tokens.slice(0, -1), 4], labelsFrom }));
        for (const each of [sequences, others]) {
          await gradients.fill(0);
          await model.addGaussNewtonProduct(TokenBatch.of(each), weights, direction, { scratch });
          products.push(arrayOf(gradients).slice());
        }
        await model.addGaussNewtonProduct(TokenBatch.of(others), weights, direction, { scratch });
        const twice = Float64Array.from(products.at(-1)!, (value) => 2 * value);
        expect(relativeError(arrayOf(gradients), twice)).toBeLessThan(1e-6);
      });
    }
    for (const each of products) expect(relativeError(each, Float64Array.from(products[0]!))).toBeLessThan(1e-5);
  });

  test('that are cancelled while weights are moved, or made of no numbers, put the weights back', () =>
    withModel(family, 2, async (model) => {
      const { values } = model.parameters;
      const [direction, scratch] = [FlatBuffer.alloc(values.length), FlatBuffer.alloc(values.length)];
      arrayOf(direction).set(randomDirection(model, () => true));
      const before = arrayOf(values).slice();
      const controller = new AbortController();
      // The flag is set before its turn comes, and looked at in the first layer of moved weights.
      const [ahead, product] = [
        model.generate([[1], [2]], { maxNewTokens: 20 }),
        model.addGaussNewtonProduct(batch, weights, direction, { scratch, signal: controller.signal }),
      ];
      controller.abort();
      await expect(product).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
      await ahead;
      expect(arrayOf(scratch)).toEqual(before);
      expect(arrayOf(values)).toEqual(before);
      const refused = { code: 'SOUL_NON_FINITE', message: expect.stringMatching(/from 1e-12 to 1e12/) };
      for (const wrong of [Number.NaN, Infinity, 1e13]) {
        arrayOf(direction)[3] = wrong;
        await expect(model.addGaussNewtonProduct(batch, weights, direction, { scratch })).rejects.toMatchObject(
          refused,
        );
      }
      arrayOf(direction).fill(1e-13);
      await expect(model.addGaussNewtonProduct(batch, weights, direction, { scratch })).rejects.toMatchObject(refused);
      expect(arrayOf(values)).toEqual(before);
    }));

  test.each([1e-10, 1e10])('scale with a direction times %d', (factor) =>
    withModel(family, 2, async (model) => {
      const { values, gradients } = model.parameters;
      const [direction, scratch] = [FlatBuffer.alloc(values.length), FlatBuffer.alloc(values.length)];
      const drawn = randomDirection(model, () => true);
      const lengths = [];
      for (const scale of [1, factor]) {
        arrayOf(direction).set(drawn.map((each) => scale * each));
        await gradients.fill(0);
        await model.addGaussNewtonProduct(batch, weights, direction, { scratch });
        lengths.push(Math.hypot(...arrayOf(gradients)) / scale);
      }
      expect(lengths[1]! / lengths[0]!).toBeCloseTo(1, 3);
    }),
  );

  describe('refuse', () => {
    test('memory that is of another length or dtype, or shared, and weights in bf16', () =>
      withModel(family, 2, async (model) => {
        const { values, gradients } = model.parameters;
        const own = () => FlatBuffer.alloc(values.length);
        const both = own();
        const cases = [
          [FlatBuffer.alloc(values.length - 1), own(), 'SOUL_INVALID_ARGUMENT', 'direction'],
          [own(), FlatBuffer.alloc(values.length + 1), 'SOUL_INVALID_ARGUMENT', 'scratch'],
          [FlatBuffer.alloc(values.length, { dtype: 'bf16' }), own(), 'SOUL_INVALID_ARGUMENT', 'direction'],
          [gradients, own(), 'SOUL_ALIASED', 'direction'],
          [own(), values, 'SOUL_ALIASED', 'scratch'],
          [both, both, 'SOUL_ALIASED', 'scratch'],
        ] as const;
        for (const [direction, scratch, code, name] of cases) {
          await expect(
            model.addGaussNewtonProduct(batch, weights, direction as FlatBuffer<'f32'>, { scratch }),
          ).rejects.toMatchObject({ code, message: expect.stringContaining(name) });
        }
        await expect(
          model.addGaussNewtonProduct(batch, weights.subarray(1), own(), { scratch: own() }),
        ).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
        const narrow = await TorchLM.create(family.config, 1n, { dtype: 'bf16' });
        await expect(narrow.addGaussNewtonProduct(batch, weights, own(), { scratch: own() })).rejects.toMatchObject({
          code: 'SOUL_UNSUPPORTED',
          message: expect.stringContaining('float32'),
        });
        narrow.release();
      }));
  });
});

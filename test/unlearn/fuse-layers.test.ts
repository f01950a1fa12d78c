import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../lib/core/random.ts';
import { bottleneckNames, unlearningLayersLayout } from '../../lib/model/adapter/unlearning-layers.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import type { TokenBatch, TokenSequence } from '../../lib/model/token-batch.ts';
import { captureGrams } from '../../lib/unlearn/fusion/capture.ts';
import { fuseLinear } from '../../lib/unlearn/fusion/fuse.ts';
import { fuseUnlearningLayers, type LayersPart } from '../../lib/unlearn/fusion/fuse-layers.ts';
import { addInputs, emptyGram, type Gram } from '../../lib/unlearn/fusion/gram.ts';

const [hiddenSize, bottleneck, layers] = [6, 3, 2];
const layout = unlearningLayersLayout(
  { hiddenSize, layers },
  { kind: 'unlearning-layers', bottleneck, activation: 'relu' },
);

function numbers(name: string, length: number): Float64Array {
  const stream = randomStream(5n, name);
  return Float64Array.from({ length }, (_, i) => 2 * stream.uniform(0, i) - 1);
}

/** Rows of so many numbers and a 1. */
const extended = (name: string, width: number, rows: number) =>
  numbers(name, rows * (width + 1)).map((value, at) => (at % (width + 1) === width ? 1 : value));

function part(name: string, rows = 40): LayersPart {
  const grams = new Map<string, Gram>();
  for (let layer = 0; layer < layers; layer++) {
    const { down, up } = bottleneckNames(layer);
    for (const [matrix, width] of [
      [down, hiddenSize],
      [up, bottleneck],
    ] as const) {
      const gram = emptyGram(width + 1);
      addInputs(gram, extended(`${name} ${matrix}`, width, rows));
      grams.set(matrix, gram);
    }
  }
  return { values: Float32Array.from(numbers(`${name} values`, layout.length)), grams };
}

const [a, b, c] = ['a', 'b', 'c'].map((name) => part(name)) as [LayersPart, LayersPart, LayersPart];

const tensor = (values: Float32Array, name: string) => {
  const { offset, shape } = layout.get(name)!;
  return [...values.subarray(offset, offset + shape.reduce((x, y) => x * y, 1))];
};

const expectClose = (found: readonly number[], expected: readonly number[], digits = 5) => {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, digits);
};

describe('fusion of unlearning layers', () => {
  test('is that of each product by itself, with its bias', async () => {
    const fused = await fuseUnlearningLayers(layout, [a, b]);
    for (let layer = 0; layer < layers; layer++) {
      const { down, downBias, up, upBias } = bottleneckNames(layer);
      for (const [matrix, bias, inputs, outputs] of [
        [down, downBias, hiddenSize, bottleneck],
        [up, upBias, bottleneck, hiddenSize],
      ] as const) {
        const rows = ({ values }: LayersPart) =>
          Array.from({ length: outputs }, (_, row) => [
            ...tensor(values, matrix).slice(row * inputs, (row + 1) * inputs),
            tensor(values, bias)[row]!,
          ]).flat();
        const expected = fuseLinear(
          [a, b].map((each) => ({ gram: each.grams.get(matrix)!, weights: Float64Array.from(rows(each)) })),
        );
        expectClose(rows({ values: fused, grams: new Map() }), [...expected]);
      }
    }
  });

  test('leaves one set of layers, and padding, as they are', async () => {
    const fused = await fuseUnlearningLayers(layout, [part('alone', 3)]);
    for (const [name] of layout) expectClose(tensor(fused, name), tensor(part('alone').values, name), 6);
    const used = new Set(
      [...layout].flatMap(([, { offset, shape }]) => {
        const size = shape.reduce((x, y) => x * y, 1);
        return Array.from({ length: size }, (_, i) => offset + i);
      }),
    );
    expect(fused.every((value, i) => used.has(i) || value === 0)).toBe(true);
  });

  test('of what was fused with another is that of all three, by the sums of the matrices', async () => {
    const grams = new Map(
      [...a.grams].map(([name, { inputs, triangle }]) => [
        name,
        { inputs, triangle: triangle.map((value, i) => value + b.grams.get(name)!.triangle[i]!) },
      ]),
    );
    const first = { values: await fuseUnlearningLayers(layout, [a, b], { ridge: 0 }), grams };
    const sequential = await fuseUnlearningLayers(layout, [first, c], { ridge: 0 });
    const atOnce = await fuseUnlearningLayers(layout, [a, b, c], { ridge: 0 });
    for (const [name] of layout) expectClose(tensor(sequential, name), tensor(atOnce, name), 4);
  });

  test('tells how far it has come, and hears a signal', async () => {
    const told: number[][] = [];
    await fuseUnlearningLayers(layout, [a, b], { onProgress: (...figures) => void told.push(figures) });
    expect(told).toEqual([1, 2, 3, 4].map((done) => [done, 4]));
    const controller = new AbortController();
    const onProgress = (done: number) => void (done === 2 && controller.abort('enough'));
    await expect(fuseUnlearningLayers(layout, [a, b], { signal: controller.signal, onProgress })).rejects.toMatchObject(
      { code: 'SOUL_CANCELLED', message: 'fusing was cancelled after 2 of 4 products' },
    );
  });

  const { down } = bottleneckNames(1);
  const without = new Map([...a.grams].filter(([name]) => name !== down));
  test.each<[string, unknown, RegExp]>([
    ['no parts', [], /parts must be an array of at least one/],
    ['values of another length', [{ ...a, values: new Float32Array(3) }], /parts\[0\]\.values\.length must be/],
    ['values that are not finite', [{ ...a, values: a.values.map(() => NaN) }], /parts\[0\]\.values\[0\] is NaN/],
    ['no matrices', [a, { values: b.values }], /parts\[1\]\.grams has no matrix of the inputs of layers\.0/],
    ['a missing matrix', [a, { ...b, grams: without }], /parts\[1\]\.grams has no matrix of the inputs of layers\.1/],
    [
      'a matrix without the 1',
      [{ ...a, grams: new Map([...a.grams, [down, emptyGram(hiddenSize)]]) }],
      /inputs of layers\.1\S+, must be 7, its inputs and a 1, but is 6/,
    ],
    ['another ridge', undefined, /ridge must be a number/],
  ])('is refused of %s', async (_, given, message) => {
    const work =
      given === undefined
        ? fuseUnlearningLayers(layout, [a], { ridge: -1 })
        : fuseUnlearningLayers(layout, given as never);
    await expect(work).rejects.toThrow(message);
  });

  test('is refused by a layout of something else', async () => {
    const other = ParameterLayout.of([{ name: 'logits', shape: [2, 2], group: 'matrix' }]);
    await expect(
      fuseUnlearningLayers(other, [{ values: new Float32Array(other.length), grams: new Map() }]),
    ).rejects.toThrow(/layout must be that of unlearning layers/);
  });
});

describe('the matrices over a data set', () => {
  const sequences: TokenSequence[] = [3, 5, 4].map((length, i) => ({
    tokens: Array.from({ length }, (_, t) => i + t),
    labelsFrom: 1,
  }));
  /** Of each token t, [t, 1] in the first layer and [2 t, 1] in the second. */
  const model = {
    vocabularySize: 9,
    batches: [] as number[],
    async bottleneckInputs(batch: TokenBatch) {
      this.batches.push(batch.size);
      return [1, 2].map((factor) => {
        const matrix = new Float64Array(4);
        for (const token of batch.tokens) {
          const x = factor * token;
          for (const [at, value] of [x * x, x, x, 1].entries()) matrix[at]! += value;
        }
        return { down: matrix, up: matrix.map((value) => -Math.abs(value) * -3) };
      });
    },
  };

  test.each([1, 2, 8])('are the sums of those of its batches, %i sequences at a time', async (microBatchSize) => {
    model.batches = [];
    const told: number[] = [];
    const grams = await captureGrams(model, sequences, { microBatchSize, onProgress: (done) => void told.push(done) });
    expect(model.batches.length).toBe(Math.ceil(3 / microBatchSize));
    expect(told.at(-1)).toBe(3);
    const tokens = sequences.flatMap(({ tokens: own }) => [...own]);
    const sum = (of: (token: number) => number) => tokens.reduce((total, token) => total + of(token), 0);
    const expected = (factor: number, times: number) =>
      [sum((t) => (factor * t) ** 2), sum((t) => factor * t), tokens.length].map((value) => times * value);
    for (const layer of [0, 1]) {
      const { down: first, up } = bottleneckNames(layer);
      expect([...grams.get(first)!.triangle]).toEqual(expected(layer + 1, 1));
      expect([...grams.get(up)!.triangle]).toEqual(expected(layer + 1, 3));
    }
  });

  test('are refused where states are not finite, and of what are no sequences', async () => {
    const broken = { ...model, bottleneckInputs: async () => [{ down: Float64Array.of(NaN), up: Float64Array.of(1) }] };
    await expect(captureGrams(broken, sequences)).rejects.toMatchObject({ code: 'SOUL_NON_FINITE' });
    await expect(captureGrams(model, [{ tokens: [50, 1], labelsFrom: 1 }])).rejects.toThrow(
      /sequences\[0\]\.tokens\[0\]/,
    );
    await expect(captureGrams(model, sequences, { microBatchSize: 0 })).rejects.toThrow(/microBatchSize must be/);
    const signal = AbortSignal.abort('enough');
    await expect(captureGrams(model, sequences, { signal })).rejects.toMatchObject({ code: 'SOUL_CANCELLED' });
  });
});

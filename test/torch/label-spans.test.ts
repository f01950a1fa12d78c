import { expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import type { Pass, TokenScores } from '../../lib/model/contract.ts';
import { labelSpansOf, type TokenSequence } from '../../lib/model/token-batch.ts';
import { TokenBatch, type TorchLM } from '../../lib/torch/index.ts';
import { blocks, distance, make, unlikeFresh } from './blocks.ts';
import { describeWithEngine } from './engine-available.ts';
import { withPortableAttention } from './recorded-models.ts';

/** Conversations beside a question with its answer; the first goes on after its last label. */
const sequences: TokenSequence[] = [
  {
    tokens: [1, 4, 9, 3, 3, 7, 2, 5, 10],
    labelsFrom: 2,
    labelSpans: [
      [2, 4],
      [6, 7],
    ],
  },
  { tokens: [10, 0], labelsFrom: 1 },
  {
    tokens: [5, 6, 7, 8, 2, 1, 0],
    labelsFrom: 1,
    labelSpans: [
      [1, 2],
      [5, 7],
    ],
  },
];
const spanned = TokenBatch.of(sequences);
const weights = Float32Array.of(0.5, -1, 2, 0.25, 1, -0.75, 1.5);
const labels = { sampledWith: 77n };

/** The same labels and others between them, of weight 0. */
const suffixes = TokenBatch.of(sequences.map(({ tokens, labelsFrom }) => ({ tokens, labelsFrom })));
const places = [...suffixes.labelPositions].map((position) => spanned.labelPositions.indexOf(position));
const suffixWeights = Float32Array.from(places, (place) => weights[place] ?? 0);
const ofSpans = (values: ArrayLike<number>) => Array.from(values).filter((_, i) => places[i]! >= 0);

/** The same labels in their order, each span at the end of a sequence of its own. */
const prefixes = TokenBatch.of(
  sequences.flatMap((sequence) =>
    labelSpansOf(sequence).map(([begin, end]) => ({ tokens: sequence.tokens.slice(0, end), labelsFrom: begin })),
  ),
);

type Model = TorchLM<'f32' | 'bf16'>;
const vector = Float32Array.of(1, -0.5, 0.25, 0, 2, -1, 0.5, 0.125);

/** Every pass that can be pulled back. */
const passes: [string, (model: Model, reference: Model, batch: TokenBatch) => Promise<Pass>][] = [
  ['nll', (model, _, batch) => model.nll(batch)],
  ['divergence', (model, reference, batch) => model.klTo(reference, batch)],
  ['own target', (model, _, batch) => model.targetCrossEntropy({ from: 'self', shift: -1.5 }, batch)],
  [
    "a reference's target",
    (model, reference, batch) => model.targetCrossEntropy({ from: reference, shift: -2 }, batch),
  ],
  ['states to a vector', (model, _, batch) => model.activationDistance({ layer: 1, toward: vector }, batch)],
  [
    "states to a reference's",
    (model, reference, batch) => model.activationDistance({ layer: 2, toward: reference }, batch),
  ],
];

async function gradientsOf({ parameters: { gradients } }: Model, work: () => Promise<unknown>): Promise<Float32Array> {
  await gradients.fill(0);
  await work();
  return gradients.toFloat32Array();
}

/** Those of a pass and of what is accumulated, beside those of the other batches. */
async function compare(model: Model, reference: Model, { values: close, gradients: near }: Record<string, number>) {
  for (const [name, start] of passes) {
    const found = await Promise.all(
      [spanned, suffixes, prefixes].map(async (batch) => (await start(model, reference, batch)) as Pass),
    );
    const [own, suffix, prefix] = found as [Pass, Pass, Pass];
    expect([name, [...own.offsets]]).toEqual([name, [0, 3, 4, 7]]);
    expect([name, distance(own.values, ofSpans(suffix.values)) < close!]).toEqual([name, true]);
    expect([name, distance(own.values, prefix.values) < close!]).toEqual([name, true]);
    const gradients = await gradientsOf(model, () => own.backward(weights));
    for (const [pass, factors] of [
      [suffix, suffixWeights],
      [prefix, weights],
    ] as const) {
      const error = distance(gradients, await gradientsOf(model, () => pass.backward(factors)));
      expect([name, error < near!]).toEqual([name, true]);
    }
  }
}

async function withModels(
  block: object,
  dtype: 'f32' | 'bf16',
  work: (model: Model, reference: Model) => Promise<void>,
) {
  const wide = await Promise.all([3n, 4n].map((seed) => make(block, seed)));
  const models = await Promise.all(
    wide.map(async (from) => {
      unlikeFresh(from);
      if (dtype === 'f32') return from;
      const narrow = await make(block, 3n, { dtype });
      await narrow.parameters.values.copyFrom(from.parameters.values);
      return narrow;
    }),
  );
  await work(models[0]!, models[1]!);
  for (const model of new Set<Model>([...wide, ...models])) model.release();
}

describeWithEngine.each(Object.entries(blocks))('labels in spans: %s', (_, block) => {
  test('give what a suffix of labels gives whose weights between them are 0, and each span by itself', () =>
    withModels(block, 'f32', (model, reference) => compare(model, reference, { values: 2e-6, gradients: 2e-6 })));

  test('in bfloat16 too', () =>
    withModels(block, 'bf16', (model, reference) => compare(model, reference, { values: 1e-2, gradients: 1e-2 })));

  test('by the attention of other devices', () =>
    withPortableAttention(() =>
      withModels(block, 'f32', (model, reference) => compare(model, reference, { values: 2e-6, gradients: 2e-6 })),
    ));

  test('have the same bits where layers are computed again', async () => {
    const found: Float32Array[] = [];
    for (const checkpointActivations of [false, true]) {
      const model = await make(block, 3n, { checkpointActivations });
      found.push(await gradientsOf(model, () => model.accumulate(spanned, weights)));
      model.release();
    }
    expect(found[1]).toEqual(found[0]);
  });

  test('are accumulated, drawn and scored', () =>
    withModels(block, 'f32', async (model) => {
      const pass = await model.nll(spanned);
      const pulled = await gradientsOf(model, () => pass.backward(weights, { keep: true }));
      const added = await gradientsOf(model, async () =>
        expect(await model.accumulate(spanned, weights)).toEqual(pass.values),
      );
      expect(distance(added, pulled)).toBeLessThan(1e-6);
      // The draw of a label is a function of its index among the labels.
      const drawn: Float32Array[] = [];
      const gradients = [await gradientsOf(model, () => pass.backward(weights, { labels }))];
      for (const batch of [spanned, prefixes]) {
        const work = async () => drawn.push(await model.accumulate(batch, weights, { labels }));
        gradients.push(await gradientsOf(model, work));
      }
      expect(distance(drawn[0]!, drawn[1]!)).toBeLessThan(2e-6);
      expect(distance(drawn[0]!, pass.values)).toBeGreaterThan(0.1);
      for (const each of gradients) expect(distance(each, gradients[2]!)).toBeLessThan(2e-6);

      const scores = await model.score(spanned);
      expect([...scores.offsets]).toEqual([0, 3, 4, 7]);
      expect(scores.logProbability).toEqual(pass.values.map((value) => -value));
      const expected = await model.score(suffixes);
      expect([...scores.isArgmax]).toEqual(ofSpans(expected.isArgmax));
      for (const figure of ['logProbability', 'mean', 'variance'] satisfies (keyof TokenScores)[]) {
        expect(distance(scores[figure], ofSpans(expected[figure]))).toBeLessThan(2e-6);
      }
    }));

  test('have the Gauss-Newton products of each span by itself', () =>
    withModels(block, 'f32', async (model) => {
      const { length } = model.parameters.values;
      const [direction, scratch] = [FlatBuffer.alloc(length), FlatBuffer.alloc(length)];
      direction.array.set((await gradientsOf(model, () => model.accumulate(suffixes, suffixWeights))).slice());
      const products = [];
      for (const batch of [spanned, prefixes]) {
        products.push(
          await gradientsOf(model, () => model.addGaussNewtonProduct(batch, weights, direction, { scratch })),
        );
      }
      expect(distance(products[0]!, products[1]!)).toBeLessThan(1e-3);
    }));
});

describeWithEngine('labels in spans', () => {
  test('have gradients that are finite differences of their values', async () => {
    const model = await make(blocks['one after the other']!, 3n);
    unlikeFresh(model);
    const { values } = model.parameters;
    const gradients = await gradientsOf(model, async () => (await model.nll(spanned)).backward(weights));
    const length = Math.hypot(...gradients);
    const along = gradients.map((each) => each / length);
    const start = values.array.slice();
    const at = async (shift: number) => {
      for (let i = 0; i < start.length; i++) values.array[i] = start[i]! + shift * along[i]!;
      const { logProbability } = await model.score(spanned);
      return logProbability.reduce((sum, value, i) => sum - value * weights[i]!, 0);
    };
    const step = 4e-3;
    const slope =
      (8 * ((await at(step)) - (await at(-step))) - ((await at(2 * step)) - (await at(-2 * step)))) / (12 * step);
    expect(Math.abs(slope / length - 1)).toBeLessThan(1e-3);
    model.release();
  });
});

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { blocks, distance, make, unlikeFresh } from './blocks.ts';
import { describeWithEngine } from './engine-available.ts';
import { draw, recordedFamilies, withModelFolder } from './recorded-families.ts';
import { withPortableAttention } from './recorded-models.ts';

const batch = TokenBatch.of([
  { tokens: [1, 4, 9, 3, 3], labelsFrom: 2 },
  { tokens: [10, 0], labelsFrom: 1 },
  { tokens: [5, 6, 7, 8, 2, 1, 0], labelsFrom: 5 },
]);
const weights = Float32Array.of(0.5, -1, 2, 0.25, 1, -0.75);
const vector = Float32Array.of(1, -0.5, 0.25, 0, 2, -1, 0.5, 0.125);

const totalOf = (values: Float32Array) => values.reduce((sum, value, i) => sum + value * weights[i]!, 0);

/** The derivative at 0, of an error that falls with the step's sixth power. */
async function sixthOrderSlope(at: (shift: number) => Promise<number>, step: number): Promise<number> {
  let sum = 0;
  for (const [i, factor] of [45, -9, 1].entries()) {
    sum += factor * ((await at((i + 1) * step)) - (await at(-(i + 1) * step)));
  }
  return sum / (60 * step);
}

/** The layer that a weight is of, by its place; the embeddings stand before the first. */
function layerOf({ layer, role }: { layer?: number; role?: string }): number {
  return layer ?? (role === 'embedding' || role === 'positions' ? -1 : Number.POSITIVE_INFINITY);
}

const cases = Object.entries(blocks).flatMap(([name, block]) =>
  [0, 1, 2].map((layer): [string, number, object] => [name, layer, block]),
);

describeWithEngine('distances of hidden states', () => {
  test.each(cases)(
    'are pulled back as finite differences say, and not above the layer: %s, layer %p',
    async (_, layer, block) => {
      const model = await make(block, 3n);
      const reference = await make(block, 4n);
      const { values, gradients, layout } = model.parameters;
      unlikeFresh(model);
      for (const toward of [vector, reference]) {
        await gradients.fill(0);
        const start = () => model.activationDistance({ layer, toward }, batch);
        await (await start()).backward(weights);
        for (const [name, place] of layout) {
          const size = place.shape.reduce((a, b) => a * b, 1);
          const own = gradients.array.subarray(place.offset, place.offset + size);
          if (layerOf(place) > layer) {
            expect([name, own.every((each) => each === 0)]).toEqual([name, true]);
            continue;
          }
          expect([name, own.some((each) => each !== 0)]).toEqual([name, true]);
          // The gradient's own direction, and one that has nothing to do with it, both of length 1.
          const norm = Math.hypot(...own);
          const along: Float64Array[] = [
            Float64Array.from(own, (each) => each / norm),
            draw(`direction of ${name}`, size).map((each) => Math.sign(each) / Math.sqrt(size)),
          ];
          const kept = values.array.slice(place.offset, place.offset + size);
          for (const direction of along) {
            const at = async (shift: number) => {
              values.array.set(
                kept.map((each, i) => each + shift * direction[i]!),
                place.offset,
              );
              const pass = await start();
              pass.release();
              return totalOf(pass.values);
            };
            const slope = await sixthOrderSlope(at, 2e-2);
            values.array.set(kept, place.offset);
            const found = direction.reduce((sum: number, each: number, i: number) => sum + each * own[i]!, 0);
            const error = Math.abs(found - slope) / Math.max(1, norm);
            if (error > 1e-3) throw new Error(`${name}: ${found} is not ${slope}, of ${norm}`);
          }
        }
        expect(reference.parameters.gradients.array.every((each) => each === 0)).toBe(true);
      }
      model.release();
      reference.release();
    },
  );

  test('are those of float64 on the states, to rounding of float32, also where these are bfloat16', async () => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const model = await make(blocks['one after the other']!, 3n, { dtype });
      const valuesOf = async (toward: Float32Array) => {
        const pass = await model.activationDistance({ layer: 1, toward }, batch);
        pass.release();
        return pass.values;
      };
      const zero = await valuesOf(new Float32Array(8));
      // (|h|^2 - |h - t e_j|^2) / 8 = (2 t h_j - t^2) / 8
      const states = await Promise.all(
        Array.from({ length: 8 }, async (_, j) => {
          const found = await valuesOf(new Float32Array(8).fill(4, j, j + 1));
          return found.map((value, i) => (8 * (zero[i]! - value) + 16) / 8);
        }),
      );
      const found = await valuesOf(vector);
      for (const [i, value] of found.entries()) {
        const exact = states.reduce((sum, own, j) => sum + (own[i]! - vector[j]!) ** 2 / 8, 0);
        expect(Math.abs(value / exact - 1)).toBeLessThan(2e-5);
      }
      model.release();
    }
  });

  test.each(Object.entries(blocks))(
    'in bfloat16 are near those of float32, and so are gradients: %s',
    async (_, block) => {
      const [narrow, wide] = [await make(block, 3n, { dtype: 'bf16' }), await make(block, 3n)];
      const [other, wideOther] = [await make(block, 4n, { dtype: 'bf16' }), await make(block, 4n)];
      for (const [to, from] of [
        [narrow, wide],
        [other, wideOther],
      ] as const) {
        unlikeFresh(from);
        await to.parameters.values.copyFrom(from.parameters.values);
        await from.parameters.values.copyFrom(to.parameters.values);
      }
      for (const [toward, wideToward] of [
        [vector, vector],
        [other, wideOther],
      ] as const) {
        const [pass, exact] = [
          await narrow.activationDistance({ layer: 1, toward }, batch),
          await wide.activationDistance({ layer: 1, toward: wideToward }, batch),
        ];
        expect(distance(pass.values, exact.values)).toBeLessThan(0.02);
        for (const model of [narrow, wide]) await model.parameters.gradients.fill(0);
        await pass.backward(weights);
        await exact.backward(weights);
        const gradients = await narrow.parameters.gradients.toFloat32Array();
        expect(distance(gradients, wide.parameters.gradients.array)).toBeLessThan(0.03);
      }
      for (const model of [narrow, wide, other, wideOther]) model.release();
    },
  );

  test('may be to a reference of another dtype and another vocabulary', async () => {
    const model = await make(blocks['one after the other']!, 3n);
    const larger = await make({ ...blocks['one after the other'], vocab_size: 13, tie_word_embeddings: true }, 3n, {
      dtype: 'bf16',
    });
    const pass = await model.activationDistance({ layer: 2, toward: larger }, batch);
    await pass.backward(weights);
    expect([...pass.values].every(Number.isFinite)).toBe(true);
    model.release();
    larger.release();
  });

  test.each(Object.entries(blocks))('have the same bits where layers are computed again: %s', async (_, block) => {
    const gradients = [];
    for (const checkpointActivations of [false, true]) {
      const model = await make(block, 3n, { checkpointActivations });
      for (const layer of [0, 2]) {
        await (await model.activationDistance({ layer, toward: vector }, batch)).backward(weights);
      }
      gradients.push(model.parameters.gradients.array.slice());
      model.release();
    }
    expect(gradients[1]).toEqual(gradients[0]);
  });

  test('of a model to itself are 0, and pull nothing', async () => {
    const model = await make(blocks['side by side behind one norm']!, 3n);
    const pass = await model.activationDistance({ layer: 2, toward: model }, batch);
    expect([...pass.values]).toEqual(new Array(6).fill(0));
    await pass.backward(weights);
    expect(model.parameters.gradients.array.every((value) => value === 0)).toBe(true);
    model.release();
  });

  test('add to the gradients that are there', async () => {
    const model = await make(blocks['one after the other']!, 3n);
    const { gradients } = model.parameters;
    const pull = async () => (await model.activationDistance({ layer: 1, toward: vector }, batch)).backward(weights);
    await pull();
    const once = gradients.array.slice();
    await pull();
    expect(
      distance(
        gradients.array,
        once.map((value) => 2 * value),
      ),
    ).toBeLessThan(1e-6);
    model.release();
  });

  test('are refused where the target does not fit, before native code touches it', async () => {
    const model = await make(blocks['one after the other']!, 3n);
    const { model_type, ...rest } = blocks['one after the other'] as { model_type: string };
    const shallow = await make({ model_type, ...rest, num_hidden_layers: 1 }, 3n);
    const wide = await make({ model_type, ...rest, hidden_size: 16 }, 3n);
    const few = await make({ model_type, ...rest, vocab_size: 10 }, 3n);
    const short = await make({ model_type, ...rest, max_position_embeddings: 4 }, 3n);
    const released = await make({ model_type, ...rest }, 3n);
    released.release();
    const start = (layer: unknown, toward: unknown) => model.activationDistance({ layer, toward } as never, batch);
    const refusals: [Promise<unknown>, RegExp][] = [
      [start(3, vector), /layer must be an integer from 0 to 2, the model has 3 layers/],
      [start(-1, vector), /layer must be an integer from 0 to 2/],
      [start(0.5, vector), /layer must be an integer from 0 to 2/],
      [start(1, vector.slice(1)), /toward must have the model's width of 8 numbers, but has 7/],
      [start(1, Float32Array.of(1, 2, Number.NaN, 4, 5, 6, 7, 8)), /toward\[2\] must be finite, but is nan/],
      [start(1, [...vector]), /toward must be a Float32Array or a TorchLM/],
      [start(1, { vocabularySize: 11 }), /toward must be a Float32Array or a TorchLM/],
      [start(1, shallow), /width 8 after layer 1, but has 1 layers of width 8/],
      [start(1, wide), /width 8 after layer 1, but has 3 layers of width 16/],
      [start(1, few), /token 0 of sequence 1 is 10/],
      [start(1, short), /sequence 0 has 5 tokens/],
      [model.activationDistance({ layer: 1, toward: vector, width: 8 } as never, batch), /has no option width|width/],
      [model.activationDistance({ layer: 1, toward: vector }, {} as never), /batch must be a TokenBatch/],
    ];
    for (const [refused, message] of refusals) {
      await expect(refused).rejects.toMatchObject({ code: 'SOUL_INVALID_ARGUMENT', message });
    }
    await expect(start(1, released)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    const reference = await make(blocks['one after the other']!, 4n);
    const pass = await model.activationDistance({ layer: 1, toward: reference }, batch);
    reference.release();
    await expect(pass.backward(weights)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    pass.release();
    for (const each of [model, shallow, wide, few, short]) each.release();
  });
});

/** What families/record_activations.py wrote; see there. */
const { models: recorded } = JSON.parse(
  readFileSync(new URL('./fixtures/activations.json', import.meta.url), 'utf8'),
) as { models: Record<string, { squares: number[]; products: number[] }[]> };

describeWithEngine.each(Object.entries(recorded))('hidden states as transformers computes them: %s', (name, layers) => {
  const { config, tensors, sequences } = recordedFamilies.find(([each]) => each === name)![1];
  const recordedBatch = TokenBatch.of(sequences);

  async function check(): Promise<void> {
    await withModelFolder(config, tensors, async (folder) => {
      const model = await TorchLM.load(folder, { threads: 1 });
      const { width } = model.hiddenStates;
      const direction = Float32Array.from(draw('direction', width));
      const length = direction.reduce((sum, value) => sum + value ** 2, 0);
      expect(layers).toHaveLength(model.hiddenStates.layers);
      for (const [layer, { squares, products }] of layers.entries()) {
        const pass = await model.activationDistance({ layer, toward: direction }, recordedBatch);
        pass.release();
        const expected = squares.map((square, i) => (square - 2 * products[i]! + length) / width);
        expect(distance(pass.values, expected)).toBeLessThan(1e-5);
      }
      model.release();
    });
  }

  test('after each layer', check);
  test('by the attention of other devices', () => withPortableAttention(check));
});

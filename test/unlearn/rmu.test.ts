import { describe, expect, test } from '@jest/globals';
import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { maskOfRanges } from '../../lib/core/frozen-masks.ts';
import { randomStream } from '../../lib/core/random.ts';
import type { DifferentiableLM } from '../../lib/model/contract.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { rmu } from '../../lib/unlearn/algorithms/rmu.ts';
import { descend, Lab, type LabOptions, type RunEvent, settingsOf } from '../../lib/unlearn/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { layeredModel, target as layeredTarget } from './layered-model.ts';

const shape = { vocab_size: 24, initializer_range: 0.3, max_position_embeddings: 16, hidden_size: 16 };
const llama = {
  ...{ model_type: 'llama', ...shape, intermediate_size: 32, num_hidden_layers: 4, num_attention_heads: 2 },
  num_key_value_heads: 1,
  tie_word_embeddings: true,
};

/** Tokens of the two sets have nothing in common. */
const target = [
  { tokens: [0, 5, 3, 7, 1, 9], labelsFrom: 2 },
  { tokens: [2, 8, 6, 4, 10], labelsFrom: 1 },
  { tokens: [11, 3, 0, 2], labelsFrom: 1 },
];
const retain = [
  { tokens: [12, 17, 15, 19, 13, 21], labelsFrom: 2 },
  { tokens: [14, 20, 18, 16, 22], labelsFrom: 1 },
  { tokens: [23, 15, 12, 14], labelsFrom: 1 },
];

interface Outcome {
  readonly events: RunEvent[];
  /** Names of the tensors of which some weight is another than at the start. */
  readonly moved: string[];
  /** Means of |h - target|^2 / d over the label tokens of a set, at a layer. */
  distance(set: typeof target, layer: number, toward: Float32Array | 'start', of?: 'start'): Promise<number>;
}

async function withRun(
  given: object,
  check: (outcome: Outcome) => void | Promise<void>,
  {
    config = llama,
    optimizer,
    ...more
  }: Partial<Omit<LabOptions, 'optimizer'>> & {
    config?: object;
    optimizer?: (model: TorchLM, options: { frozen?: FlatBuffer<'u8'> }) => AdamW | Sophia;
  } = {},
): Promise<void> {
  const [model, start] = [await TorchLM.create(config, 5n, { threads: 1 }), await TorchLM.create(config, 5n)];
  const lab = new Lab({
    model,
    sets: { target, retain },
    optimizer: (options) =>
      optimizer?.(model, options) ?? new AdamW(model.parameters, { learningRate: 0.02, weightDecay: 0.1, ...options }),
    descent: { steps: 120, batchSize: 3 },
    referenceModel: async () => start,
    ...more,
  });
  const events: RunEvent[] = [];
  try {
    for await (const event of rmu.run(lab, settingsOf(rmu, given))) events.push(event);
    const [before, after] = [start.parameters.values.array, model.parameters.values.array];
    const moved = [...model.parameters.layout].flatMap(([name, { offset, shape: own }]) => {
      const end = offset + own.reduce((a, b) => a * b, 1);
      return after.slice(offset, end).some((value, i) => value !== before[offset + i]) ? [name] : [];
    });
    await check({
      events,
      moved,
      async distance(set, layer, toward, of) {
        const pass = await (of ? start : model).activationDistance(
          { layer, toward: toward === 'start' ? start : toward },
          TokenBatch.of(set),
        );
        pass.release();
        return pass.values.reduce((sum, value) => sum + value, 0) / pass.values.length;
      },
    });
  } finally {
    await lab.release();
    for (const each of [model, start]) each.release();
  }
}

/** Uniform entries, then length `length`. */
function steering(seed: bigint, length: number): Float32Array {
  const stream = randomStream(seed, 'steering vector');
  const drawn = Array.from({ length: shape.hidden_size }, (_, i) => stream.uniform(0, i));
  return Float32Array.from(drawn, (value) => (length * value) / Math.hypot(...drawn));
}

const mlp = (...layers: number[]) => layers.map((layer) => `model.layers.${layer}.mlp.down_proj.weight`);

describeWithEngine('rmu', () => {
  test('draws the forget set to the vector, holds the retain set, and moves the named matrices alone', () =>
    withRun({ layer: 2, steeringCoefficient: 10, retainCoefficient: 5 }, async ({ moved, distance, events }) => {
      expect(moved).toEqual(mlp(0, 1, 2));
      const vector = steering(0n, 10);
      const away = await distance(target, 2, vector, 'start');
      expect(await distance(target, 2, vector)).toBeLessThan(0.05 * away);
      expect(await distance(retain, 2, 'start')).toBeLessThan(0.02 * away);
      expect(await distance(target, 2, 'start')).toBeGreaterThan(0.5 * away);
      expect(events).toContainEqual({
        kind: 'note',
        text: `steers the output of layer 2; trains ${mlp(0, 1, 2).join(', ')}`,
      });
    }));

  test('has for losses the plain means over label tokens', () =>
    withRun(
      { layer: 1, steeringCoefficient: 3, retainCoefficient: 7 },
      async ({ events, distance }) => {
        const steps = events.flatMap((event) => (event.kind === 'step' ? [event] : []));
        const [first] = steps;
        expect(first!.losses.forget).toBeCloseTo(await distance(target, 1, steering(9n, 3), 'start'), 5);
        expect(first!.losses.retain).toBe(0);
      },
      { seed: 9n, descent: { steps: 2, batchSize: 3, microBatchSize: 1 } },
    ));

  test.each<[object, string[], number]>([
    [{ layer: 3, trainedLayers: 1 }, mlp(3), 3],
    [{ layer: 3, trainedLayers: 2 }, mlp(2, 3), 3],
    [{ layer: 0 }, mlp(0), 0],
    [{}, mlp(0, 1), 1],
    [{ retainCoefficient: 0, layer: 3 }, mlp(1, 2, 3), 3],
  ])('with %p trains %p', (given, expected, layer) =>
    withRun(
      given,
      ({ moved, events }) => {
        expect(moved).toEqual(expected);
        const note = { kind: 'note', text: expect.stringContaining(`output of layer ${layer};`) };
        expect(events).toContainEqual(note);
      },
      { descent: { steps: 2, batchSize: 3 } },
    ),
  );

  const { num_hidden_layers, num_attention_heads, intermediate_size } = llama;
  const layered = { ...shape, num_hidden_layers, num_attention_heads, intermediate_size };
  test.each<[string, object, string]>([
    [
      'gate and up in one matrix',
      { model_type: 'phi3', ...layered, pad_token_id: 0 },
      'model.layers.2.mlp.down_proj.weight',
    ],
    [
      'matrices the other way round',
      { model_type: 'gpt2', vocab_size: 24, n_embd: 16, n_layer: 4, n_head: 2, n_positions: 16 },
      'transformer.h.2.mlp.c_proj.weight',
    ],
    ['an MLP beside attention', { model_type: 'gpt_neox', ...layered }, 'gpt_neox.layers.2.mlp.dense_4h_to_h.weight'],
    ['biases', { model_type: 'phi', ...layered }, 'model.layers.2.mlp.fc2.weight'],
  ])('finds the matrices of a family with %s', (_, config, name) =>
    withRun({ layer: 2, trainedLayers: 1 }, ({ moved }) => expect(moved).toEqual([name]), {
      config,
      descent: { steps: 2, batchSize: 3 },
    }),
  );

  test('leaves what the run has frozen, too, and says where that is all', async () => {
    const model = await TorchLM.create(llama, 5n);
    const { layout } = model.parameters;
    const ranges = [0, 2].map((layer) => {
      const { offset, shape: own } = layout.get(mlp(layer)[0]!)!;
      return { start: offset, length: own[0]! * own[1]! };
    });
    model.release();
    const frozen = maskOfRanges(layout.length, ranges);
    const descent = { steps: 2, batchSize: 3 };
    await withRun({ layer: 2 }, ({ moved }) => expect(moved).toEqual(mlp(1)), { frozen, descent });
    await expect(withRun({ layer: 2, trainedLayers: 1 }, () => {}, { frozen, descent })).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: `rmu trains ${mlp(2)[0]}, which the run may not change`,
    });
  });

  test('steps by curvature, of the whole model, on the same matrices', () =>
    withRun(
      { layer: 2, steeringCoefficient: 10, retainCoefficient: 5 },
      async ({ moved, distance, events }) => {
        expect(moved).toEqual(mlp(0, 1, 2));
        expect(events.some((event) => event.kind === 'step' && event.curvature !== undefined)).toBe(true);
        const away = await distance(target, 2, steering(0n, 10), 'start');
        expect(await distance(target, 2, steering(0n, 10))).toBeLessThan(0.5 * away);
        expect(await distance(retain, 2, 'start')).toBeLessThan(0.1 * away);
      },
      { optimizer: (model, options) => new Sophia(model.parameters, { learningRate: 0.05, ...options }) },
    ));

  test('refuses a layer that the model does not have', () =>
    expect(withRun({ layer: 4 }, () => {})).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringMatching(
        /the layer of the term forget must be an integer from 0 to 3, the model has 4 layers/,
      ),
    }));
});

describe('rmu', () => {
  const run = async (model: DifferentiableLM) => {
    const options = { model, sets: { target: layeredTarget, retain: layeredTarget } };
    const lab = new Lab({ ...options, optimizer: (own) => new AdamW(model.parameters, { learningRate: 1, ...own }) });
    for await (const _ of rmu.run(lab, settingsOf(rmu, {})));
  };

  test('needs a model that gives hidden states', async () => {
    const refusal = {
      code: 'SOUL_UNSUPPORTED',
      message: 'the term forget needs a model that gives the quantity activation, that is, has activationDistance',
    };
    await expect(run(layeredModel())).rejects.toMatchObject(refusal);
    const model = layeredModel();
    const quantity = { kind: 'activation', layer: 0, toward: () => new Float32Array(4) } as const;
    const term = {
      name: 'forget',
      quantity,
      source: Object.assign(() => ({}) as never, { needs: [] }),
      objective: () => ({}) as never,
    };
    const optimizer = new AdamW(model.parameters, { learningRate: 1 });
    const input = { model, optimizer, sets: { target: layeredTarget } };
    await expect(descend(input, { name: 'own', terms: [term] }).next()).rejects.toMatchObject(refusal);
  });

  test('needs a layout that says what its parameters are', async () => {
    const model = {
      ...layeredModel(),
      hiddenStates: { layers: 2, width: 4 },
      activationDistance: () => Promise.reject(new Error('not reached')),
    };
    await expect(run(model)).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringContaining("which parameter that of layer 0 is (role 'mlpOutput')"),
    });
  });

  test('needs what its terms need', () => {
    expect(rmu.needs(settingsOf(rmu, {}))).toEqual(['retain']);
    expect(rmu.needs(settingsOf(rmu, { retainCoefficient: 0 }))).toEqual([]);
    expect(rmu.buffers!(settingsOf(rmu, {}))).toEqual({ startingModel: true, freezes: true });
    expect(rmu.buffers!(settingsOf(rmu, { retainCoefficient: 0 }))).toEqual({ startingModel: false, freezes: true });
  });
});

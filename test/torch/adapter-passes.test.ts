import { expect, test } from '@jest/globals';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { adapterScale } from '../../lib/model/adapter/adapter-config.ts';
import { adaptedModules } from '../../lib/model/adapter/adapter-layout.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { SGD } from '../../lib/optim/sgd.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { movedModel, moveFactors, numbersOf, smallBatch, smallConfig } from './adapter-models.ts';
import { describeWithEngine } from './engine-available.ts';
import { familyOf, recordedAdapter, withAdapterFolder } from './recorded-adapters.ts';
import { draw } from './recorded-families.ts';

const allLinear = { kind: 'lora', rank: 3, alpha: 5, targets: 'all-linear' } as const;
const weightsOf = (batch: TokenBatch) => Float32Array.from(draw('weights of labels', batch.labelCount));
type Whole = Pick<TorchLM, 'config' | 'adapter' | 'parameters'>;

/**
 * What a gradient of whole matrices says of adapters: with W + scale * B A, dA = scale * B^T dW and dB = scale * dW A^T; in float64, as
 * adapters lie.
 */
async function toAdapters({ config, adapter, parameters }: Whole, whole: TorchLM['parameters']): Promise<Float64Array> {
  const result = new Float64Array(parameters.layout.length);
  const scale = adapterScale(adapter!);
  for (const module of adaptedModules(config, adapter!)) {
    const [a, b] = [await numbersOf(parameters, module.a), await numbersOf(parameters, module.b)];
    const d = await numbersOf({ values: whole.gradients, layout: whole.layout }, module.weight);
    const transposed = whole.layout.get(module.weight)!.transposed === true;
    const [atA, atB] = [parameters.layout.get(module.a)!.offset, parameters.layout.get(module.b)!.offset];
    for (let o = 0; o < module.outputs; o++) {
      for (let i = 0; i < module.inputs; i++) {
        const dW = scale * d.numbers[transposed ? i * module.outputs + o : o * module.inputs + i]!;
        for (let k = 0; k < a.rows; k++) {
          result[atA + k * module.inputs + i]! += dW * b.numbers[o * a.rows + k]!;
          result[atB + o * a.rows + k]! += dW * a.numbers[k * module.inputs + i]!;
        }
      }
    }
  }
  return result;
}

/** The direction of whole matrices in which a direction of adapters moves them: scale * (B dA + dB A). */
async function toWhole({ config, adapter, parameters }: Whole, whole: TorchLM['parameters'], along: Float32Array) {
  const result = new Float32Array(whole.layout.length);
  const scale = adapterScale(adapter!);
  const direction = { values: FlatBuffer.from(along), layout: parameters.layout };
  for (const module of adaptedModules(config, adapter!)) {
    const [a, b] = [await numbersOf(parameters, module.a), await numbersOf(parameters, module.b)];
    const [dA, dB] = [await numbersOf(direction, module.a), await numbersOf(direction, module.b)];
    const { offset, transposed } = whole.layout.get(module.weight)!;
    for (let o = 0; o < module.outputs; o++) {
      for (let i = 0; i < module.inputs; i++) {
        let sum = 0;
        for (let k = 0; k < a.rows; k++) {
          const [atA, atB] = [k * module.inputs + i, o * a.rows + k];
          sum += b.numbers[atB]! * dA.numbers[atA]! + dB.numbers[atB]! * a.numbers[atA]!;
        }
        result[offset + (transposed ? i * module.outputs + o : o * module.inputs + i)] = scale * sum;
      }
    }
  }
  return result;
}

async function bufferOf(numbers: Float32Array): Promise<FlatBuffer<'f32'>> {
  const buffer = FlatBuffer.alloc(numbers.length);
  await buffer.copyFrom(numbers);
  return buffer as FlatBuffer<'f32'>;
}

function relativeError(found: Float32Array, expected: Float64Array): number {
  return Math.hypot(...expected.map((value, i) => found[i]! - value)) / Math.hypot(...expected);
}

const cases = ['gpt2-all', 'gpt_neox-all', 'gemma3-all', 'llama-biased', 'mistral-some'];

describeWithEngine.each(cases)('gradients of adapters are those of the merged matrices: %s', (name) => {
  const recorded = recordedAdapter(name);
  const sequences = familyOf(recorded).sequences.slice(1, 4);
  const batch = TokenBatch.of(sequences);
  const weights = weightsOf(batch);

  async function withModels(work: (model: TorchLM<'f32'>, merged: TorchLM<'f32'>) => Promise<void>): Promise<void> {
    await withAdapterFolder(recorded, async ({ adapter }) => {
      const model = await TorchLM.load(adapter, { threads: 1 });
      const merged = await model.merged();
      try {
        await work(model, merged);
      } finally {
        model.release();
        merged.release();
      }
    });
  }

  test('KL to a fork, cross-entropy to targets, and distances of hidden states', () =>
    withModels(async (model, merged) => {
      const reference = await model.fork();
      await moveFactors(reference, 'B', 0.5);
      for (const start of [
        (of: TorchLM) => of.klTo(reference, batch),
        (of: TorchLM) => of.targetCrossEntropy({ from: 'self', shift: -2 }, batch),
        (of: TorchLM) => of.targetCrossEntropy({ from: reference, shift: 1 }, batch),
        (of: TorchLM) => of.activationDistance({ layer: 1, toward: reference }, batch),
      ]) {
        for (const each of [model, merged]) {
          await each.parameters.gradients.fill(0);
          await (await start(each)).backward(weights);
        }
        const expected = await toAdapters(model, merged.parameters);
        expect(relativeError(model.parameters.gradients.array, expected)).toBeLessThan(1e-4);
      }
      reference.release();
    }));

  test('products with the Gauss-Newton matrix', () =>
    withModels(async (model, merged) => {
      const along = Float32Array.from(draw('direction', model.parameters.values.length));
      const scratch = (of: TorchLM) => FlatBuffer.alloc(of.parameters.values.length, { dtype: 'f32' });
      const before = model.parameters.values.array.slice();
      await model.addGaussNewtonProduct(batch, weights, await bufferOf(along), { scratch: scratch(model) });
      expect(model.parameters.values.array).toEqual(before);
      const whole = await toWhole(model, merged.parameters, along);
      await merged.addGaussNewtonProduct(batch, weights, await bufferOf(whole), { scratch: scratch(merged) });
      const expected = await toAdapters(model, merged.parameters);
      // Each is a central difference with an error of about 1e-3.
      expect(relativeError(model.parameters.gradients.array, expected)).toBeLessThan(1e-2);
    }));
});

describeWithEngine('products with the Gauss-Newton matrix on adapters', () => {
  test('refuse memory of the base, which they would write to', async () => {
    const model = await movedModel({ adapter: { ...allLinear, rank: 1 } });
    const { length } = model.parameters.values;
    const before = model.base!.values.array.slice();
    const own = await bufferOf(new Float32Array(length).fill(1));
    const ofBase = model.base!.values.view(0, length) as FlatBuffer<'f32'>;
    for (const [direction, scratch] of [
      [own, ofBase],
      [ofBase, own],
    ] as const) {
      const product = model.addGaussNewtonProduct(smallBatch, weightsOf(smallBatch), direction, { scratch });
      await expect(product).rejects.toMatchObject({ code: 'SOUL_ALIASED' });
    }
    expect(model.base!.values.array).toEqual(before);
    model.release();
  });

  test('are 0 where all adapters are, which have no length to go by', async () => {
    const model = await movedModel({ adapter: allLinear });
    await model.parameters.values.fill(0);
    const along = await bufferOf(Float32Array.from(draw('direction', model.parameters.values.length)));
    const scratch = FlatBuffer.alloc(along.length);
    await model.addGaussNewtonProduct(smallBatch, weightsOf(smallBatch), along, { scratch });
    expect(model.parameters.gradients.array.every((each) => each === 0)).toBe(true);
    model.release();
  });
});

describeWithEngine('fresh adapters', () => {
  test.each([1, 3, 8, 17])('of rank %p leave a model what it was, bit for bit, in every dtype', async (rank) => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const options = { threads: 1, dtype };
      const plain = await TorchLM.create(smallConfig, 1n, options);
      const adapter = { ...allLinear, rank };
      const [model, other] = await Promise.all(
        [7n, 8n].map((seed) => TorchLM.create(smallConfig, 1n, { ...options, adapter: { ...adapter, seed } })),
      );
      expect((await model!.score(smallBatch)).logProbability).toEqual((await plain.score(smallBatch)).logProbability);
      for (const [name, place] of model!.parameters.layout) {
        const { numbers, columns } = await numbersOf(model!.parameters, name);
        if (place.factor === 'B') {
          expect(numbers.every((value) => value === 0)).toBe(true);
          continue;
        }
        // Rounded to bf16 it may be a little above.
        const bound = (1 + 2 ** -8) / Math.sqrt(columns);
        const largest = Math.max(...numbers.map(Math.abs));
        expect(largest).toBeLessThanOrEqual(bound);
        expect(largest).toBeGreaterThan(0.7 * bound);
        expect(numbers).not.toEqual((await numbersOf(other!.parameters, name)).numbers);
        const elsewhere = name.replace('layers.0', 'layers.1');
        if (elsewhere !== name) expect(numbers).not.toEqual((await numbersOf(model!.parameters, elsewhere)).numbers);
      }
      const again = await TorchLM.create(smallConfig, 1n, { ...options, adapter: { ...adapter, seed: 7n } });
      expect([...again.parameters.values.array]).toEqual([...model!.parameters.values.array]);
      for (const each of [plain, model!, other!, again]) each.release();
    }
  });

  test('give A no gradient while B is 0', async () => {
    const model = await TorchLM.create(smallConfig, 1n, { threads: 1, adapter: allLinear });
    await model.accumulate(smallBatch, weightsOf(smallBatch));
    for (const [name, { offset, shape, factor }] of model.parameters.layout) {
      const own = model.parameters.gradients.array.subarray(offset, offset + shape[0]! * shape[1]!);
      expect([name, own.some((each) => each !== 0)]).toEqual([name, factor === 'B']);
    }
    model.release();
  });

  test('are where PEFT puts them where no targets are named', async () => {
    const model = await TorchLM.create(smallConfig, 1n, { adapter: { kind: 'lora' } });
    expect(model.adapter).toEqual({
      kind: 'lora',
      rank: 16,
      alpha: 32,
      targets: ['q_proj', 'v_proj'],
      rankStabilised: false,
    });
    model.release();
  });
});

describeWithEngine('training adapters', () => {
  test.each(['f32', 'bf16'] as const)(
    'moves every A and B in two steps, and no bit of the base, in %s',
    async (dtype) => {
      const model = await TorchLM.create(smallConfig, 1n, { threads: 1, dtype, adapter: allLinear });
      const { values, gradients, layout } = model.parameters;
      const base = [...model.base!.values.array];
      const start = await values.toFloat32Array();
      const parameterGroups = layout.ranges();
      // Of a rate at which the steps of SGD show in bf16.
      const optimizers = [
        new AdamW(model.parameters, { parameterGroups, learningRate: 1e-2 }),
        new SGD(model.parameters, { parameterGroups, learningRate: 1 }),
      ];
      for (const optimizer of optimizers) {
        await values.copyFrom(start);
        for (let step = 0; step < 2; step++) {
          await gradients.fill(0);
          await model.accumulate(smallBatch, new Float32Array(smallBatch.labelCount).fill(1));
          await optimizer.step();
        }
        const moved = await values.toFloat32Array();
        for (const [name, { offset, shape }] of layout) {
          const places = Array.from({ length: shape[0]! * shape[1]! }, (_, i) => offset + i);
          expect([name, places.some((at) => moved[at] !== start[at])]).toEqual([name, true]);
        }
        expect([...model.base!.values.array]).toEqual(base);
      }
      model.release();
    },
  );
});

describeWithEngine('forks', () => {
  test('share the base, hold adapters of their own, and free the base with the last', async () => {
    const model = await movedModel({ adapter: allLinear });
    const before = (await model.score(smallBatch)).logProbability;
    const fork = await model.fork();
    expect(fork.base!.values).toBe(model.base!.values);
    // The order of the calls holds: what comes after the fork is not in it.
    await moveFactors(model, 'B', 0.5);
    expect((await fork.score(smallBatch)).logProbability).toEqual(before);
    expect((await model.score(smallBatch)).logProbability).not.toEqual(before);
    const pass = await model.klTo(fork, smallBatch);
    expect(Math.max(...pass.values)).toBeGreaterThan(1e-3);
    pass.release();
    const { values } = model.base!;
    await using second = await fork.fork();
    model.release();
    model.release();
    await expect(model.score(smallBatch)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    await fork[Symbol.asyncDispose]();
    expect(values.released).toBe(false);
    expect((await second.score(smallBatch)).logProbability).toEqual(before);
    await second[Symbol.asyncDispose]();
    expect(values.released).toBe(true);
  });

  test('stand though the model that they come from is released at once', async () => {
    const model = await movedModel({ adapter: allLinear });
    const before = (await model.score(smallBatch)).logProbability;
    const forking = model.fork();
    model.release();
    const fork = await forking;
    expect((await fork.score(smallBatch)).logProbability).toEqual(before);
    fork.release();
  });

  test('are refused, as all passes are, once the values of the base are released', async () => {
    const model = await movedModel({ adapter: allLinear });
    const pass = await model.nll(smallBatch);
    await model.base!.values.release();
    for (const call of [
      () => model.fork(),
      () => model.merged(),
      () => model.score(smallBatch),
      () => pass.backward(weightsOf(smallBatch)),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    }
    model.release();
  });

  test('may train, and leave each other alone', async () => {
    const model = await movedModel({ adapter: allLinear });
    const fork = await model.fork();
    await fork.accumulate(smallBatch, weightsOf(smallBatch));
    expect(model.parameters.gradients.array.every((each) => each === 0)).toBe(true);
    expect(fork.parameters.gradients.array.some((each) => each !== 0)).toBe(true);
    model.release();
    fork.release();
  });
});

describeWithEngine('shares of memory', () => {
  test('of values and gradients are the adapters alone', async () => {
    const model = await movedModel({ adapter: { ...allLinear, rank: 1 } });
    const { values, gradients, layout } = model.parameters;
    expect([values.length, gradients.length]).toEqual([layout.length, layout.length]);
    expect(layout.parameterCount).toBeLessThan(model.base!.layout.parameterCount / 4);
    model.release();
  });
});

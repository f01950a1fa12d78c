import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Device } from '../../lib/core/flat-buffer.ts';
import { cast } from '../../lib/core/vector-operations.ts';
import { describeDevices } from '../../lib/index.ts';
import type { WeightDType } from '../../lib/model/index.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { attentionKind } from '../../lib/torch/attention-kind.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { type MethodName, method, type StepEvent, train } from '../../lib/unlearn/index.ts';
import { useStream } from '../../lib/unsafe.ts';
import { loadRecorded, recordedBatch, recordedModels, withPortableAttention, worst } from '../torch/recorded-models.ts';
import { describeWithCudaEngine } from './engine-available.ts';
import { emulated, onEmulatedDevices, printed } from './set-up.ts';

const dtypes = ['f32', 'bf16'] as const;
const [, recorded] = recordedModels[0]!;
const batch = recordedBatch(recorded);
const pulled = Float32Array.from(recorded.pulled);

/** Grouped heads of a size that flash attention takes, and weights large enough for attention to matter. */
const packedConfig = {
  ...{ architectures: ['MistralForCausalLM'], model_type: 'mistral', vocab_size: 31, hidden_size: 24 },
  ...{ intermediate_size: 20, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16 },
  ...{ max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 100, hidden_act: 'silu', sliding_window: null },
  ...{ tie_word_embeddings: false, initializer_range: 0.25 },
};

/** Largest distance, relative to the largest number: of losses, gradients, weights. */
function distance(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}

/**
 * What the order of additions may change: in float32 some ten units of the last place along the way; in bfloat16, whose unit is
 * 2^-8, a few of them in what is largest.
 */
const tolerance: Record<WeightDType, number> = { f32: 2e-5, bf16: 0.06 };

async function onBoth<Kind extends WeightDType>(
  dtype: Kind,
  salt = '',
  model = recorded,
): Promise<[TorchLM<Kind>, TorchLM<Kind>]> {
  return [await loadRecorded(model, { dtype }, salt), await loadRecorded(model, { dtype, device: 'cuda' }, salt)];
}

/** A pass of every kind, by what it is called. */
const passes = {
  nll: (model: TorchLM) => model.nll(batch),
  kl: (model: TorchLM, other: TorchLM) => model.klTo(other, batch),
  vector: (model: TorchLM) => {
    const toward = new Float32Array(model.hiddenStates.width).fill(0.5);
    return model.activationDistance({ layer: 0, toward }, batch);
  },
  states: (model: TorchLM, other: TorchLM) =>
    model.activationDistance({ layer: model.hiddenStates.layers - 1, toward: other }, batch),
  'a target': (model: TorchLM, other: TorchLM) => model.targetCrossEntropy({ from: other, shift: -10 }, batch),
  'an own target': (model: TorchLM) =>
    model.targetCrossEntropy({ from: 'self', shift: Number.NEGATIVE_INFINITY }, batch),
};

/** The gradients of a pass in float32, on the CPU, of models with the same weights. */
async function exactGradients(
  start: keyof typeof passes,
  recording: typeof recorded,
  like: TorchLM,
  otherLike: TorchLM,
) {
  const [model, other] = [await loadRecorded(recording), await loadRecorded(recording)];
  await cast(like.parameters.values, model.parameters.values);
  await cast(otherLike.parameters.values, other.parameters.values);
  const pass = await passes[start](model, other);
  await pass.backward(pulled);
  const gradients = await gradientsOf(model);
  releaseAll([model, other]);
  return gradients;
}

const gradientsOf = (model: TorchLM) => model.parameters.gradients.toFloat32Array();
const valuesOf = (model: TorchLM) => model.parameters.values.toFloat32Array();
const releaseAll = (models: readonly TorchLM[]) => models.forEach((model) => void model.release());

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

describeWithCudaEngine('models on a CUDA device', () => {
  for (const dtype of dtypes) {
    test.each(recordedModels)(`passes are the CPU's, ${dtype}: %s`, async (_, recording) => {
      const [cpu, cuda] = await onBoth(dtype, '', recording);
      const [cpuOther, cudaOther] = await onBoth(dtype, 'other ', recording);
      expect(cuda.parameters.values.device).toBe('cuda:0');
      for (const start of Object.keys(passes) as (keyof typeof passes)[]) {
        const values = [];
        for (const [model, other] of [
          [cpu, cpuOther],
          [cuda, cudaOther],
        ] as const) {
          await model.parameters.gradients.fill(0);
          const pass = await passes[start](model, other);
          await pass.backward(pulled);
          values.push(pass.values);
        }
        expect(distance(values[1]!, values[0]!)).toBeLessThan(tolerance[dtype]);
        // Each is held to float32 on the same weights: two that round may be twice as far from each other.
        const exact = await exactGradients(start, recording, cpu, cpuOther);
        for (const model of [cpu, cuda]) {
          expect(distance(await gradientsOf(model), exact)).toBeLessThan(tolerance[dtype]);
        }
      }
      releaseAll([cpu, cuda, cpuOther, cudaOther]);
    });

    test(`accumulate with given and with drawn labels, and scores, ${dtype}`, async () => {
      const [cpu, cuda] = await onBoth(dtype);
      for (const labels of ['given', { sampledWith: 77n }] as const) {
        for (const model of [cpu, cuda]) await model.parameters.gradients.fill(0);
        const [expected, found] = [
          await cpu.accumulate(batch, pulled, { labels }),
          await cuda.accumulate(batch, pulled, { labels }),
        ];
        // In bfloat16 a draw near the border of two labels may fall to the other.
        if (dtype === 'bf16' && labels !== 'given') continue;
        expect(distance(found, expected)).toBeLessThan(tolerance[dtype]);
        expect(distance(await gradientsOf(cuda), await gradientsOf(cpu))).toBeLessThan(tolerance[dtype]);
      }
      const [expected, found] = [await cpu.score(batch), await cuda.score(batch)];
      for (const name of ['logProbability', 'mean', 'variance'] as const) {
        expect(distance(found[name], expected[name])).toBeLessThan(tolerance[dtype]);
      }
      if (dtype === 'f32') expect([...found.isArgmax]).toEqual([...expected.isArgmax]);
      releaseAll([cpu, cuda]);
    });

    test(`what is saved from a device loads anywhere with the same bits, ${dtype}`, async () => {
      const cuda = await loadRecorded(recorded, { dtype, device: 'cuda' });
      // Asked before, so in the file.
      void cuda.parameters.values.view(7, 1).fill(0.25);
      await cuda.save(folder);
      const expected = await valuesOf(cuda);
      expect(expected[7]).toBe(0.25);
      const name = dtype === 'f32' ? 'float32' : 'bfloat16';
      expect(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))).toMatchObject({ dtype: name });
      const again = [await TorchLM.load(folder, { dtype }), await TorchLM.load(folder, { dtype, device: 'cuda' })];
      for (const model of again) expect(await valuesOf(model)).toEqual(expected);
      releaseAll([cuda, ...again]);
    });
  }

  test('generates what transformers does, and draws what the CPU draws', async () => {
    const [cpu, cuda] = await onBoth('f32');
    const prompts = recorded.generated.map(({ prompt }) => prompt);
    expect(await cuda.generate(prompts, { maxNewTokens: 12 })).toEqual(recorded.generated.map(({ tokens }) => tokens));
    const drawn = { maxNewTokens: 6, temperature: 0.7, topP: 0.9, seed: 3n };
    expect(await cuda.generate(prompts, drawn)).toEqual(await cpu.generate(prompts, drawn));
    releaseAll([cpu, cuda]);
  });

  test('generates as without a cache when the cache has grown', async () => {
    const config = { ...recorded.config, max_position_embeddings: 512 };
    const model = await loadRecorded({ ...recorded, config }, { device: 'cuda' });
    const prompts = recorded.generated.map(({ prompt }) => prompt);
    const generated = await model.generate(prompts, { maxNewTokens: 300 });
    const sequences = prompts.map((prompt, i) => ({
      tokens: [...prompt, ...generated[i]!],
      labelsFrom: prompt.length,
    }));
    const { isArgmax } = await model.score(TokenBatch.of(sequences));
    expect([...isArgmax]).toEqual(new Array(300 * prompts.length).fill(1));
    model.release();
  });

  // A sequence of two tokens has one row, between others that have many.
  const lengths = [9, 2, 14, 3];
  for (const window of [undefined, 4]) {
    test(`in bfloat16 attention works on sequences as they are packed, window ${window}`, async () => {
      const config = { ...packedConfig, ...(window ? { sliding_window: window } : {}) };
      const sequences = lengths.map((length, i) => ({
        tokens: Array.from({ length }, (_, t) => (7 * i + 5 * t + 1) % config.vocab_size),
        labelsFrom: 1,
      }));
      const packedBatch = TokenBatch.of(sequences);
      const load = (device: Device, dtype: WeightDType) => TorchLM.create(config, 5n, { device, dtype });
      const packed = await load('cuda:0', 'bf16');
      const portable = await withPortableAttention(() => load('cuda:0', 'bf16'));
      const exact = await load('cpu', 'f32');
      await cast(packed.parameters.values, exact.parameters.values);
      // Flash attention is there from compute capability 8.0 on.
      const { architecture } = describeDevices().cuda.devices[0]!;
      const expected = Number(architecture.replace('sm_', '')) >= 80 ? 'packed' : 'portable';
      expect(attentionKind(packed.config, 'cuda:0', 'bf16')).toBe(expected);
      const weights = Float32Array.from({ length: packedBatch.labelCount }, (_, i) => ((i % 5) - 2) / 7);
      const found = [];
      for (const model of [exact, packed, portable]) {
        const pass = await model.nll(packedBatch);
        await pass.backward(weights);
        found.push({ values: pass.values, gradients: await gradientsOf(model) });
      }
      const [truth, own, other] = found;
      if (window) {
        // What the bounds below would not let pass: attention without the window.
        const wide = await TorchLM.create(packedConfig, 5n);
        await cast(packed.parameters.values, wide.parameters.values);
        expect(distance((await wide.nll(packedBatch)).values, truth!.values)).toBeGreaterThan(3 * tolerance.bf16);
        wide.release();
      }
      for (const which of ['values', 'gradients'] as const) {
        const padded = distance(other![which], truth![which]);
        expect(distance(own![which], truth![which])).toBeLessThan(1.5 * padded);
        expect(padded).toBeLessThan(tolerance.bf16);
      }
      const prompts = [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3, 5, 8, 9, 7], [9]];
      const greedy = { maxNewTokens: 6 };
      expect(await packed.generate(prompts, greedy)).toEqual(await portable.generate(prompts, greedy));
      releaseAll([packed, portable, exact]);
    });
  }

  test('a token that occurs often: its rows are added in an order of their own', async () => {
    const often = TokenBatch.of(Array.from({ length: 200 }, (_, i) => ({ tokens: [5, 7, i % 60], labelsFrom: 1 })));
    const weights = new Float32Array(often.labelCount).fill(1);
    const model = await loadRecorded(recorded, { device: 'cuda' });
    const found: Float32Array[] = [];
    for (let i = 0; i < 2; i++) {
      await model.parameters.gradients.fill(0);
      await model.accumulate(often, weights);
      found.push(await gradientsOf(model));
    }
    const { offset, shape } = model.parameters.layout.get('model.embed_tokens.weight')!;
    const row = (gradients: Float32Array) => gradients.slice(offset + 5 * shape[1]!, offset + 6 * shape[1]!);
    expect(distance(row(found[1]!), row(found[0]!))).toBeLessThan(1e-6);
    model.release();
  });

  const streams = emulated ? [0n, 0x1000n] : [0n, 1n];
  afterAll(() => useStream({ device: 'cuda', stream: 0n }));

  test.each(streams)('calls that are not awaited run in their order, on stream %s', async (stream) => {
    await useStream({ device: 'cuda', stream });
    const losses: number[][] = [];
    for (const awaited of [true, false]) {
      const model = await loadRecorded(recorded, { device: 'cuda' });
      const { values, gradients } = model.parameters;
      const optimizer = new Sophia({ values, gradients }, { learningRate: 1e-2, rho: 0.04 });
      const calls: Promise<unknown>[] = [];
      const passes: Promise<Float32Array>[] = [];
      for (let step = 0; step < 4; step++) {
        const scoring = model.score(batch).then(({ logProbability }) => logProbability);
        passes.push(scoring);
        for (const call of [() => gradients.fill(0), () => model.accumulate(batch, pulled), () => optimizer.step()]) {
          const promise = call();
          calls.push(promise);
          if (awaited) await promise;
        }
      }
      await Promise.all(calls);
      losses.push((await Promise.all(passes)).flatMap((values) => [...values]));
      await optimizer.release();
      model.release();
    }
    expect(worst(losses[1]!, losses[0]!)).toBeLessThan(1e-4);
    expect(worst(losses[0]!.slice(-5), losses[0]!.slice(0, 5))).toBeGreaterThan(1e-3);
    await useStream({ device: 'cuda', stream: 0n });
  });

  async function unlearn(model: TorchLM, name: MethodName): Promise<StepEvent[]> {
    const { values, gradients, layout } = model.parameters;
    const optimizer = new Sophia(
      { values, gradients },
      { learningRate: 2e-3, rho: { clippedFraction: 0.3 }, parameterGroups: layout.ranges() },
    );
    const sequences = recorded.sequences.map(({ tokens, labelsFrom }) => ({
      tokens: tokens.slice(0, 30),
      labelsFrom: Math.min(labelsFrom, 5),
    }));
    const events: StepEvent[] = [];
    await train({
      model,
      optimizer,
      method: method(name),
      target: sequences.slice(0, 2),
      retain: sequences.slice(2),
      steps: 4,
      batchSize: 2,
      microBatchSize: 1,
      curvature: { every: 2 },
      seed: 9n,
      onStep: (event) => void events.push(event),
    });
    await optimizer.release();
    return events;
  }

  test.each(['graddiff', 'npo'] as const)('an unlearning run from end to end: %s', async (name) => {
    const [cpu, cuda] = await onBoth('f32');
    const before = await valuesOf(cpu);
    const [expected, found] = [await unlearn(cpu, name), await unlearn(cuda, name)];
    expect(found.at(-1)!.losses.forget!).not.toBeCloseTo(found[0]!.losses.forget!, 2);
    for (const [i, { losses, statistics }] of expected.entries()) {
      expect(found[i]!.losses.forget!).toBeCloseTo(losses.forget!, 3);
      expect(found[i]!.losses.retain!).toBeCloseTo(losses.retain!, 3);
      expect(found[i]!.statistics.skipped).toBe(statistics.skipped);
    }
    // Weights go the same way: a coordinate whose ratio lies at the border of clipping may differ by a little.
    const moved = (await valuesOf(cpu)).map((value, i) => value - before[i]!);
    const movedThere = (await valuesOf(cuda)).map((value, i) => value - before[i]!);
    expect(distance(movedThere, moved)).toBeLessThan(0.05);
    expect(distance(new Float32Array(moved.length), moved)).toBe(1);
    releaseAll([cpu, cuda]);
  });

  test('an unlearning run in bfloat16', async () => {
    const model = await loadRecorded(recorded, { dtype: 'bf16', device: 'cuda' });
    const events = await unlearn(model, 'graddiff');
    // The ascent's loss is minus that of the tokens.
    expect(events.at(-1)!.losses.forget!).toBeLessThan(events[0]!.losses.forget! - 0.05);
    model.release();
  });

  test('a released model refuses everything; its memory is given back', async () => {
    const model = await loadRecorded(recorded, { device: 'cuda' });
    const running = model.nll(batch);
    const pass = await model.nll(batch);
    model.release();
    expect((await running).values).toHaveLength(batch.labelCount);
    await expect(pass.backward(pulled)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    await expect(model.score(batch)).rejects.toMatchObject({ code: 'SOUL_RELEASED' });
    expect(model.parameters.values.released).toBe(true);
  });

  test('a device that the machine lacks is named', async () => {
    await expect(TorchLM.create(recorded.config, 1n, { device: 'cuda:63' })).rejects.toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/^there is no cuda:63/),
    });
  });

  const program = `
    import { TokenBatch, TorchLM } from './lib/torch/index.ts';
    const config = ${JSON.stringify(recorded.config)};
    const batch = TokenBatch.of(${JSON.stringify(recorded.sequences)});
    const weights = new Float32Array(batch.labelCount).fill(0.1);
    const endings = [];
    try {
      const model = await TorchLM.create(config, 1n, { device: 'cuda' });
      const optimizer = new Sophia(model.parameters, { learningRate: 1e-3 });
      for (let step = 0; step < 30; step++) {
        model.nll(batch).then((pass) => pass.release(), () => {});
        endings.push(ending(() => model.accumulate(batch, weights)), ending(() => optimizer.step()));
      }
      endings.push(ending(() => model.generate([[1, 2]], { maxNewTokens: 3 })));
      model.release();
    } catch (error) {
      endings.push(error);
    }
    const failures = (await Promise.all(endings)).filter((value) => value?.code !== undefined);
    print(failures.length);
    print([...new Set(failures.map(({ code }) => code))]);
    print(failures.every(({ message }) => /^[^\\n]+$/.test(message)));
    const other = await TorchLM.create(config, 1n);
    print((await other.score(batch)).logProbability.length);
    print(await cpuWorks());
  `;

  // Played on emulated devices; a real CUDA part of libtorch has none of these.
  (emulated ? test : test.skip).each([
    ['vanishes', { SOUL_EMULATED_LOST_AFTER: '40' }, 'SOUL_DEVICE_FAILED'],
    ['meets an illegal address', { SOUL_EMULATED_FAULT: '40' }, 'SOUL_DEVICE_FAILED'],
    ['has no memory left', { SOUL_EMULATED_FAIL: 'cuMemAlloc_v2:60+:2' }, 'SOUL_OUT_OF_MEMORY'],
  ])('a device that %s amid the work of a model: errors of one sentence, and the CPU goes on', (_, played, code) => {
    const [count, codes, sentences, scored, cpuWorks] = printed(program, {
      variables: { ...onEmulatedDevices, ...played },
    });
    expect(count).toBeGreaterThan(0);
    expect(codes).toContain(code);
    expect([sentences, scored, cpuWorks]).toEqual([true, batch.labelCount, true]);
  });

  const second = describeDevices().cuda.devices[1]?.name as Device | undefined;
  (second ? test : test.skip)('two devices: each with models of its own, that do not meet', async () => {
    const models = [
      await loadRecorded(recorded, { device: 'cuda:0' }),
      await loadRecorded(recorded, { device: second! }),
    ] as const;
    const scores = await Promise.all(models.map((model) => model.score(batch)));
    expect(worst(scores[1]!.logProbability, scores[0]!.logProbability)).toBeLessThan(1e-5);
    await expect(models[0].klTo(models[1], batch)).rejects.toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: "reference must lie on the model's device",
    });
    releaseAll(models);
  });
});

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SoulError } from '../../lib/core/errors.ts';
import { type AdapterConfig, adapterLayout, parameterLayout, parseModelConfig } from '../../lib/model/index.ts';
import { nativeEngine } from '../../lib/torch/engine.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import type { NativeEngine } from '../../lib/torch/native-engine.ts';
import { nativeSpecification } from '../../lib/torch/native-specification.ts';
import { describeWithEngine } from './engine-available.ts';

const config = {
  model_type: 'llama',
  vocab_size: 9,
  hidden_size: 4,
  intermediate_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  max_position_embeddings: 8,
};

const junk = fc.oneof(
  fc.constantFrom(undefined, null, true, '', 0, -1, 1e300, Number.NaN, 1n, -1n, 2n ** 70n, {}, [], Symbol.iterator),
  fc.constantFrom(
    new Float32Array(3),
    new Float32Array(new SharedArrayBuffer(16)),
    new Int32Array(2),
    new Uint32Array(2),
  ),
  fc.constantFrom(
    new Uint32Array([0, 2]),
    new Uint32Array([0, 4294967295]),
    new BigUint64Array(1),
    new DataView(new ArrayBuffer(8)),
  ),
  fc.constantFrom(
    { maxNewTokens: 1, temperature: 0, topP: 1 },
    { vocabulary: 9, hidden: 1e9, intermediate: 4, layers: 1, heads: 1, keyValueHeads: 1, headSize: 4, epsilon: 1e-6 },
  ),
);

describeWithEngine('the calls of the engine addon', () => {
  test('with arguments at random end in typed errors', async () => {
    const engine = nativeEngine();
    const model = await TorchLM.create(config, 1n);
    const pass = await engine.nll(handleOf(model), Int32Array.of(1, 2), Uint32Array.of(0, 2), Uint32Array.of(1));
    const known = fc.constantFrom<unknown>(handleOf(model), pass.pass);
    const names = Object.keys(engine).filter((name) => typeof engine[name as keyof NativeEngine] === 'function');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names.filter((name) => name !== 'releaseModel')),
        fc.array(fc.oneof(junk, known), { maxLength: 9 }),
        async (name, words) => {
          try {
            await (engine[name as keyof NativeEngine] as (...words: unknown[]) => unknown)(...words);
          } catch (error) {
            expect(error).toBeInstanceOf(SoulError);
            expect((error as SoulError).code).toMatch(/^SOUL_(INVALID_ARGUMENT|RELEASED)$/);
          }
        },
      ),
      { numRuns: 3000, seed: 1 },
    );
    // The model is unharmed.
    const score = await model.score(TokenBatch.of([{ tokens: [1, 2], labelsFrom: 1 }]));
    expect(score.logProbability[0]).toBeCloseTo(-pass.values[0]!, 5);
    model.release();
  });

  test('are given labels that come after a token of their sequence, in order, or refuse them', async () => {
    const model = await TorchLM.create(config, 1n);
    const handle = handleOf(model);
    const engine = nativeEngine();
    const [tokens, offsets] = [Int32Array.of(1, 2, 3, 4, 5), Uint32Array.of(0, 3, 5)];
    const refusals: [number[], RegExp][] = [
      [[], /must have an entry for sequence 0/],
      [[2], /must have an entry for sequence 1/],
      [[4], /must have an entry for sequence 0/],
      [[0, 4], /labelPositions\[0\] must come after 0, the first token of sequence 0, but is 0/],
      [[1, 3], /labelPositions\[1\] must come after 3, the first token of sequence 1, but is 3/],
      [[1, 1, 4], /labelPositions\[1\] must come after 1, the label before it, but is 1/],
      [[2, 1, 4], /labelPositions\[1\] must come after 2, the label before it, but is 1/],
      [[2, 4, 1], /labelPositions\[2\] must come after 4, the label before it, but is 1/],
      [[2, 4, 5], /labelPositions\[2\] must be the index of a token, at most 4, but is 5/],
      [[2, 2 ** 32 - 1], /must have an entry for sequence 1/],
    ];
    for (const [positions, message] of refusals) {
      const batch = [tokens, offsets, Uint32Array.from(positions)] as const;
      const weights = new Float32Array(positions.length);
      const memory = new Float32Array(new SharedArrayBuffer(4 * model.parameters.values.length));
      const calls: (() => unknown)[] = [
        () => engine.nll(handle, ...batch),
        () => engine.divergence(handle, handle, ...batch),
        () => engine.activation(handle, 0, new Float32Array(4), ...batch),
        () => engine.targetCrossEntropy(handle, undefined, 1, ...batch),
        () => engine.accumulate(handle, ...batch, weights, undefined),
        () => engine.gaussNewton(handle, ...batch, weights, memory, memory.slice(), 0.1),
        () => engine.score(handle, ...batch, 0),
      ];
      for (const call of calls) expect(call).toThrow(message);
    }
    // An array on shared memory may change while it is read: what is checked is a copy.
    const shared = new Uint32Array(new SharedArrayBuffer(8));
    shared.set([2, 4]);
    const pass = engine.nll(handle, tokens, offsets, shared);
    shared.fill(2 ** 32 - 1);
    expect((await pass).values.every(Number.isFinite)).toBe(true);
    model.release();
  });

  test('at random positions of labels either run or end in typed errors', async () => {
    const model = await TorchLM.create(config, 1n);
    const handle = handleOf(model);
    const position = fc.oneof(fc.integer({ min: 0, max: 8 }), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
        fc.oneof(
          fc.array(position, { maxLength: 6 }),
          fc.uniqueArray(position, { maxLength: 6 }).map((each) => each.sort((a, b) => a - b)),
        ),
        async (lengths, positions) => {
          const offsets = Uint32Array.from([0, ...lengths], (_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
          const tokens = new Int32Array(offsets.at(-1)!).fill(1);
          const placed = lengths.map((length, i) =>
            positions.filter((each) => each > offsets[i]! && each < offsets[i]! + length),
          );
          const fits =
            placed.every(({ length }) => length > 0) &&
            placed.flat().length === positions.length &&
            positions.every((each, i) => i === 0 || each > positions[i - 1]!);
          const outcome = await Promise.resolve()
            .then(() => nativeEngine().score(handle, tokens, offsets, Uint32Array.from(positions), 0))
            .then(
              ({ mean }) => mean.length,
              (error: SoulError) => error.code,
            );
          expect(outcome).toBe(fits ? positions.length : 'SOUL_INVALID_ARGUMENT');
        },
      ),
      { numRuns: 1000, seed: 1 },
    );
    model.release();
  });

  test('that need more memory than there is say so in one line', async () => {
    const model = await TorchLM.create({ ...config, head_dim: 1024, max_position_embeddings: 2 ** 21 }, 1n);
    // One prompt is long, and every row of a cache is as long: keys would take 2^48 bytes, more than can be addressed.
    const [prompts, longest] = [2 ** 16, 2 ** 20];
    const offsets = Uint32Array.from({ length: prompts + 1 }, (_, i) => (i === 0 ? 0 : longest + i - 1));
    const tokens = new Int32Array(offsets[prompts]!);
    const options = { maxNewTokens: 1, temperature: 0, topP: 1 };
    const words = [tokens, offsets, new Int32Array(0), new BigUint64Array(prompts), options] as const;
    await expect(nativeEngine().generate(handleOf(model), ...words)).rejects.toMatchObject({
      code: 'SOUL_OUT_OF_MEMORY',
      message: expect.stringMatching(/can't allocate memory[^\n]*$/),
    });
    model.release();
  });

  test('memory that could be detached is refused', async () => {
    const { specification, size } = specificationOf(config);
    const shared = (length = size) => new Float32Array(new SharedArrayBuffer(4 * length));
    const { createModel } = nativeEngine();
    expect(() => createModel(specification, new Float32Array(size), shared())).toThrow(/SharedArrayBuffer/);
    // Neither is memory of two kinds, or of a kind that holds no weights.
    const bits = new Uint16Array(new SharedArrayBuffer(2 * size));
    expect(() => createModel(specification, shared(), bits)).toThrow(/of one length and dtype/);
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    expect(() => createModel(specification, bytes, bytes)).toThrow(/values must be a Float32Array/);
    // Weights must lie within the buffer.
    expect(() => createModel(specification, shared(size - 256), shared(size - 256))).toThrow(
      /does not fit into values/,
    );
    const beyond = { ...specification, embedding: size };
    expect(() => createModel(beyond, shared(), shared())).toThrow(/embedding does not fit/);
  });

  test('adapters lie in memory of their own, within a projection and apart from each other, or are refused', async () => {
    const wide = { ...config, hidden_size: 16 };
    const adapter = { kind: 'lora', rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'], rankStabilised: false } as const;
    const { specification, size } = specificationOf(wide, adapter);
    const adapterSize = adapterLayout(parseModelConfig(wide), adapter).length;
    const memory = (length: number) => new Float32Array(new SharedArrayBuffer(4 * length));
    const { createModel, merge } = nativeEngine();
    const [values, own, ownGradients] = [memory(size), memory(adapterSize), memory(adapterSize)];
    const model = createModel(specification, values, undefined, own, ownGradients);
    await merge(model, memory(size));
    expect(() => merge(model, memory(size - 1))).toThrow(/target must be of the weights' dtype and length/);
    expect(() => merge(model, values)).toThrow(/target must share no memory with values/);
    // Longer than the weights, they are there for a target as long as those within them.
    const [long, longGradients] = [memory(size), memory(size)];
    const roomy = createModel(specification, values, undefined, long, longGradients);
    expect(() => merge(roomy, long)).toThrow(/target must share no memory with adapterValues/);
    expect(() => merge(roomy, longGradients)).toThrow(/target must share no memory with adapterGradients/);
    const whole = createModel(specificationOf(wide).specification, values, memory(size));
    expect(() => merge(whole, memory(size))).toThrow(/model must have adapters/);

    const narrow = new Uint16Array(new SharedArrayBuffer(2 * adapterSize));
    const refusals: [unknown[], RegExp][] = [
      [[values, undefined], /adapters need memory|there must be gradients/],
      [[values, memory(size), own, ownGradients], /there must be gradients of the adapters, or without/],
      [[values, undefined, own], /there must be gradients/],
      [[values, undefined, own, memory(adapterSize - 1)], /of one length and dtype/],
      [[values, undefined, narrow, narrow], /must have the dtype of values/],
      [[values, undefined, memory(adapterSize - 256), memory(adapterSize - 256)], /does not fit into values/],
      [[values, memory(size)], /adapters need memory of their own/],
      [[values, undefined, values.subarray(0, adapterSize), own], /adapterValues must share no memory with values/],
      [[values, undefined, own, values.subarray(0, adapterSize)], /adapterGradients must share no memory with values/],
      [[values, undefined, own, own], /adapterGradients must share no memory with adapterValues/],
    ];
    for (const [words, message] of refusals) {
      expect(() => (createModel as (...words: unknown[]) => unknown)(specification, ...words)).toThrow(message);
    }
    const changes: [object, RegExp][] = [
      [{ rank: 0 }, /rank must be/],
      [{ rank: 2 ** 30 }, /does not fit/],
      [{ scale: Number.NaN }, /scale must be/],
      [{ scale: -1 }, /scale must be/],
      [{ first: 10_000 }, /first must be/],
      [{ columns: 10_000 }, /columns must be/],
      // Queries, keys and values are one product here: so wide, the first would meet the one of values.
      [{ columns: 40 }, /first must be/],
      [{ a: adapterSize }, /a does not fit/],
      [{ b: -1 }, /b must be/],
    ];
    for (const [change, message] of changes) {
      const changed = structuredClone(specification);
      Object.assign(changed.layers[0]!.attentionInput[0]!.adapters![0]!, change);
      expect(() => createModel(changed, values, undefined, own, ownGradients)).toThrow(message);
    }
    // The last one ends where the product does.
    const beyond = structuredClone(specification);
    beyond.layers[0]!.attentionInput[0]!.adapters![1]!.columns += 1;
    expect(() => createModel(beyond, values, undefined, own, ownGradients)).toThrow(/columns must be/);
  });

  test('bottlenecks lie in memory of their own, in every layer whose inputs are asked for, or are refused', async () => {
    const adapter = { kind: 'unlearning-layers', bottleneck: 3, activation: 'gelu' } as const;
    const { specification, size } = specificationOf(config, adapter);
    const adapterSize = adapterLayout(parseModelConfig(config), adapter).length;
    const memory = (length: number) => new Float32Array(new SharedArrayBuffer(4 * length));
    const { createModel, bottleneckInputs } = nativeEngine();
    const given = [memory(size), undefined, memory(adapterSize), memory(adapterSize)] as const;
    const batch = [Int32Array.of(1, 2), Uint32Array.of(0, 2), Uint32Array.of(1)] as const;
    const matrices = await bottleneckInputs(createModel(specification, ...given), ...batch);
    expect(matrices.length).toBe(2 * specification.layers.length);
    expect(matrices[1]!.length).toBe(4 * 4);

    expect(() => createModel(specification, memory(size), memory(size))).toThrow(
      /a bottleneck needs memory of its own/,
    );
    const changes: [unknown, RegExp][] = [
      [3, /mlpBottleneck must be an object/],
      [{ width: 0 }, /width must be/],
      [{ width: 2 ** 30 }, /does not fit/],
      [{ activation: 'tanh' }, /activation must be one of/],
      [{ down: adapterSize }, /down does not fit/],
      [{ downBias: -1 }, /downBias must be/],
      [{ up: 0.5 }, /up must be/],
      [{ upBias: undefined }, /upBias must be/],
    ];
    for (const [change, message] of changes) {
      const changed = structuredClone(specification);
      const { mlpBottleneck } = changed.layers[0]!;
      Object.assign(changed.layers[0]!, {
        mlpBottleneck: typeof change === 'object' ? { ...mlpBottleneck, ...change } : change,
      });
      expect(() => createModel(changed, ...given)).toThrow(message);
    }
    const lacking = structuredClone(specification);
    delete lacking.layers[0]!.mlpBottleneck;
    expect(() => bottleneckInputs(createModel(lacking, ...given), ...batch)).toThrow(/model must have bottlenecks/);
    const model = createModel(specification, ...given);
    expect(() => bottleneckInputs(model, Int32Array.of(1, 10_000), batch[1], batch[2])).toThrow(/tokens/);
    expect(() => (bottleneckInputs as (...words: unknown[]) => unknown)({}, ...batch)).toThrow(
      /model must be a handle/,
    );
  });

  test('heads of other sizes than the layer has are refused', () => {
    const neox = { ...config, model_type: 'gpt_neox', hidden_size: 16, num_attention_heads: 2, rotary_pct: 0.5 };
    const { specification, size } = specificationOf(neox);
    const memory = () => new Float32Array(new SharedArrayBuffer(4 * size));
    const { createModel } = nativeEngine();
    const refuse = (
      slot: 'attentionInput' | 'attentionOutput' | 'mlpInput' | 'mlpOutput',
      interleavedHeads: number,
    ) => {
      const changed = structuredClone(specification);
      changed.layers[0]![slot][0]!.interleavedHeads = interleavedHeads;
      expect(() => createModel(changed, memory(), memory())).toThrow(new RegExp(`${slot}: interleaved parts`));
    };
    // Of the same number of elements in all: products fit, attention over them would not.
    for (const heads of [1, 4, 8]) refuse('attentionInput', heads);
    for (const slot of ['attentionOutput', 'mlpInput', 'mlpOutput'] as const) refuse(slot, 1);
    expect(() => createModel(specification, memory(), memory())).not.toThrow();
  });

  test('specifications at random end in typed errors, or in a model', () => {
    const { createModel, releaseModel } = nativeEngine();
    const adapter = { kind: 'lora', rank: 2, alpha: 4, targets: ['c_attn', 'c_fc'], rankStabilised: false } as const;
    const gpt2 = { ...config, model_type: 'gpt2', n_embd: 4, n_head: 2 };
    const families: [object, AdapterConfig?][] = [
      [config],
      [{ ...config, model_type: 'gpt_neox', rotary_pct: 0.5 }],
      [gpt2],
      [gpt2, adapter],
      [
        { ...config, hidden_size: 16 },
        { ...adapter, targets: ['q_proj', 'v_proj', 'down_proj'] },
      ],
      [config, { kind: 'unlearning-layers', bottleneck: 3, activation: 'relu' }],
    ];
    for (const [family, adapters] of families) {
      const { specification, size } = specificationOf(family, adapters);
      const memory = (length = size) => new Float32Array(new SharedArrayBuffer(4 * length));
      const own = adapters && adapterLayout(parseModelConfig(family), adapters).length;
      const buffers = own === undefined ? [memory()] : [undefined, memory(own), memory(own)];
      const values = memory();
      const entries = entriesOf(specification);
      fc.assert(
        fc.property(fc.constantFrom(...entries), fc.oneof(junk, fc.integer()), (path, wrong) => {
          const changed = structuredClone(specification) as never;
          set(changed, path, wrong);
          try {
            void releaseModel(createModel(changed, values, ...(buffers as [Float32Array])));
          } catch (error) {
            expect(error).toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
          }
        }),
        { numRuns: 1500, seed: 1 },
      );
    }
  });
});

/** What the engine is told of a model, and the elements of its buffers. */
function specificationOf(source: object, adapter?: AdapterConfig) {
  const parsed = parseModelConfig(source);
  const settings = { attention: 'host', checkpointActivations: false, threads: 1, logitsMemory: 2 ** 20 } as const;
  return { specification: nativeSpecification(parsed, settings, adapter), size: parameterLayout(parsed).length };
}

/** The way to every entry of an object, at whatever depth. */
function entriesOf(object: object): string[][] {
  return Object.entries(object).flatMap(([key, value]) => [
    [key],
    ...(typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
      ? entriesOf(value).map((path) => [key, ...path])
      : []),
  ]);
}

function set(object: Record<string, never>, [key, ...rest]: readonly string[], value: unknown): void {
  if (rest.length > 0) set(object[key!]!, rest, value);
  else Object.assign(object, { [key!]: value });
}

/** The handle that a TorchLM keeps to itself, caught on its way to the engine. */
function handleOf(model: TorchLM): never {
  const engine = nativeEngine();
  const { score } = engine;
  let handle: unknown;
  engine.score = (given) => {
    handle = given;
    return Promise.reject(new Error('caught'));
  };
  void model.score(TokenBatch.of([{ tokens: [1, 2], labelsFrom: 1 }])).catch(() => {});
  engine.score = score;
  return handle as never;
}

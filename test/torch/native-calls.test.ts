import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SoulError } from '../../lib/core/errors.ts';
import { nativeEngine } from '../../lib/torch/engine.ts';
import { TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import type { NativeEngine } from '../../lib/torch/native-engine.ts';
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
        fc.array(fc.oneof(junk, known), { maxLength: 7 }),
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
      message: /can't allocate memory[^\n]*$/,
    });
    model.release();
  });

  test('memory that could be detached is refused', async () => {
    const specification = {
      ...{ vocabulary: 2, hidden: 2, intermediate: 2, layers: 1, heads: 1, keyValueHeads: 1, headSize: 2 },
      ...{ maxPositions: 4, epsilon: 1e-6, tied: true, attentionBias: false, mlpBias: false },
      ...{ portableAttention: false, offsets: {}, threads: 0, logitsMemory: 1 },
    };
    const shared = () => new Float32Array(new SharedArrayBuffer(400));
    const frequencies = Float32Array.of(1);
    const { createModel } = nativeEngine();
    expect(() => createModel(specification, new Float32Array(100), shared(), frequencies)).toThrow(/SharedArrayBuffer/);
    // Neither is memory of two kinds, or of a kind that holds no weights.
    const bits = new Uint16Array(new SharedArrayBuffer(200));
    expect(() => createModel(specification, shared(), bits, frequencies)).toThrow(/of one length and dtype/);
    const bytes = new Uint8Array(new SharedArrayBuffer(100));
    expect(() => createModel(specification, bytes, bytes, frequencies)).toThrow(/values must be a Float32Array/);
    // Weights are named and must lie within the buffer.
    expect(() => createModel(specification, shared(), shared(), frequencies)).toThrow(/model\.embed_tokens\.weight/);
    const offsets = { 'model.embed_tokens.weight': 97 };
    expect(() => createModel({ ...specification, offsets }, shared(), shared(), frequencies)).toThrow(/embed_tokens/);
  });
});

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

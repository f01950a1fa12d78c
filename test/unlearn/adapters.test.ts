import { expect, test } from '@jest/globals';
import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { elementCount } from '../../lib/core/shape.ts';
import { squaredNorm } from '../../lib/core/vector-operations.ts';
import type { AdapterOptions } from '../../lib/model/index.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import type { Optimizer, SecondOrderOptimizer } from '../../lib/optim/optimizer.ts';
import { SGD } from '../../lib/optim/sgd.ts';
import { SignDescent } from '../../lib/optim/sign-descent.ts';
import { Sophia } from '../../lib/optim/sophia.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import type { StepEvent } from '../../lib/unlearn/events.ts';
import { type Algorithm, algorithm, algorithms, Lab } from '../../lib/unlearn/index.ts';
import { settingsFor } from '../../lib/unlearn/registry.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { resumeEverywhere, sets, size } from './journal-runs.ts';

const config = {
  ...{ model_type: 'llama', vocab_size: size, initializer_range: 0.3, max_position_embeddings: 16, hidden_size: 16 },
  ...{ intermediate_size: 32, num_hidden_layers: 3, num_attention_heads: 2, num_key_value_heads: 1 },
  tie_word_embeddings: true,
};

type Make = (model: TorchLM, options: { frozen?: FlatBuffer<'u8'> }) => Optimizer | SecondOrderOptimizer;
const rho = { clippedFraction: 0.3 };
const optimizers: Record<string, Make> = {
  adamw: ({ parameters }, options) => new AdamW(parameters, { learningRate: 0.01, ...options }),
  sgd: ({ parameters }, options) => new SGD(parameters, { learningRate: 0.1, ...options }),
  sign: ({ parameters }, options) => new SignDescent(parameters, { learningRate: 1e-3, ...options }),
  sophia: ({ parameters }, options) => new Sophia(parameters, { learningRate: 1e-3, rho, ...options }),
  'soul-repo': ({ parameters }, options) => Sophia.soulRepo(parameters, { learningRate: 1e-3, ...options }),
};

const kinds = {
  lora: { kind: 'lora', rank: 2, targets: 'all-linear' },
  'unlearning-layers': { kind: 'unlearning-layers', bottleneck: 4 },
} as const satisfies Record<string, AdapterOptions>;
type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

const create = (kind: Kind, dtype: 'f32' | 'bf16' = 'f32') =>
  TorchLM.create(config, 5n, { threads: 1, dtype, adapter: kinds[kind] });

async function bitsOf(buffer: FlatBuffer): Promise<string> {
  const { array } = buffer as FlatBuffer<'f32'>;
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
}

/** The factors by their names, and biases where there are some: that of D has no gradient while U is 0, as A has none. */
function factorsOf(model: TorchLM, factor: 'A' | 'B'): [string, FlatBuffer][] {
  const { layout, values } = model.parameters;
  const bias = factor === 'A' ? 'down.bias' : 'up.bias';
  return [...layout]
    .filter(([name, place]) => place.factor === factor || name.endsWith(bias))
    .map(([name, { offset, shape }]) => [name, values.view(offset, elementCount(shape))]);
}

async function run(model: TorchLM, name: string, optimizer: Make, given: object, steps: number): Promise<StepEvent[]> {
  const chosen = algorithm(name as 'npo') as unknown as Algorithm;
  const start = await model.fork();
  const lab = new Lab({
    ...{ model, sets, seed: 3n },
    optimizer: (options) => optimizer(model, options),
    referenceModel: async () => start,
    descent: { steps, batchSize: 2, curvature: { every: 2, chunks: 1, chunkSize: 1 } },
  });
  const events: StepEvent[] = [];
  try {
    for await (const event of lab.run(chosen, settingsFor(chosen, given)))
      if (event.kind === 'step') events.push(event);
  } finally {
    await lab.release();
    start.release();
  }
  return events;
}

const settings: Record<string, object> = { spunge: { merge: 'mean' }, deepzero: { coordinates: 8 } };
const runs = algorithms.flatMap(({ name, optimizers: own }) =>
  Object.keys(optimizers)
    .filter((optimizer) => own === undefined || own.includes(optimizer))
    .flatMap((optimizer) => kindNames.map((kind) => [name, optimizer, kind] as const)),
);

describeWithEngine('adapters', () => {
  test.each(runs)(
    '%s with %s, %s: works on fresh ones or is refused, works on trained ones, and leaves the base',
    async (name, optimizer, kind) => {
      const model = await create(kind);
      const chosen = algorithm(name as 'npo') as unknown as Algorithm;
      const own = settingsFor(chosen, settings[name] ?? {});
      const facts = (isFresh: boolean) => ({
        ...{ layers: 3, dtype: 'f32' as const },
        adapters: { isFresh, layout: model.parameters.layout },
      });
      const base = await bitsOf(model.base!.values);
      try {
        let isRefused = false;
        try {
          chosen.checkModel?.(facts(true), own);
        } catch (error) {
          expect(error).toMatchObject({ code: 'SOUL_UNSUPPORTED', message: expect.stringContaining('fresh adapters') });
          isRefused = true;
        }
        expect([name, isRefused]).toEqual([name, ['ssd', 'prune', 'wagle'].includes(name)]);
        if (isRefused) await run(model, 'finetune', optimizers.adamw!, {}, 3);
        const before = await bitsOf(model.parameters.values);
        await run(model, name, optimizers[optimizer]!, settings[name] ?? {}, 3);
        expect(await bitsOf(model.parameters.values)).not.toBe(before);
        chosen.checkModel?.(facts(false), own);
        expect(await bitsOf(model.base!.values)).toBe(base);
        for (const [name, part] of [...factorsOf(model, 'A'), ...factorsOf(model, 'B')]) {
          expect([name, Number.isFinite(await squaredNorm(part))]).toEqual([name, true]);
        }
      } finally {
        model.release();
      }
    },
  );

  test.each(
    ['npo', 'graddiff', 'mollm'].flatMap((name) =>
      Object.keys(optimizers).flatMap((each) => kindNames.map((kind) => [name, each, kind] as const)),
    ),
  )('%s with %s, %s: after two steps every A and every B has moved', async (name, optimizer, kind) => {
    const model = await create(kind);
    const begin = async () =>
      Object.fromEntries(
        await Promise.all(factorsOf(model, 'A').map(async ([own, part]) => [own, await bitsOf(part)] as const)),
      );
    const first = await begin();
    await run(model, name, optimizers[optimizer]!, {}, 2);
    const last = await begin();
    for (const own of Object.keys(first)) expect([own, last[own] === first[own]]).toEqual([own, false]);
    for (const [own, part] of factorsOf(model, 'B')) expect([own, await squaredNorm(part)]).not.toEqual([own, 0]);
    model.release();
  });

  test.each(kindNames.flatMap((kind) => (['f32', 'bf16'] as const).map((dtype) => [kind, dtype] as const)))(
    'Sophia holds A until B has moved, then primes it: %s, %s',
    async (kind, dtype) => {
      const model = await create(kind, dtype);
      const seen: { norm: number; a: boolean; stepped: StepEvent['statistics'] }[] = [];
      let sophia: Sophia | undefined;
      const make: Make = ({ parameters }, options) => {
        sophia = new Sophia(parameters, { learningRate: 1e-3, weightDecay: 0.1, rho, ...options });
        return sophia;
      };
      const first = factorsOf(model, 'A').map(([, part]) => part);
      const bits = await Promise.all(first.map(bitsOf));
      const curvatureOf = async (factor: 'A' | 'B') => {
        let sum = 0;
        for (const [name] of factorsOf(model, factor)) {
          const place = model.parameters.layout.get(name)!;
          sum += await squaredNorm(sophia!.state.hessian.view(place.offset, elementCount(place.shape)));
        }
        return sum;
      };
      const chosen = algorithm('graddiff') as unknown as Algorithm;
      const lab = new Lab({
        ...{ model, sets, seed: 3n },
        optimizer: (options) => make(model, options),
        descent: { steps: 4, batchSize: 2, curvature: { every: 20, chunks: 2, chunkSize: 1, primingChunks: 4 } },
      });
      for await (const event of lab.run(chosen, settingsFor(chosen, {}))) {
        if (event.kind !== 'step') continue;
        const same = (await Promise.all(first.map(bitsOf))).every((each, i) => each === bits[i]);
        seen.push({ norm: await curvatureOf('A'), a: same, stepped: event.statistics });
        expect(await curvatureOf('B')).toBeGreaterThan(0);
        // The second estimate comes out of its turn, and has as much data as one that primes.
        expect(event.curvature?.sequences).toBe(event.step <= 2 ? 4 : undefined);
        const biases = kind === 'lora' ? [] : ['vector'];
        expect(event.statistics.groups.map(({ name }) => name)).toEqual([...biases, 'A', 'B']);
      }
      expect(seen[0]).toMatchObject({ norm: 0, a: true });
      expect(seen[0]!.stepped.groups.find(({ name }) => name === 'A')).toMatchObject({
        clippedFraction: 0,
        changedFraction: 0,
      });
      expect(seen[1]!.norm).toBeGreaterThan(0);
      expect(seen[1]!.a).toBe(false);
      await lab.release();
      model.release();
    },
  );

  test.each(
    ['npo', 'rmu', 'sam', 'influence'].flatMap((name) =>
      (['f32', 'bf16'] as const).flatMap((dtype) => kindNames.map((kind) => [name, dtype, kind] as const)),
    ),
  )('%s is gone on with from any place, with the same bits: %s, %s', async (name, dtype, kind) => {
    const inBf16 = name === 'influence' && dtype === 'bf16' ? { form: 'diagonal' } : {};
    for (const optimizer of ['adamw', 'sophia']) {
      const { journal } = await resumeEverywhere({
        algorithm: algorithm(name as 'npo') as unknown as Algorithm,
        settings: inBf16,
        descent: { steps: 3 },
        model: () => create(kind, dtype),
        optimizer: (model, options) => optimizers[optimizer]!(model as TorchLM, options),
      });
      expect(journal.places.length).toBeGreaterThan(1);
    }
  });
});

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlatBuffer, Sophia, type SophiaOptions } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { inShape, launchShapes } from './launch-shapes.ts';
import { expectAlike, type Memory, makeCalls, memories, type places, shapes, stepSettings } from './optimizer-calls.ts';
import { bitsOf } from './twins.ts';

const sophiaSettings = fc
  .tuple(
    stepSettings,
    fc.record({
      denominatorMax: fc.boolean(),
      momentumBiasCorrection: fc.boolean(),
      batchSize: fc.constantFrom(1, 320),
      prime: fc.boolean(),
      estimateClipped: fc.boolean(),
    }),
  )
  .map(([shared, own]) => ({ ...shared, ...own }));

const steady: Memory = {
  length: 1000,
  values: 'f32',
  states: 'f32',
  estimate: 'none',
  skews: [],
  frozen: 0,
  odd: [],
  ends: [],
  stream: 3,
};
const settings = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-15, skipNonFinite: true, batchSize: 4 };

describe('a step', () => {
  test('has the bits of the CPU whatever the storage, the estimate, the masks, the segments and the launch', async () => {
    await fc.assert(
      fc.asyncProperty(memories(), sophiaSettings, shapes, async (memory, given, shape) => {
        const [cpu, cuda] = await makeCalls(memory);
        await inShape(shape, async () => {
          for (let step = 0; step < 3; step++) {
            await Promise.all([cpu.newGradients(step), cuda.newGradients(step)]);
            await expectAlike(cpu, cuda, await cpu.sophia(given), await cuda.sophia(given));
          }
        });
        await cuda.release();
      }),
      { seed: 11, numRuns: 150 },
    );
  });

  test('is skipped, or goes through, where a gradient or an estimate is not finite', async () => {
    const odd = fc.constantFrom([Number.NaN], [Infinity], [-Infinity, 0, Number.NaN]);
    const skewed = odd.chain((numbers) => memories().map((memory) => ({ ...memory, odd: numbers })));
    await fc.assert(
      fc.asyncProperty(skewed, sophiaSettings, shapes, async (memory, given, shape) => {
        const [cpu, cuda] = await makeCalls(memory);
        await inShape(shape, async () => {
          await expectAlike(cpu, cuda, await cpu.sophia(given), await cuda.sophia(given));
        });
        await cuda.release();
      }),
      { seed: 12, numRuns: 60 },
    );
  });

  test('is skipped for an estimate alone, and nothing has changed then', async () => {
    const [, cuda] = await makeCalls({ ...steady, estimate: 'bf16' });
    await cuda.buffers.estimate!.view(997, 1).fill(Number.NaN);
    const before = await cuda.bits();
    const outcome = await cuda.sophia({ ...settings, zeroGradients: true });
    expect(outcome).toEqual([0, 1, expect.any(Number), 0.5, 0, 0, 0]);
    expect(await cuda.bits()).toEqual(before);
    await cuda.release();
  });

  test('takes more segments than one launch does', async () => {
    const ends = Array.from({ length: 70 }, (_, i) => i % 65);
    for (const skipNonFinite of [true, false]) {
      const [cpu, cuda] = await makeCalls({ ...steady, ends, values: 'bf16', frozen: 1 });
      const given = { ...settings, skipNonFinite };
      await expectAlike(cpu, cuda, await cpu.sophia(given), await cuda.sophia(given));
      await cuda.release();
    }
  });

  test('is refused with the sentence of the CPU where counters are none', async () => {
    for (const [slot, value] of [
      [0, Number.NaN],
      [2, -1],
      [4, Infinity],
      [3, 2],
    ] as const) {
      const [cpu, cuda] = await makeCalls(steady);
      for (const call of [cpu, cuda]) call.setCounter(slot, value);
      const before = await cuda.bits();
      const wanted = await cpu.sophia(settings);
      expect(wanted).toEqual(expect.any(String));
      expect(await cuda.sophia(settings)).toBe(wanted);
      expect(await cuda.bits()).toEqual(before);
      await cuda.release();
    }
  });
});

describe('rho from a fraction', () => {
  const withEstimate = memories().map(({ estimate, ...memory }) => ({
    ...memory,
    estimate: estimate === 'none' ? ('own' as const) : estimate,
  }));

  test('is that of the CPU, and so is the step', async () => {
    const fractions = fc.constantFrom(0.001, 0.1, 0.5, 0.999);
    await fc.assert(
      fc.asyncProperty(
        withEstimate,
        sophiaSettings,
        fractions,
        shapes,
        async (memory, given, clippedFraction, shape) => {
          const [cpu, cuda] = await makeCalls(memory, Number.NaN);
          const asked = { ...given, clippedFraction };
          await inShape(shape, async () => {
            for (let step = 0; step < 2; step++) {
              await Promise.all([cpu.newGradients(step), cuda.newGradients(step)]);
              await expectAlike(cpu, cuda, await cpu.sophia(asked), await cuda.sophia(asked));
            }
          });
          await cuda.release();
        },
      ),
      { seed: 13, numRuns: 80 },
    );
  });

  test('spares segments that do not count, and takes many', async () => {
    for (const ends of [[10], [1, 2, 3, 40], Array.from({ length: 70 }, (_, i) => i % 65)]) {
      const [cpu, cuda] = await makeCalls({ ...steady, length: 3001, estimate: 'own', ends, frozen: 4 }, Number.NaN);
      const asked = { ...settings, clippedFraction: 0.2 };
      await expectAlike(cpu, cuda, await cpu.sophia(asked), await cuda.sophia(asked));
      await cuda.release();
    }
  });

  test('is refused without an estimate, and where no h says anything', async () => {
    for (const [memory, kind] of [
      [steady, 'none'],
      [{ ...steady, frozen: 8 }, 'own'],
      [{ ...steady, odd: [] }, 'own'],
    ] as const) {
      const [cpu, cuda] = await makeCalls({ ...memory, estimate: kind }, Number.NaN);
      const asked = { ...settings, clippedFraction: 0.5 };
      if (memory.frozen === 0) for (const call of [cpu, cuda]) await call.buffers.gradients!.fill(0);
      if (memory.frozen === 0) for (const call of [cpu, cuda]) await call.buffers.second!.fill(0);
      const wanted = await cpu.sophia(asked);
      expect(wanted).toEqual(expect.stringMatching(/rho/));
      await expectAlike(cpu, cuda, wanted, await cuda.sophia(asked));
      await cuda.release();
    }
  });

  test('is searched for where the host knows none and the device does', async () => {
    const [cpu, cuda] = await makeCalls({ ...steady, estimate: 'own' }, Number.NaN);
    const asked = { ...settings, clippedFraction: 0.3 };
    const wanted = [await cpu.sophia(asked), await cpu.sophia(asked), await cpu.sophia(asked)];
    // Nobody waits: the host's rho is NaN when the second and the third are enqueued.
    const found = await Promise.all([cuda.sophia(asked), cuda.sophia(asked), cuda.sophia(asked)]);
    await expectAlike(cpu, cuda, wanted[2]!, found[2]!);
    expect(found.map((numbers) => numbers[0])).toEqual([1, 2, 3]);
  });

  test('of another optimizer is not mistaken for the own', async () => {
    const [, cuda] = await makeCalls({ ...steady, estimate: 'own' }, Number.NaN);
    const asked = { ...settings, clippedFraction: 0.3 };
    await cuda.sophia({ ...settings, clippedFraction: 0 });
    cuda.control[1] = 1;
    expect(await cuda.sophia(asked)).toMatch(/control and counters must belong to one optimizer/);
    await cuda.release();
  });
});

describe('Sophia', () => {
  const length = 2000;
  type Recipe = { options: SophiaOptions; dtype: 'f32' | 'bf16' };

  /** Thirty steps with estimates, a skip, parts and frozen weights, of which nobody awaits one. */
  async function run({ options, dtype }: Recipe, device: (typeof places)[number], awaited: boolean) {
    const make = (stream: number) => FlatBuffer.alloc(length, { dtype, device }).copyFrom(hashed(stream, length));
    const values = FlatBuffer.alloc(length, { dtype, device });
    const gradients = FlatBuffer.alloc(length, { dtype, device });
    const estimate = FlatBuffer.alloc(length, { device });
    await Promise.all([values.copyFrom(hashed(1, length)), make(2)]);
    const frozen = FlatBuffer.alloc(length / 8, { dtype: 'u8', device });
    await frozen.view(3, 20).fill(0b1010_0110);
    const sophia = new Sophia({ values, gradients }, { learningRate: 0.01, frozen, ...options });
    const pending: Promise<unknown>[] = [];
    const add = async (call: Promise<unknown>) => {
      pending.push(call);
      if (awaited) await call;
    };
    for (let step = 0; step < 30; step++) {
      await add(gradients.copyFrom(hashed(10 + step, length)));
      if (step === 12) await add(gradients.view(77, 1).fill(Infinity));
      if (step % 5 === 0 && sophia.estimator === 'external') {
        await add(estimate.copyFrom(hashed(50 + step, length)));
        const primed = { batchSize: 8, prime: step === 0 };
        for (let part = 0; part < 3; part++) {
          await add(sophia.updateHessian({ from: estimate, part: [part, 3], ...primed }));
        }
      }
      await add(sophia.step({ zeroGradients: step % 2 === 0 }));
    }
    const statistics = await Promise.all(pending);
    const { momentum, hessian, master } = sophia.state;
    const buffers = [values, gradients, momentum, hessian, ...(master === undefined ? [] : [master])];
    return { statistics, rho: sophia.rho, step: sophia.state.step, bits: await Promise.all(buffers.map(bitsOf)) };
  }

  const recipes: [string, Recipe][] = [
    ['float32', { options: {}, dtype: 'f32' }],
    ['rho from a fraction', { options: { rho: { clippedFraction: 0.2 } }, dtype: 'f32' }],
    ['a rho that follows', { options: { rho: { clippedFraction: 0.2, follow: true } }, dtype: 'f32' }],
    ['a master', { options: { denominator: 'max' }, dtype: 'bf16' }],
    ['bf16 throughout', { options: { precision: { master: 'none', states: 'bf16' } }, dtype: 'bf16' }],
    ['bf16 to the nearest', { options: { precision: { states: 'bf16', rounding: 'nearest' } }, dtype: 'bf16' }],
    [
      'groups and the gradient squared',
      {
        options: {
          estimator: { squaredGradient: { batchSize: 64 } },
          parameterGroups: [
            { name: 'embedding', start: 0, length: 313 },
            { start: 400, length: 801, weightDecay: 0, learningRateScale: 3 },
          ],
        },
        dtype: 'f32',
      },
    ],
  ];

  const withoutNorms = (statistics: unknown[]) =>
    statistics.map((one) => (typeof one === 'object' && one !== null ? { ...one, gradientNorm: 0, length: 0 } : one));

  test.each(recipes)('runs as on the CPU, with %s, awaited or not', async (_, recipe) => {
    const wanted = await run(recipe, 'cpu', true);
    for (const awaited of [true, false]) {
      const found = await run(recipe, 'cuda:0', awaited);
      expect(found.bits).toEqual(wanted.bits);
      expect([found.rho, found.step]).toEqual([wanted.rho, wanted.step]);
      const steps = (all: unknown[]) =>
        withoutNorms(all.filter((one) => Object.hasOwn(Object(one), 'changedFraction')));
      expect(steps(found.statistics)).toEqual(steps(wanted.statistics));
    }
  });

  test('has the same bits for every launch shape', async () => {
    const recipe: Recipe = { options: { precision: { master: 'none', states: 'bf16' } }, dtype: 'bf16' };
    const wanted = await run(recipe, 'cuda:0', true);
    for (const shape of launchShapes.slice(1)) {
      const found = await inShape(shape, () => run(recipe, 'cuda:0', false));
      expect(found.bits).toEqual(wanted.bits);
    }
  });
});
